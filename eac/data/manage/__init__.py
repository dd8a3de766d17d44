"""Checks, descriptions and conversions of streams."""
