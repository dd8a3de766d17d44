"""Grids of strategies, backbones, streams and seeds: what to run, running it, and one table."""
