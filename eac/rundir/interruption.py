"""SIGTERM and Ctrl-C as an exception that passes through everything, with an exit status."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")
BASE_STATUS = 128
"""What a shell adds to the number of a signal that ended a process."""


class Interrupted(BaseException):
    """The process was asked to end.

    No ``Exception``, so that nothing on the way takes it for an error and goes on.

    Attributes:
        name: Of the signal.
        status: With which the process is to exit: 143 for SIGTERM, 130 for Ctrl-C.

    Example:
        >>> stop = Interrupted(signal.SIGTERM)
        >>> stop.name, stop.status
        ('SIGTERM', 143)
    """

    def __init__(self, signum: int):
        self.name = signal.Signals(signum).name
        self.status = BASE_STATUS + signum
        super().__init__(f"stopped by {self.name}")


@contextmanager
def interruptible() -> Iterator[None]:
    """Raises ``Interrupted`` at the first signal that asks the process to end.

    A second one ends it at once, which no file is harmed by. Handlers are put back at the end. In
    a thread other than the first, where signals cannot be handled, this does nothing.

    Example:
        >>> try:
        ...     with interruptible():
        ...         signal.raise_signal(signal.SIGTERM)
        ... except Interrupted as stop:
        ...     print(stop.status)
        143
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def stop(signum: int, frame: FrameType | None) -> None:
        del frame
        for number in before:
            signal.signal(number, signal.SIG_DFL)
        raise Interrupted(signum)

    for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
        handler = signal.getsignal(number)
        if handler is not signal.SIG_IGN:  # nohup
            before[number] = handler
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
