"""The page, the tables and the figures of one run."""
