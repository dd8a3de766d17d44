"""Keeps a run going: trains each period as it appears, whole, in the stream."""

import logging
import time
from collections.abc import Callable

from eac.errors import StreamError
from eac.training.runner import StreamRunner

log = logging.getLogger("eac")


def watch(
    runner: StreamRunner,
    *,
    every: float = 10.0,
    timeout: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Looks for new periods until ``timeout`` seconds passed without one.

    A period is taken up when two looks in a row read it without an error and find it the same, so
    that a folder that is still being copied is left alone.

    Args:
        runner: A runner that has finished the periods there were.
        every: Seconds between two looks.
        timeout: None watches for ever.
        sleep: Replaceable in tests.
    """
    idle, seen = 0.0, None
    while timeout is None or idle < timeout:
        sleep(every)
        idle += every
        now = _fingerprint(runner)
        if now is not None and now == seen:
            runner.run()
            idle, seen = 0.0, None
        else:
            seen = now


def _fingerprint(runner: StreamRunner) -> str | None:
    """Digest of the next period, or None while it is absent or not yet whole."""
    stream, position = runner.data.stream, runner.position
    try:
        if position >= len(stream):
            return None
        return stream.load(position).fingerprint()
    except (StreamError, OSError) as error:
        log.debug("period %d is not whole yet: %s", position, error)
        return None
