"""Forecasts as they would have been issued: ``eac backtest``."""
