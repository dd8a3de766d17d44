"""What all tests share, examples in docstrings included: neither changes what is measured."""

import gc
import os

import pytest


def pytest_collection_finish() -> None:
    """A run collects garbage after each period; the millions of objects of imports are none."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_wait_for_the_disk():
    """No test cuts the power of this process; those that do run commands in processes of theirs."""
    patch = pytest.MonkeyPatch()
    patch.setattr(os, "fsync", lambda handle: None)
    yield
    patch.undo()
