"""Training a run again from one of its periods on."""

from collections.abc import Sequence
from pathlib import Path

from eac.errors import CheckpointError, RunError
from eac.files import remove, remove_folder
from eac.plain import logger
from eac.records.folders import PERIOD_FILE, done_folders, period_folders
from eac.records.jsonfile import read_json

log = logger()


def position_of(period: str | int, names: Sequence[str]) -> int:
    """Position of a period given by its name or its position; a name goes first.

    Raises:
        RunError: If there is none.

    Example:
        >>> position_of("2", ["2", "3"]), position_of("1", ["2", "3"])
        (0, 1)
    """
    if str(period) in names:
        return list(names).index(str(period))
    number = int(period) if str(period).isdecimal() else -1
    if 0 <= number < len(names):
        return number
    raise RunError(
        f"there is no period {period!r}. Give a name ({', '.join(map(repr, names[:6]))}"
        f"{', ...' if len(names) > 6 else ''}) or a position from 0 to {len(names) - 1}."
    )


def forget_from(run_dir: Path, position: int) -> int:
    """Removes what a run learned from one period on, the last period first.

    A kill in between leaves a shorter run that is whole: of each period the file that says it is
    done goes before the rest, and no period goes before those that went on from it. Whoever calls
    this holds the lock of the run.

    Args:
        run_dir: Of the run.
        position: Of the first period to forget, from 0.

    Returns:
        How many periods that were done are no longer.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("period-00-a", "period-01-b"):
        ...         (Path(folder) / name).mkdir()
        ...         (Path(folder) / name / PERIOD_FILE).touch()
        ...     print(forget_from(Path(folder), 1), len(done_folders(Path(folder))))
        1 1
    """
    done = 0
    for index, folder in reversed(period_folders(run_dir)):
        if index >= position:
            done += (folder / PERIOD_FILE).is_file()
            remove(folder / PERIOD_FILE)
            remove_folder(folder)
    return done


def forget_after(run_dir: Path, position: int) -> None:
    """Forgets the periods after one that was trained again and came out otherwise.

    Example:
        >>> forget_after(Path("a folder without periods"), 0)
    """
    later = sum(index > position for index, _ in done_folders(run_dir))
    if later:
        log.warning(
            "period %d came out otherwise than before; the %d done periods after it went on from "
            "it and are trained again",
            position,
            later,
        )
        forget_from(run_dir, position + 1)


def state_digest(folder: Path) -> str | None:
    """Digest of the state of a period, as its card says; None where there is no card to read.

    Example:
        >>> state_digest(Path("a folder without a card")) is None
        True
    """
    try:
        return read_json(folder / "card.json").get("state_sha256")
    except (CheckpointError, AttributeError):
        return None
