"""What a run leaves behind as JSON, for reports."""
