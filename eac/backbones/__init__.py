"""Spatio-temporal networks; base.py is the contract, one file each."""
