"""What is checked of a run directory before a command builds what its settings name."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from eac.class_paths import check_trusted
from eac.errors import CheckpointError
from eac.files import refuse_links
from eac.records.manifest import is_damaged, verify
from eac.records.yamlfile import read_yaml
from eac.rundir.settings import CONFIG_FILE


def checked(args: Sequence[str]) -> list[str]:
    """The arguments without ``--trust MODULE``, after a look at the run that is resumed.

    The directory of a run is data: its settings must be as they were written and name classes of
    this package alone, or of modules that are trusted; no link in it leads elsewhere.

    Raises:
        CheckpointError: If the settings are damaged.
        ConfigError: If they name a class of a module that is not trusted.
        WriteError: If there is a symbolic link in the directory.

    Example:
        >>> checked(["-c", "eac", "--trust", "my.module"])
        ['-c', 'eac']
    """
    trust, rest = [], []
    for name, value, given in _options(args):
        if name == "--trust":
            trust.append(value)
        else:
            rest += given
    for name, value, _ in _options(rest):
        if name == "--resume" and value and (Path(value) / CONFIG_FILE).is_file():
            check_saved(Path(value), trust)
    return rest


def check_saved(run_dir: Path, trust: Sequence[str]) -> None:
    """Refuses to build what the settings of a run name, unless they are whole and trusted.

    Raises:
        CheckpointError: If the settings are damaged.
        ConfigError: If they name a class of a module that is not trusted.
        WriteError: If there is a symbolic link in the directory.
    """
    path = run_dir / CONFIG_FILE
    refuse_links(run_dir)
    if not is_damaged(run_dir):  # a damaged manifest is written again by the run
        verify(path)
    check_trusted(read_yaml(path, error=CheckpointError), trust, str(path))


def _options(args: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Name and value of the two options that matter here, each other argument by itself."""
    rest = iter(args)
    for arg in rest:
        name, sign, value = arg.partition("=")
        if name not in ("--trust", "--resume") or sign:
            yield name, value, [arg]
        else:
            value = next(rest, "")
            yield name, value, [arg, value]
