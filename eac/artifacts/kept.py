"""The artifacts of a run directory, and the one that forecasts are made with."""

import re
from pathlib import Path

from eac.artifacts.artifact import read_artifact
from eac.artifacts.checkpoint import STATE_FILE
from eac.artifacts.saved_data import done_periods
from eac.errors import RunError
from eac.files import digest, remove, write_text

CURRENT_FILE = "CURRENT"
"""Holds the id of the artifact in use; without it, that is the newest period's."""
IMPORTED = "imported-"
"""How the folders of artifacts begin that came from elsewhere."""
_ID = re.compile(r"[0-9a-f]{8,64}")


def imported(run_dir: Path) -> list[Path]:
    """Directories of artifacts that were imported, in order of their names.

    Example:
        >>> imported(Path("a folder without a run"))
        []
    """
    return sorted(path for path in run_dir.glob(f"{IMPORTED}*") if path.is_dir())


def kept_folders(run_dir: Path) -> list[Path]:
    """Directories of all artifacts of a run: imported ones, then periods in order of time.

    Example:
        >>> kept_folders(Path("a folder without a run"))
        []
    """
    return [*imported(run_dir), *done_periods(run_dir)]


def find_kept(run_dir: Path, wanted: str | int) -> Path:
    """The folder of one artifact.

    Args:
        run_dir: The run.
        wanted: Name of a period, its position (from 0, negative from the end), or the first eight
            or more digits of an artifact's id. A name goes before a position.

    Raises:
        RunError: If there is no such artifact, or several.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     made = write_sample_period(Path(run))
        ...     print(find_kept(Path(run), made.id[:8]).name, find_kept(Path(run), -1).name)
        period-00-0 period-00-0
    """
    folders, periods = kept_folders(run_dir), done_periods(run_dir)
    artifacts = {folder: read_artifact(folder) for folder in folders}
    named = [folder for folder in periods if artifacts[folder].period == wanted]
    if named:
        return named[0]
    text = str(wanted)
    number = int(text) if text.lstrip("-").isdecimal() and len(text) < 8 else len(periods)
    if -len(periods) <= number < len(periods):
        return periods[number]
    found = [folder for folder in folders if artifacts[folder].id.startswith(text)]
    if _ID.fullmatch(text) and len(found) == 1:
        return found[0]
    said = ", ".join(repr(artifacts[folder].period) for folder in periods)
    ids = ", ".join(artifact.id[:12] for artifact in artifacts.values())
    raise RunError(
        f"there is no finished period {wanted!r}, nor an artifact of that id. Give one of {said}, "
        f"a position from 0 to {len(periods) - 1}, or the beginning of an id: {ids}."
    )


def current_folder(run_dir: Path) -> Path:
    """The folder of the artifact in use: the one that ``CURRENT`` names, else the newest.

    Raises:
        RunError: If the run has no artifact, or ``CURRENT`` names none of them.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     _ = write_sample_period(Path(run))
        ...     print(current_folder(Path(run)).name)
        period-00-0
    """
    path = run_dir / CURRENT_FILE
    if not path.is_file():
        return newest_folder(run_dir)
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    for folder in kept_folders(run_dir):
        if read_artifact(folder).id == text:
            return folder
    raise RunError(
        f"{path} names the artifact {text[:64]!r}, which is not in the run. To use the newest: "
        f"eac artifacts use {run_dir} newest"
    )


def newest_folder(run_dir: Path) -> Path:
    """The folder of the last period that is done, or of an imported artifact where none is.

    Raises:
        RunError: If the run has no artifact.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     _ = write_sample_period(Path(run))
        ...     print(newest_folder(Path(run)).name)
        period-00-0
    """
    folders = kept_folders(run_dir)
    if not folders:
        raise RunError(
            f"{run_dir} holds no finished period. Give the directory of a run: eac run -c "
            f"practical --stream PATH --run.dir {run_dir}"
        )
    return folders[-1]


def use(run_dir: Path, folder: Path) -> None:
    """Lets forecasts be made with this artifact from now on; those of the newest follow the run.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     _ = write_sample_period(Path(run))
        ...     use(Path(run), Path(run, "period-00-0"))
        ...     print(Path(run, CURRENT_FILE).exists())  # it is the newest
        False
    """
    if folder == newest_folder(run_dir):
        remove(run_dir / CURRENT_FILE)
    else:
        write_text(run_dir / CURRENT_FILE, read_artifact(folder).id + "\n")


def rollback(run_dir: Path) -> Path:
    """Lets forecasts be made with the artifact before the one in use, and returns its folder.

    Raises:
        RunError: If there is none before it.
    """
    now = current_folder(run_dir)
    periods = done_periods(run_dir)
    before = periods[: periods.index(now)] if now in periods else periods
    if not before:
        raise RunError(
            f"there is no artifact before {read_artifact(now).id[:12]}, which is in use. To use "
            f"another: eac artifacts use {run_dir} ID"
        )
    use(run_dir, before[-1])
    return before[-1]


def chain_of(run_dir: Path, folder: Path) -> list[Path]:
    """The folders that say what is known of sensors up to an artifact, oldest first.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     _ = write_sample_period(Path(run))
        ...     print([path.name for path in chain_of(Path(run), Path(run, "period-00-0"))])
        ['period-00-0']
    """
    periods = done_periods(run_dir)
    if folder in periods:
        return periods[: periods.index(folder) + 1]
    base = read_artifact(folder).base_sha256
    below = [path for path in kept_folders(run_dir) if digest(path / STATE_FILE) == base]
    return [*below[:1], folder]
