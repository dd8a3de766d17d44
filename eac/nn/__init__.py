"""Layers with no opinion about training."""
