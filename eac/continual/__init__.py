"""Tools that several strategies share."""
