"""What somebody asks a run to do in its next period: files that the run takes up.

Whoever asks writes ``requests/<id>.json``; the run writes ``requests/<id>.period.json`` when a
period takes it up, before that period begins. No file has two writers. A period that is interrupted
or trained again finds what it took up. What was done stands in the record of the period.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeGuard, get_args

from eac.files import remove, write_json
from eac.names import encode_name
from eac.records.folders import done_folders
from eac.records.jsonfile import format_header, read_as
from eac.strategies.base import Asked

FOLDER = "requests"
FORMAT, ANSWER_FORMAT = "eac.request", "eac.request.period"
TAKEN = ".period.json"
ADVICE = "Remove it to go on without what it asks for."


@dataclass(frozen=True)
class Request:
    """Something that a run is asked to do in the next period that it trains.

    Attributes:
        action: What to do.
        kind: Of the event that asks for it, such as "network drift".
        detail: What was found.
        ds: Time stamp of the readings at which it was.
        unique_id: The sensor; None concerns the network.

    Example:
        >>> Request("tune prompts", "level shift", "20 % lower", unique_id="s3").words
        'level shift of s3'
    """

    action: Asked
    kind: str
    detail: str
    ds: str | None = None
    unique_id: str | None = None

    @property
    def id(self) -> str:
        """Name of its file: the same request has the same one.

        Example:
            >>> Request("tune prompts", "new id", "one sensor is new").id
            '5f817de06cf065c5'
        """
        content = json.dumps(asdict(self), sort_keys=True).encode()
        return hashlib.sha256(content).hexdigest()[:16]

    @property
    def words(self) -> str:
        """One line of it."""
        where = "" if self.unique_id is None else f" of {self.unique_id}"
        return f"{self.kind}{where}{'' if self.ds is None else f' at {self.ds}'}"


@dataclass(frozen=True)
class _Answer:
    period: str


def can_be_asked(action: str) -> TypeGuard[Asked]:
    """Whether an action is one that a run takes up.

    Example:
        >>> can_be_asked("refresh everything"), can_be_asked("mask")
        (True, False)
    """
    return action in get_args(Asked)


def ask(run_dir: Path, request: Request) -> bool:
    """Asks a run for something, durably; False where it was asked for the same already.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as run:
        ...     asked = ask(Path(run), Request("refresh everything", "network drift", "all rose"))
        ...     print(asked, [request.words for request in waiting(Path(run))])
        True ['network drift']
    """
    path = run_dir / FOLDER / f"{request.id}.json"
    if path.is_file():
        return False
    write_json(path, format_header(FORMAT) | asdict(request))
    return True


def withdraw(run_dir: Path, request: str) -> None:
    """Takes back a request that no period has taken up.

    Example:
        >>> withdraw(Path("no run"), "0123456789abcdef")  # nothing to take back
    """
    if taken_by(run_dir, request) is None:
        remove(run_dir / FOLDER / f"{request}.json")


def waiting(run_dir: Path) -> list[Request]:
    """Requests that no period has taken up.

    Raises:
        CheckpointError: If a request cannot be read.

    Example:
        >>> waiting(Path("no run"))
        []
    """
    return [one for one in _all(run_dir) if taken_by(run_dir, one.id) is None]


def taken_by(run_dir: Path, request: str) -> str | None:
    """Name of the period that took a request up; None where none has.

    Example:
        >>> taken_by(Path("no run"), "0123456789abcdef") is None
        True
    """
    path = run_dir / FOLDER / f"{request}{TAKEN}"
    if not path.is_file():
        return None
    return read_as(_Answer, path, ANSWER_FORMAT, advice=ADVICE).period


def is_done(run_dir: Path, request: str) -> bool:
    """Whether the period that took a request up is done.

    Example:
        >>> is_done(Path("no run"), "0123456789abcdef")
        False
    """
    period = taken_by(run_dir, request)
    if period is None:
        return False
    done = {folder.name.split("-", 2)[2] for _, folder in done_folders(run_dir)}
    return encode_name(period) in done


def take_up(run_dir: Path, directory: Path, period: str) -> None:
    """Gives all that waits to a period that is about to begin.

    A period that was interrupted in its training goes on with what it took up before.

    Args:
        run_dir: The run.
        directory: Of the period.
        period: Its name.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     run = Path(folder)
        ...     _ = ask(run, Request("refresh everything", "network drift", "all rose"))
        ...     take_up(run, run / "period-01-march", "march")
        ...     print(asked_of(run, "march")[1])
        asked to refresh everything: network drift
    """
    if any(directory.rglob("last.ckpt")):
        return
    for request in waiting(run_dir):
        answer = format_header(ANSWER_FORMAT) | asdict(_Answer(period))
        write_json(run_dir / FOLDER / f"{request.id}{TAKEN}", answer)


def asked_of(run_dir: Path, period: str) -> tuple[Asked | None, str]:
    """What a period is asked for, and why; the largest of several actions counts.

    Returns:
        The action and one sentence; None and "" where nothing is asked for.

    Example:
        >>> asked_of(Path("no run"), "march")
        (None, '')
    """
    mine = [one for one in _all(run_dir) if taken_by(run_dir, one.id) == period]
    if not mine:
        return None, ""
    action: Asked = max((one.action for one in mine), key=lambda one: one == "refresh everything")
    more = f" and {len(mine) - 3} more" if len(mine) > 3 else ""
    return action, f"asked to {action}: {'; '.join(one.words for one in mine[:3])}{more}"


def _all(run_dir: Path) -> list[Request]:
    """Every request of a run, in order of the time stamps of their events."""
    paths = sorted((run_dir / FOLDER).glob("*.json"))
    found = [
        read_as(Request, path, FORMAT, advice=ADVICE)
        for path in paths
        if not path.name.endswith(TAKEN)
    ]
    return sorted(found, key=lambda one: (one.ds or "", one.id))
