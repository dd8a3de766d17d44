"""Continual spatio-temporal graph forecasting with expanding, compressed node prompts."""

__version__ = "0.1.0"
