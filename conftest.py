"""What all tests share, examples in docstrings included."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_wait_for_the_disk():
    """No test cuts the power of this process; those that do run commands in processes of theirs."""
    patch = pytest.MonkeyPatch()
    patch.setattr(os, "fsync", lambda handle: None)
    yield
    patch.undo()
