"""Streams from files and frames, each layout one reader."""
