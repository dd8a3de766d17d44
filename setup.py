"""Puts the folder ``configs`` into the package as ``eac.configs``; see pyproject.toml."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["eac", "eac.*"]), "eac.configs"])
