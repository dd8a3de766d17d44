"""Short forms of ``eac run``: what ``--resume``, ``--redo`` and the like stand for."""

from pathlib import Path

from eac.errors import RunError
from eac.rundir.opening import go_on, is_from_python
from eac.rundir.settings import CONFIG_FILE, read_settings

FLAGS = {"--watch": "--run.watch=true", "--accept-changes": "--run.accept_changes=true"}
VALUES = {"--redo": "--run.redo", "--partial": "--run.partial"}


def expand(args: list[str]) -> list[str]:
    """Replaces ``--resume DIR`` by the configuration of that run, and other short forms.

    Raises:
        RunError: If the directory to resume is no run that a command can go on with.

    Example:
        >>> expand(["--stream", "counts.csv", "--watch", "--redo", "march"])
        ['--stream', 'counts.csv', '--run.watch=true', '--run.redo', 'march']
    """
    args = [FLAGS.get(arg, arg) for arg in args]
    found: list[str] = []
    resumed: list[str] = []
    rest = iter(args)
    for arg in rest:
        name, sign, value = arg.partition("=")
        if name == "--resume":
            resumed = _resumed(value if sign else next(rest, ""))
        else:
            found.append(VALUES.get(name, name) + sign + value)
    return [*resumed, *found]


def _resumed(directory: str) -> list[str]:
    config = Path(directory) / CONFIG_FILE
    if not directory or not config.is_file():
        raise RunError(f"--resume {directory}: there is no {config}. Give the directory of a run.")
    settings = read_settings(config.read_text(encoding="utf-8", errors="replace"))
    if settings is None:
        raise RunError(
            f"--resume {directory}: {config} is damaged. Give the settings again, as at the "
            f"start, with --run.dir {directory}."
        )
    if is_from_python(settings):
        raise RunError(
            f"--resume {directory}: this run was made in Python. Go on with: "
            f"{go_on(Path(directory))}"
        )
    return ["-c", str(config), "--run.dir", directory]
