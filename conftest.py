"""What all tests share, examples in docstrings included."""

import dataclasses
import functools
import gc
import inspect
import os
from collections.abc import Callable
from typing import Any

import jaxtyping
import pytest

CHECKED_CALLS = 20
"""Calls of one function in one test whose shapes and types are checked; a loop repeats the rest."""

_test = [0]
_check_always = jaxtyping.jaxtyped


def _check_often(function: Any = None, *, typechecker: Any) -> Any:
    """As ``jaxtyping.jaxtyped``, for the first calls of a function in each test.

    A check takes longer than most functions do, and making its checker far longer: that is made
    when a function is first called.
    """
    if function is None:
        return functools.partial(_check_often, typechecker=typechecker)
    if inspect.isclass(function):
        if dataclasses.is_dataclass(function) and not hasattr(function.__init__, "often"):
            function.__init__ = _often(function.__init__, typechecker)
        return function
    if inspect.isfunction(function):
        return _often(function, typechecker)
    return _check_always(function, typechecker=typechecker)


def _often(plain: Callable[..., Any], typechecker: Any) -> Callable[..., Any]:
    checked: Callable[..., Any] | None = None
    left, seen = 0, -1

    @functools.wraps(plain)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal checked, left, seen
        if seen != _test[0]:
            left, seen = CHECKED_CALLS, _test[0]
        if left <= 0:
            return plain(*args, **kwargs)
        left -= 1
        if checked is None:
            checked = _check_always(plain, typechecker=typechecker)
        return checked(*args, **kwargs)

    call.often = True  # type: ignore[attr-defined]
    return call


jaxtyping.jaxtyped = _check_often


def pytest_runtest_logstart() -> None:
    """Each test checks anew."""
    _test[0] += 1


@pytest.fixture(scope="session", autouse=True)
def _no_wait_for_the_disk():
    """No test cuts the power of this process; those that do run commands in processes of theirs."""
    patch = pytest.MonkeyPatch()
    patch.setattr(os, "fsync", lambda handle: None)
    yield
    patch.undo()


@pytest.fixture(scope="module", autouse=True)
def _short_searches_for_garbage():
    """What outlives a file of tests stays, so that no search for garbage walks through it again."""
    yield
    gc.collect()
    gc.freeze()
