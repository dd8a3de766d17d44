"""What a finished period leaves, and how it is kept in files."""
