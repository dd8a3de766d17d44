"""What a trained period leaves: tests, intervals, its record and what the report needs."""
