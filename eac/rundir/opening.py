"""Opening a run directory: is it this run, and do its periods fit the stream?"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from eac.errors import CheckpointError, RunError
from eac.files import make_folder, remove, remove_folder, write_text
from eac.records.folders import done_folders, period_folders
from eac.records.record import RUN_FILE, RunRecord, read_header, read_period, write_run
from eac.rundir.settings import PYTHON_KEY, differences, in_words, read_settings

log = logging.getLogger("eac")

CONFIG_FILE = "config.yaml"
OWN_FILES = (CONFIG_FILE, RUN_FILE, "report.html", "log.txt", "cell.json")
"""What may be in a run directory beside the folders of its periods, and hidden files."""


def open_run(
    run_dir: Path,
    *,
    config: str,
    header: RunRecord,
    names: Sequence[str],
    owners: Mapping[str, type],
) -> None:
    """Makes a run directory, or checks that it holds this very run, and notes what is asked for.

    A run of which no period is done makes way for other settings.

    Args:
        run_dir: The directory.
        config: Settings given now.
        header: The record of the run without its periods.
        names: Names of the periods of the stream, in order.
        owners: Classes that take the groups of settings.

    Raises:
        RunError: If the directory holds something else, or a run with other settings, or periods
            that do not fit the stream.
    """
    _check_folder(run_dir)
    make_folder(run_dir)
    done = done_folders(run_dir)
    changed = _other_settings(run_dir, config, owners)
    if changed and done:
        raise RunError(_refusal(run_dir, config, changed))
    if changed:
        _make_way(run_dir, changed)
    _check_positions(run_dir, names)
    path = run_dir / CONFIG_FILE
    if not path.is_file() or path.read_text(encoding="utf-8") != config:
        write_text(path, config)
    if changed or _header(run_dir) != header:
        write_run(run_dir, header)


def go_on(run_dir: Path) -> str:
    """How a run is continued: a command, or a line of Python where it was made there."""
    path = run_dir / CONFIG_FILE
    kept = read_settings(path.read_text(encoding="utf-8")) if path.is_file() else None
    return _command(run_dir, python=kept is not None and is_from_python(kept))


def is_from_python(settings: Mapping[str, object]) -> bool:
    """Whether these settings describe a run that was made in Python."""
    return "trainer" not in settings or PYTHON_KEY in settings


def _command(run_dir: Path, *, python: bool) -> str:
    if python:
        return (
            "the same lines of Python: "
            f"StreamRunner(forecaster, data, run_dir={str(run_dir)!r}).run()"
        )
    return f"eac run --resume {run_dir}"
