"""Intervals around forecasts, from residuals whose readings are known."""
