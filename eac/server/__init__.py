"""Forecasts over HTTP: ``eac serve``."""
