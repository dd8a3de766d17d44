"""Graphs, calendars, periods, streams and windows: what every other room of data speaks of."""
