"""Names of the folders of a run's periods, and finding them."""

import os
import re
from pathlib import Path

from eac.errors import RunError
from eac.names import encode_name

PERIOD_FILE = "metrics.json"
"""Written last: where it is, the period is done."""
_FOLDER = re.compile(r"period-(\d+)-.*", re.DOTALL)


def period_folder(run_dir: Path, index: int, name: str) -> Path:
    """The folder of a period: its position, and its name as a path can hold it.

    Runs of older versions hold names as they are; such a folder is found too.

    Example:
        >>> period_folder(Path("runs/x"), 3, "2024/spring").name
        'period-03-2024%2Fspring'
    """
    folder = run_dir / f"period-{index:02d}-{encode_name(name)}"
    older = f"period-{index:02d}-{name}"
    alone = older == Path(older).name and older != folder.name
    if alone and not folder.is_dir() and os.path.isdir(run_dir / older):
        return run_dir / older
    return folder


def period_folders(run_dir: Path) -> list[tuple[int, Path]]:
    """Every folder of a period, done or not, with its position, in order.

    Raises:
        RunError: If a folder's name does not say its position.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     (Path(folder) / "period-00-a").mkdir()
        ...     print([(index, path.name) for index, path in period_folders(Path(folder))])
        [(0, 'period-00-a')]
    """
    found = []
    for path in run_dir.glob("period-*"):
        match = _FOLDER.fullmatch(path.name)
        if match is not None:
            found.append((int(match[1]), path))
        elif (path / PERIOD_FILE).is_file():
            raise RunError(
                f"{path} is not named period-<number>-<name>. Give it back its name or remove it."
            )
    return sorted(found)


def done_folders(run_dir: Path) -> list[tuple[int, Path]]:
    """Folders of the periods that are done, with their positions, in order.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("period-00-a", "period-01-b"):
        ...         (Path(folder) / name).mkdir()
        ...     (Path(folder) / "period-00-a" / PERIOD_FILE).touch()
        ...     print([path.name for _, path in done_folders(Path(folder))])
        ['period-00-a']
    """
    return [(i, path) for i, path in period_folders(run_dir) if (path / PERIOD_FILE).is_file()]
