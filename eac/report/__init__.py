"""Tables and pages made from run records; never imports Lightning."""
