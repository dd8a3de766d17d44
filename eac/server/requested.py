"""What a server asks somebody else to do, and what it knows of its sensors, in one file."""

import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from eac.files import write_json
from eac.records.jsonfile import format_header, read_as

FILE = "watch.json"
FORMAT = "eac.watch"
ADVICE = "Remove it to begin without marks and requests."
MOST = 1000
COMMANDS = {
    "tune prompts": "add the readings to the stream, then: eac run --resume {run}",
    "refresh everything": "add the readings to the stream, then: eac run --resume {run}",
    "ask": "look at the sensor; trust it again with POST /admin/sensors/ID:unmask",
}


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
            found = self._kept.requests
            same = (action, kind, unique_id)
            if any(not one.done and (one.action, one.kind, one.unique_id) == same for one in found):
                return
            number = 1 + (found[-1].number if found else 0)
            advice = COMMANDS.get(action, "{run}").format(run=self._run_dir)
            made = Request(number, action, kind, detail, ds, unique_id, advice)
            self._take(replace(self._kept, requests=(*found, made)[-MOST:]))

    def open(self) -> list[Request]:
        """Those that nobody has said to be done, oldest first."""
        return [one for one in self._kept.requests if not one.done]

    def finish(self, number: int) -> bool:
        """Notes that a request was taken up; False where there is no such open one."""
        with self._lock:
            found = self._kept.requests
            if not any(one.number == number and not one.done for one in found):
                return False
            done = tuple(replace(one, done=one.done or one.number == number) for one in found)
            self._take(replace(self._kept, requests=done))
        self.flush()
        return True

    def flush(self) -> None:
        """Writes what has changed since the last time."""
        with self._lock:
            if self._changed:
                write_json(self._path, format_header(FORMAT) | asdict(self._kept))
                self._changed = False

    def _take(self, kept: _Kept) -> None:
        self._kept, self._changed = kept, True
