"""The Lightning module, checkpoints and the loop over periods."""
