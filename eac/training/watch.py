"""Keeps a run going: trains each period as it appears, whole, at the end of the stream."""

import time
from collections.abc import Callable
from pathlib import Path

from eac.data.core.stream import GraphStream
from eac.errors import StreamError
from eac.plain import logger
from eac.rundir.requests import waiting
from eac.training.runner import StreamRunner

log = logger()


def watch(
    runner: StreamRunner,
    *,
    every: float = 10.0,
    quiet: float = 30.0,
    timeout: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Looks for new periods until ``timeout`` seconds passed without one.

    The stream is opened again at each look, so that new rows of a file are seen. Periods are taken
    up when no file of the stream changed its size or time for ``quiet`` seconds and all that is
    new can be read. What is waited for is said whenever it changes, and so is what the next period
    is asked for (``requests/`` of the run).

    Args:
        runner: A runner that has finished the periods there were.
        every: Seconds between two looks.
        quiet: Seconds without a change before a period counts as whole.
        timeout: None watches for ever.
        sleep: Replaceable in tests.

    Raises:
        RunError: If a new period sorts before one that is done, or a done one changed.
    """
    said = _Said(runner.run_dir)
    pace = f" (a look every {every:g} s, {quiet:g} s of rest; Ctrl-C ends)"
    idle, calm, seen, fresh = 0.0, 0.0, _look(runner), True
    said.once(f"waiting for a period after the {runner.position} that are done{pace}")
    while timeout is None or idle < timeout:
        said.asked()
        sleep(every)
        idle, calm = idle + every, calm + every
        now = _look(runner)
        if now != seen:
            seen, calm, fresh = now, 0.0, True
            said.once(f"the stream changed; waiting until its files rest{pace}")
        elif fresh and calm >= quiet:
            fresh = False
            if _take_up(runner, said):
                idle, calm, seen, fresh = 0.0, 0.0, _look(runner), True
                said.once(f"waiting for a period after the {runner.position} that are done{pace}")


def _take_up(runner: StreamRunner, said: "_Said") -> bool:
    """Trains what is new and whole; True where there was something."""
    position = runner.position
    try:
        before = runner.data.stream
        stream = before if before.open_again is None else before.open_again()
        broken = _first_broken(stream, position)
    except (StreamError, OSError) as error:
        said.once(f"the stream cannot be read yet: {error}")
        return False
    if broken is not None:
        said.once(broken)
        return False
    runner.data.stream = stream
    runner.run()
    if runner.position == position:
        said.once(f"nothing new to train after the {position} periods that are done")
    return runner.position > position


def _first_broken(stream: GraphStream, position: int) -> str | None:
    """What is wrong with the first new period that cannot be read."""
    for index in range(position, len(stream)):
        try:
            stream.load(index)
        except (StreamError, OSError) as error:
            name = stream.period_names[index]
            return f"the new period {name!r} cannot be trained yet: {error}"
    return None


def _look(runner: StreamRunner) -> object:
    """Sizes and times of the files of the stream, or what else tells that it changed."""
    stream = runner.data.stream
    if stream.opened_from is not None:
        return _files(stream.opened_from)
    try:
        names = tuple(stream.period_names)
        new = range(runner.position, len(names))
        return names, [stream.load(index).fingerprint() for index in new]
    except (StreamError, OSError) as error:
        return str(error)


def _files(path: Path) -> dict[str, tuple[int, int]]:
    """Size and time of each file of a stream; of a single file also of its edges."""
    beside = (path, path.with_name(f"{path.stem}_edges.csv"), path.with_name("edges.csv"))
    found = {}
    for file in path.rglob("*") if path.is_dir() else beside:
        try:
            state = file.stat()
        except FileNotFoundError:  # moved away while looking, or never there
            continue
        found[str(file)] = (state.st_size, state.st_mtime_ns)
    return found


class _Said:
    """What was said, so that it is not said again at each look."""

    def __init__(self, run_dir: Path):
        self._run_dir = run_dir
        self._last, self._asked = "", set[str]()

    def once(self, text: str) -> None:
        """Says it, unless it was said last."""
        if text != self._last:
            self._last = text
            log.info("watch: %s", text)

    def asked(self) -> None:
        """Says what the next period is asked for, each request once."""
        for request in waiting(self._run_dir):
            if request.id not in self._asked:
                self._asked.add(request.id)
                why = f"{request.words} ({request.detail})"
                log.info("watch: the next period will %s: %s", request.action, why)
