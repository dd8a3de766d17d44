"""Forecasts of a finished run."""
