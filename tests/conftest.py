"""What all tests share: the data beside the repository, and a fixed state of randomness."""

import gc
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("repeatable")


def pytest_configure() -> None:
    """Ctrl-C ends what is tested, also where a shell in the background started the tests."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What is loaded by now stays, so that no later search for garbage walks through it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_path() -> Callable[[str], Path]:
    """Gives the path of a file or folder beside the repository, or skips the test."""

    def find(relative: str) -> Path:
        path = SHARED / relative
        if not path.exists():
            pytest.skip(f"needs ../shared/{relative}, which does not ship with the project")
        return path

    return find


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch) -> None:
    """Tables are as wide as in a file, whoever runs the tests."""
    monkeypatch.delenv("COLUMNS", raising=False)
