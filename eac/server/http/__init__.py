"""What a request brings and an answer carries: bodies, limits, problems, meters."""
