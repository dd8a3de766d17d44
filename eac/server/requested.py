"""What a server asks somebody else to do, and what it knows of its sensors, in one file.

What the run itself can do is asked of it too: see ``eac.rundir.requests``.
"""

import os
import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from eac.files import write_json
from eac.records.jsonfile import format_header, read_as
from eac.rundir import requests as of_run

FILE = "watch.json"
FORMAT = "eac.watch"
ADVICE = "Remove it to begin without marks and requests."
MOST = 1000
LOOK = "look at the sensor; trust it again with POST /admin/sensors/ID:unmask"
TRAIN = (
    "add the readings to the stream; a running eac run --watch then does it, or else: "
    "eac run --resume {run}"
)
TAKEN = "taken up: period {period} is being trained"


@dataclass(frozen=True)
class Request:
    """Something that a policy asks for and a server cannot do itself.

    Attributes:
        number: Counts the requests of this server.
        action: What is asked for: "tune prompts", "refresh everything", "ask".
        kind: Of the event.
        detail: What was found.
        ds: Time stamp of the readings at which it was.
        unique_id: The sensor; None concerns the network.
        advice: What to do.
        done: True when somebody has said so.
        asked: Id of the same request to the run; "" where the run is not asked.

    Example:
        >>> Request(1, "ask", "unit change", "values are 3.6 times as large", None, "a", "").done
        False
    """

    number: int
    action: str
    kind: str
    detail: str
    ds: str | None
    unique_id: str | None
    advice: str
    done: bool = False
    asked: str = ""


@dataclass(frozen=True)
class _Kept:
    requests: tuple[Request, ...] = ()
    marked: dict[str, str] = field(default_factory=dict)
    masked: dict[str, int] = field(default_factory=dict)


class Requests:
    """Requests in order, and marks and masks of sensors; what is flushed survives a restart.

    Args:
        directory: Holds the file.
        run_dir: The run, as advice names it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     requests = Requests(Path(folder), Path("runs/x"))
        ...     requests.add("ask", "unit change", "3.6 times as large", ds=None, unique_id="a")
        ...     print([one.number for one in requests.open()], requests.finish(1), requests.open())
        [1] True []
    """

    def __init__(self, directory: Path, run_dir: Path):
        self._path, self._run_dir = directory / FILE, run_dir
        self._lock, self._changed = threading.Lock(), False
        there = self._path.is_file()
        self._kept = read_as(_Kept, self._path, FORMAT, advice=ADVICE) if there else _Kept()

    def watched(self) -> tuple[dict[str, str], dict[str, int]]:
        """Marks and masks by sensor, as they were kept."""
        return dict(self._kept.marked), dict(self._kept.masked)

    def keep(self, marked: dict[str, str], masked: dict[str, int]) -> None:
        """Takes marks and masks."""
        with self._lock:
            self._take(replace(self._kept, marked=marked, masked=masked))

    def add(
        self, action: str, kind: str, detail: str, *, ds: str | None, unique_id: str | None
    ) -> None:
        """Adds a request, unless the same is open already."""
        with self._lock:
            found = self._settled()
            same = (action, kind, unique_id)
            if any(not one.done and (one.action, one.kind, one.unique_id) == same for one in found):
                return
            number = 1 + (found[-1].number if found else 0)
            made = Request(number, action, kind, detail, ds, unique_id, LOOK)
            if of_run.can_be_asked(action):
                asked = self._ask_run(of_run.Request(action, kind, detail, ds, unique_id))
                made = replace(made, advice=TRAIN.format(run=self._run_dir), asked=asked)
            self._take(replace(self._kept, requests=(*found, made)[-MOST:]))

    def open(self) -> list[Request]:
        """Those that nobody has said to be done and the run has not done, oldest first."""
        with self._lock:
            found = self._settled()
        return [self._as_it_stands(one) for one in found if not one.done]

    def finish(self, number: int) -> bool:
        """Notes that a request was taken up; False where there is no such open one."""
        if not any(one.number == number for one in self.open()):
            return False
        with self._lock:
            found = [replace(o, done=o.done or o.number == number) for o in self._kept.requests]
            self._take(replace(self._kept, requests=tuple(found)))
            for one in found:
                if one.number == number and one.asked:
                    of_run.withdraw(self._run_dir, one.asked)
        self.flush()
        return True

    def _ask_run(self, request: of_run.Request) -> str:
        """Asks the run, where this process may write there."""
        writable = self._run_dir.is_dir() and os.access(self._run_dir, os.W_OK)
        if not writable:
            return ""
        of_run.ask(self._run_dir, request)
        return request.id

    def _settled(self) -> tuple[Request, ...]:
        """All requests, those that the run has done marked so."""
        done = {o.asked for o in self._kept.requests if o.asked and not o.done}
        done = {asked for asked in done if of_run.is_done(self._run_dir, asked)}
        found = tuple(replace(o, done=o.done or o.asked in done) for o in self._kept.requests)
        if found != self._kept.requests:
            self._take(replace(self._kept, requests=found))
        return found

    def _as_it_stands(self, request: Request) -> Request:
        """A request whose advice says who has taken it up."""
        period = of_run.taken_by(self._run_dir, request.asked) if request.asked else None
        return request if period is None else replace(request, advice=TAKEN.format(period=period))

    def flush(self) -> None:
        """Writes what has changed since the last time."""
        with self._lock:
            if self._changed:
                write_json(self._path, format_header(FORMAT) | asdict(self._kept))
                self._changed = False

    def _take(self, kept: _Kept) -> None:
        self._kept, self._changed = kept, True
