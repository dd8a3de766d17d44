"""What keeps observations: a log, and the thread that writes it."""
