"""Masked sums, horizon errors and naive baselines."""
