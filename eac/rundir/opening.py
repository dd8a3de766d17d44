"""Opening a run directory: is it this run, and do its periods fit the stream?"""

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from eac.errors import CheckpointError, RunError
from eac.files import digest, make_folder, refuse_links, remove_folder
from eac.plain import logger
from eac.records.folders import done_folders, period_folder, period_folders
from eac.records.manifest import read_manifest, write_noted
from eac.records.record import RUN_FILE, RunRecord, read_header, read_period, write_run
from eac.rundir.redo import forget_from, position_of
from eac.rundir.settings import CONFIG_FILE, differences, has_settings, in_words, read_settings

log = logger()

OWN_FILES = (CONFIG_FILE, RUN_FILE, "manifest.json", "report.html", "log.txt", "cell.json")
"""What may be in a run directory beside the folders of its periods, and hidden files."""


def open_run(
    run_dir: Path,
    *,
    config: str,
    header: RunRecord,
    names: Sequence[str],
    owners: Mapping[str, type] | None = None,
    redo: str | None = None,
) -> None:
    """Makes a run directory, or checks that it holds this very run.

    A run of which no period is done makes way for other settings.

    Args:
        run_dir: The directory.
        config: Settings given now.
        header: The record of the run without its periods.
        names: Names of the periods of the stream, in order.
        owners: Classes that take the groups of settings.
        redo: Name or position of the period to train again, with those after it.

    Raises:
        RunError: If the directory holds something else, or a run with other settings, or periods
            that do not fit the stream.
        WriteError: If a symbolic link in it leads elsewhere.
    """
    _check_folder(run_dir)
    make_folder(run_dir)
    lost = _settings_lost(run_dir, config)
    changed = lost or _other_settings(run_dir, config, owners)
    begin = None if redo is None else position_of(redo, names)
    if changed and done_folders(run_dir) and begin != 0:
        raise RunError(lost[0] if lost else _refusal(run_dir, config, changed))
    if begin is not None:
        log.info("%d periods are trained again", forget_from(run_dir, begin))
    if changed:
        _make_way(run_dir, changed)
    _check_positions(run_dir, names)
    if not (has_settings(run_dir, config) and _noted(run_dir)):
        write_noted(run_dir / CONFIG_FILE, config.encode())
    if changed or not _has_header(run_dir):
        write_run(run_dir, header)


def note_asked(run_dir: Path, asked: Sequence[str]) -> None:
    """Notes in ``run.json`` which periods the run is asked for, for ``is_complete``."""
    header = read_header(run_dir)
    if header.asked != tuple(asked):
        write_run(run_dir, replace(header, asked=tuple(asked)))


def without_ongoing(names: list[str], reason: str | None) -> list[str]:
    """The periods to train: all, less the last one where a reason says that it is not over.

    Raises:
        RunError: If none is left.
    """
    if reason is None:
        return names
    if len(names) == 1:
        raise RunError(
            f"the only period, {names[0]!r}, is not over: {reason}. Wait, cut the stream into "
            "shorter periods, or train it as it is with --partial train."
        )
    log.warning(
        "period %r is not over: %s. It is not trained yet; --partial train trains it now.",
        names[-1],
        reason,
    )
    return names[:-1]


def is_complete(run_dir: Path) -> bool:
    """Whether every period that the run was last asked for is done.

    An exit status of 0 says the same of a run that has just ended; this says it of a directory.
    Periods of a run of an older version that are not done cannot be known: there, no period may
    be begun and not done.

    Example:
        >>> is_complete(Path("a folder without a run"))
        False
    """
    path = run_dir / RUN_FILE
    if not path.is_file():
        return False
    folders, done = period_folders(run_dir), done_folders(run_dir)
    asked = read_header(run_dir).asked
    if not asked:
        return bool(done) and len(done) == len(folders)
    return {index for index, _ in done} >= set(range(len(asked)))


def _check_positions(run_dir: Path, names: Sequence[str]) -> None:
    """Refuses a stream whose periods are not in the places where the run has them.

    Raises:
        RunError: Names the periods.
    """
    taken: dict[int, Path] = {}
    for index, folder in done_folders(run_dir):
        if index in taken:
            raise RunError(
                f"{taken[index]} and {folder} are both period {index} of the run. Remove the one "
                "that does not belong to it."
            )
        taken[index] = folder
        if index >= len(names) or folder != period_folder(run_dir, index, names[index]):
            raise RunError(_misplaced(run_dir, read_period(folder).name, index, names))


def go_on(run_dir: Path, **options: str | bool) -> str:
    """How the run is continued: a command, or a line of Python where it was made there.

    Args:
        run_dir: Of the run.
        options: Of ``StreamRunner``, which are those of the command too.

    Example:
        >>> go_on(Path("runs/counts"), accept_changes=True)
        'eac run --resume runs/counts --accept-changes'
    """
    path = run_dir / CONFIG_FILE
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    kept = read_settings(text)
    return _go_on(run_dir, from_python=kept is not None and is_from_python(kept), **options)


def is_from_python(settings: Mapping[str, object]) -> bool:
    """Whether settings are those of a run that was made in Python."""
    return "parameters" in settings


def _go_on(run_dir: Path, *, from_python: bool, **options: str | bool) -> str:
    if from_python:
        given = "".join(f", {name}={value!r}" for name, value in options.items())
        return f"the same StreamRunner(..., run_dir={str(run_dir)!r}{given}).run() in Python"
    flags = "".join(
        f" --{name.replace('_', '-')}" + ("" if value is True else f" {shlex.quote(str(value))}")
        for name, value in options.items()
    )
    return f"eac run --resume {shlex.quote(str(run_dir))}{flags}"


def _check_folder(run_dir: Path) -> None:
    if not run_dir.exists():
        return
    if not run_dir.is_dir():
        raise RunError(f"{run_dir} is a file. Give a directory that receives the run.")
    refuse_links(run_dir)
    if (run_dir / RUN_FILE).is_file() or (run_dir / CONFIG_FILE).is_file():
        return
    others = sorted(
        path.name
        for path in run_dir.iterdir()
        if path.name not in OWN_FILES and not path.name.startswith((".", "period-"))
    )
    if others:
        raise RunError(
            f"{run_dir} holds other files, such as {others[0]!r}, and no run. Give a directory of "
            "its own to the run."
        )


def _settings_lost(run_dir: Path, config: str) -> list[str]:
    """Why the settings of a run are lost: damaged or missing, and others than those given now.

    The manifest still has the digest of those that were written; settings that are given again as
    they were have it too.
    """
    path, noted = run_dir / CONFIG_FILE, _noted(run_dir)
    given = hashlib.sha256(config.encode()).hexdigest()
    if not noted or given in noted or (path.is_file() and digest(path) in noted):
        return []
    what = "damaged" if path.is_file() else "missing"
    return [
        f"{path} is {what}, and the settings given are not those it held. Give exactly those of "
        "the start, train every period again by adding --redo 0, or give another run directory."
    ]


def _noted(run_dir: Path) -> tuple[str, ...]:
    """Digests of the settings of a run; none in a run of an older version."""
    try:
        manifest = read_manifest(run_dir)
    except CheckpointError:
        return ()
    return () if manifest is None else manifest.files.get(CONFIG_FILE, ())


def _other_settings(
    run_dir: Path, config: str, owners: Mapping[str, type] | None
) -> list[str] | None:
    """What differs from the settings of the run; None where nothing does."""
    path = run_dir / CONFIG_FILE
    if not path.is_file():
        return None
    kept, given = (
        read_settings(text) for text in (path.read_text(encoding="utf-8", errors="replace"), config)
    )
    if hashlib.sha256(config.encode()).hexdigest() in _noted(run_dir):
        return None
    if kept is None or given is None:
        same = path.read_text(encoding="utf-8", errors="replace") == config
        return None if same else [f"{path} is damaged"]
    if is_from_python(kept) != is_from_python(given):
        made = ["from Python" if is_from_python(one) else "by eac run" for one in (kept, given)]
        return [f"made {made[0]}, now given {made[1]}"]
    return differences(kept, given, owners) or None


def _refusal(run_dir: Path, config: str, changed: list[str]) -> str:
    kept = read_settings((run_dir / CONFIG_FILE).read_text(encoding="utf-8", errors="replace"))
    from_python = is_from_python(kept or read_settings(config) or {})
    return (
        f"{run_dir} holds a run with other settings: {in_words(changed)}. Give another run "
        f"directory, or continue that run with: {_go_on(run_dir, from_python=from_python)}"
    )


def _make_way(run_dir: Path, changed: list[str]) -> None:
    """Removes what a start with other settings left, none of whose periods was done."""
    begun = [folder for _, folder in period_folders(run_dir)]
    log.info(
        "%s: no period was done with the settings before (%s); it begins anew.",
        run_dir,
        in_words(changed),
    )
    for folder in reversed(begun):
        remove_folder(folder)


def _has_header(run_dir: Path) -> bool:
    path = run_dir / RUN_FILE
    if not path.is_file():
        return False
    try:
        read_header(run_dir)
    except CheckpointError as error:
        log.warning("%s It is written again.", error)
        return False
    return True


def _misplaced(run_dir: Path, name: str, index: int, names: Sequence[str]) -> str:
    trained = f"{run_dir} has period {name!r} in place {index}"
    if name not in names:
        return (
            f"{trained}, but the stream has none of that name; it has {_some(names)}. Restore the "
            "period, or start a new run directory."
        )
    new = list(names[: list(names).index(name)])
    done = {read_period(folder).name for _, folder in done_folders(run_dir)}
    between = [other for other in new if other not in done]
    if between:
        return (
            f"{trained}, but the stream now has {_some(between)} before it. A period that comes "
            "late cannot be trained in the middle: leave it out, or train "
            f"again from it on with: {go_on(run_dir, redo=between[0])}"
        )
    return (
        f"{trained}, but in the stream it is in place {list(names).index(name)}. Restore the order "
        "of the stream, or start a new run directory."
    )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


SHOWN = 6
