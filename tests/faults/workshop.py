"""Commands of ``eac`` in processes that are made quickly, and that faults may end.

A server with all libraries loaded makes one process for each command by ``fork``, so that a
command takes as long as its work. A fault is done by the hook of ``eac.files`` at one operation
on a file; a process that a fault kills is gone, as after ``kill -9``.
"""

import contextlib
import errno
import gc
import hashlib
import io
import json
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CRASHED = 70
"""Exit status of a command that raised, which no command should."""
HANGS = -1000
"""Status of a command that was killed since it did not end in its time."""
GIB = 1 << 30
NOTHING = 10**9


@dataclass(frozen=True)
class Fault:
    """What goes wrong in a command.

    Attributes:
        kind: ``kill``; ``torn``, a kill with half of a file written; ``eio`` or ``enospc`` of the
            system; ``signal``; ``log``, nothing but a log of all operations; ``wait``, nothing but
            that it begins so many seconds later.
        at: Before which operation on a file, from 0.
        since: Name of the folder from whose making on operations count; "" from the beginning.
        number: Of the signal.
        after: Seconds after the first operation at which the signal comes; None: at ``at``.
        folder: Receives the log.
        image: Of a file system, copied to that folder before every ``at``-th operation.
    """

    kind: str
    at: int = NOTHING
    since: str = ""
    number: int = 0
    after: float | None = None
    folder: str = ""
    image: str = ""


@dataclass(frozen=True)
class Job:
    """A command and what happens to it.

    Attributes:
        argv: Arguments of ``eac``.
        before: Arguments of further commands, which the same process runs first.
        fault: What goes wrong.
        seconds: After which it counts as hanging.
        cwd: Where it runs.
    """

    argv: Sequence[str]
    fault: Fault | None = None
    seconds: float = 100.0
    cwd: str = str(ROOT)
    before: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Done:
    """What became of a command.

    Attributes:
        status: As ``subprocess`` says it: negative after a signal that killed it.
        out: What it printed.
        err: What it printed to the error stream.
        operations: Operations on files that it began.
        seconds: How long it took.
        grown: Bytes of memory that it asked for beyond those of the loaded libraries, at the peak;
            0 after a kill.
        before: Status and output of each command that was run before it.
    """

    status: int
    out: str
    err: str
    operations: int
    seconds: float
    grown: int = field(default=0)
    before: Sequence[tuple[int, str]] = ()

    @property
    def said(self) -> str:
        """All that was printed."""
        return self.out + self.err

    def check(self, *statuses: int) -> "Done":
        """This, after a look that it ended as it should, in sentences."""
        assert "Traceback (most recent call last)" not in self.said, self.said[-3000:]
        assert self.status in statuses, (self.status, self.said[-3000:])
        assert self.grown < 2 * GIB, (self.grown, self.said[-1000:])
        return self


class Workshop:
    """The client: hands jobs to the server and returns what became of them."""

    def __init__(self) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "100"}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.workshop"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def run(
        self,
        *argv: str | Path,
        fault: Fault | None = None,
        seconds: float = 100.0,
        cwd: str | Path = ROOT,
        before: Sequence[Sequence[str]] = (),
    ) -> Done:
        """One command, to its end, perhaps after others in the same process."""
        given = [str(arg) for arg in argv]
        return self.together(Job(given, fault, seconds, str(cwd), before))[0]

    def together(self, *jobs: Job) -> list[Done]:
        """Several commands at the same time."""
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps([asdict(job) for job in jobs]) + "\n")
        self._server.stdin.flush()
        return [Done(**one) for one in self._answer()]

    def close(self) -> None:
        """Ends the server."""
        self._server.communicate(timeout=20)

    def _answer(self) -> Any:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the server ended"
        return json.loads(line)


def serve() -> None:
    """Loads everything, then makes a process for each command that is asked for."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _load()
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        jobs = [Job(**{**job, "fault": _fault(job["fault"])}) for job in json.loads(line)]
        with TemporaryDirectory() as folder:
            places = [Path(folder, str(i)) for i in range(len(jobs))]
            pids = [_begin(job, place) for job, place in zip(jobs, places, strict=True)]
            done = [_end(*each) for each in zip(jobs, places, pids, strict=True)]
        print(json.dumps([asdict(one) for one in done]), file=answers, flush=True)
    os._exit(0)


def _load() -> None:
    import importlib

    from eac.cli.discovery import import_extension_points
    from eac.cli.main import COMMANDS, ROOM

    for module, _ in COMMANDS.values():
        importlib.import_module(f"{ROOM}.{module}")
    import_extension_points()
    for name in ("eac.artifacts.doctor", "eac.serving.predictor", "eac.report.run.page", "scipy"):
        importlib.import_module(name)
    importlib.import_module("pyarrow").array([1])  # reserves memory that counts as nobody's
    importlib.import_module("eac.cli.stream_cli")._trainer_parser()
    _warm_up()


def _warm_up() -> None:
    """One small run, so that no process made later does again what is done once."""
    from eac.cli.main import main
    from tests.faults.runs import arguments, write_stream

    logger, before = logging.getLogger(), list(logging.getLogger().handlers)
    with TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        for recipe in ("eac", "practical"):
            run = Path(folder) / recipe
            assert main(arguments(recipe, write_stream(Path(folder, f"of {recipe}")), run)) == 0
            assert main(["report", str(run), "--json"]) == 0
    logger.handlers = before
    gc.collect()
    gc.freeze()


def _fault(given: dict[str, Any] | None) -> Fault | None:
    return None if given is None else Fault(**given)


def _begin(job: Job, place: Path) -> int:
    place.mkdir()
    pid = os.fork()
    if pid:
        if job.fault is not None and job.fault.kind == "signal" and job.fault.after is not None:
            threading.Thread(target=_signal_later, args=(pid, job.fault, place)).start()
        return pid
    try:
        _work(job, place)
    finally:
        os._exit(CRASHED)


def _signal_later(pid: int, fault: Fault, place: Path) -> None:
    """Sends a signal some time after the command began to write."""
    assert fault.after is not None
    end = time.monotonic() + 60
    while not (place / "begun").exists() and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(fault.after)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, fault.number)


def _end(job: Job, place: Path, pid: int) -> Done:
    begin = time.monotonic()
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() - begin > job.seconds:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            status = HANGS
            break
        time.sleep(0.005)
    out, err = ((place / n).read_text("utf-8", "replace") for n in ("out", "err"))
    noted = place / "noted"
    operations, grown, before = json.loads(noted.read_text()) if noted.exists() else (0, 0, ())
    seconds = time.monotonic() - begin
    exit_code = HANGS if status == HANGS else os.waitstatus_to_exitcode(status)
    return Done(exit_code, out, err, operations, seconds, grown, before)


def _work(job: Job, place: Path) -> None:
    """In the new process: runs the command and leaves with its status."""
    os.setsid()
    os.chdir(job.cwd)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    for handler in list(logging.getLogger().handlers):
        logging.getLogger().removeHandler(handler)
    begun = _memory("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (begun + 8 * GIB, begun + 8 * GIB))
    hook = _Hook(job.fault or Fault("none"), place)
    if job.fault is not None and job.fault.kind == "wait":
        time.sleep(job.fault.after or 0.0)
    before = [_first(argv) for argv in job.before]
    status = _status(job.argv, hook)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    (place / "noted").write_text(json.dumps([hook.count, _memory("VmPeak") - begun, before]))
    os._exit(status)


def _first(argv: Sequence[str]) -> tuple[int, str]:
    """Status and output of a command that another one follows in this process."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        return _status(argv, _nothing), out.getvalue()


def _nothing(operation: str, path: Path) -> None:
    """What goes wrong where nothing does."""


def _status(argv: Sequence[str], hook: Callable[[str, Path], None]) -> int:
    """Exit status of a command."""
    try:
        from eac.cli.main import main
        from eac.disk import watched

        with watched(hook):
            return main(list(argv))
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except BaseException:  # noqa: BLE001 - said, and seen by its status
        import traceback

        traceback.print_exc()
        return CRASHED


def _memory(name: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return 1024 * next(int(line.split()[1]) for line in file if line.startswith(name))


class _Hook:
    """Counts operations on files, and does what is to go wrong."""

    def __init__(self, fault: Fault, place: Path):
        self.count = 0
        self._fault = fault
        self._place = place
        self._from = 0 if not fault.since else NOTHING
        self._log = _Log(Path(fault.folder)) if fault.kind == "log" else None

    def __call__(self, operation: str, path: Path) -> None:
        if self.count == 0:
            (self._place / "begun").touch()
        if self._log is not None:
            self._log.note(operation, path)
            if self._fault.image and self.count % self._fault.at == 0:
                target = Path(self._fault.folder, f"image-{self.count:04d}")
                shutil.copyfile(self._fault.image, target)
        if self._from == NOTHING and (operation, path.name) == ("folder", self._fault.since):
            self._from = self.count
        self.count += 1
        if self.count - 1 == self._from + self._fault.at:
            self._happen(operation, path)

    def _happen(self, operation: str, path: Path) -> None:
        kind = self._fault.kind
        if kind == "torn" and operation == "sync":
            os.truncate(path, path.stat().st_size // 2)
        if kind in ("kill", "torn"):
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "signal":
            os.kill(os.getpid(), self._fault.number)
        if kind in ("eio", "enospc"):
            number = {"eio": errno.EIO, "enospc": errno.ENOSPC}[kind]
            raise OSError(number, os.strerror(number))


class _Log:
    """Writes down every operation, with the content of what is synchronised, and what is said."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = (folder / "log.jsonl").open("a", buffering=1)
        handler = logging.Handler()
        handler.emit = lambda record: self._write("said", record.getMessage(), "")
        logging.getLogger("eac").addHandler(handler)

    def note(self, operation: str, path: Path) -> None:
        content = ""
        if operation == "sync":
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            shutil.copyfile(path, self._folder / content)
        self._write(operation, str(path), content)

    def _write(self, *entry: str) -> None:
        self._file.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    serve()
