"""Configurations: those of the package found by name from any directory, and reading one."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from eac.errors import ConfigError
from eac.typing import StrPath

KINDS = {
    "recipes": "a model and how it is trained; the first -c of a run",
    "strategies": "another strategy; after a recipe",
    "backbones": "another network; after a recipe",
    "loggers": "other logs; after a recipe",
    "streams": "a stream",
    "benchmarks": "for eac benchmark -c",
}
"""What is found in each folder."""
OF_RUNS = ("recipes", "strategies", "backbones", "loggers", "streams")
"""Kinds of which ``eac run`` takes any number."""
SUFFIX = ".yaml"
TABLES = (".csv", ".parquet", ".gz", ".xlsx", ".npz", ".npy")
MOST_BYTES = 1 << 20
MOST_ENTRIES = 100_000
_TOO_MANY = object()


@dataclass(frozen=True)
class Packaged:
    """A configuration of the package.

    Attributes:
        kind: The folder it is in; "" for the settings that every run begins with.
        name: Of the file, without its suffix.
        path: Of the file.

    Example:
        >>> Packaged("recipes", "practical", Path("practical.yaml")).full_name
        'recipes/practical'
    """

    kind: str
    name: str
    path: Path

    @property
    def full_name(self) -> str:
        """A name that no other configuration has, such as ``recipes/lora``."""
        return f"{self.kind}/{self.name}" if self.kind else self.name

    @property
    def about(self) -> str:
        """The first sentence of its first comment."""
        lines = self.path.read_text(encoding="utf-8").splitlines()
        comment = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
        return comment[0] if comment else ""


def packaged(kinds: Sequence[str] = tuple(KINDS)) -> tuple[Packaged, ...]:
    """The configurations of the package, kind by kind.

    Example:
        >>> [recipe.name for recipe in packaged(["recipes"])][:3]
        ['base', 'compressed', 'eac']
    """
    root = _root()
    return tuple(
        Packaged(kind, path.stem, path)
        for kind in ("", *kinds)
        for path in sorted((root / kind).glob(f"*{SUFFIX}"))
    )


def find_config(text: StrPath, kinds: Sequence[str] = OF_RUNS, *, prefer: str = "") -> Path:
    """The file that a name stands for: a file if there is one, else a configuration of the package.

    Args:
        text: Path of a file, or a name such as ``practical`` or ``recipes/lora``.
        kinds: Where names are looked up.
        prefer: The kind that is meant where several have the name.

    Raises:
        ConfigError: If there is neither a file nor a configuration of that name, or several.

    Example:
        >>> find_config("practical").name
        'practical.yaml'
    """
    path = Path(text)
    if path.exists() and not path.is_dir():
        return path
    name = path.as_posix().removesuffix(SUFFIX)
    known = packaged(kinds)
    found = [config for config in known if name in (config.name, config.full_name)]
    found = [config for config in found if config.kind == prefer] or found
    if len(found) > 1:
        names = " or ".join(f"-c {config.full_name}" for config in found)
        raise ConfigError(f"-c {text}: that is several configurations. Give {names}.")
    if not found:
        what = "that is a folder" if path.is_dir() else "there is no such file"
        raise ConfigError(f"-c {text}: {what}.{_near(name, known)}")
    return found[0].path


def read_settings(path: Path) -> dict[str, Any]:
    r"""The settings in a YAML file, or the entries of a benchmark.

    Raises:
        ConfigError: If it cannot be read, is no YAML, holds no settings, or is too large.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "own.yaml"
        ...     _ = path.write_text("run: {seed: 7}\n")
        ...     print(read_settings(path))
        {'run': {'seed': 7}}
    """
    if path.suffix in TABLES:
        raise ConfigError(
            f"-c {path}: settings are YAML. If these are readings, give them as --stream {path}."
        )
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"-c {path}: {path.stat().st_size} bytes are no file of settings.")
        content = _bounded(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"-c {path}: the file cannot be read: {error}.") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"-c {path}: this is no YAML: {_first_line(error)}.") from error
    if content is _TOO_MANY:
        raise ConfigError(f"-c {path}: more than {MOST_ENTRIES} entries are no settings.")
    if not isinstance(content, dict):
        said = "nothing" if content is None else repr(content)
        raise ConfigError(
            f"-c {path}: settings are lines such as 'protocol: strict', found "
            f"{said if len(said) < 40 else said[:40] + '...'}."
        )
    return content


def _near(name: str, known: Sequence[Packaged]) -> str:
    """What to give instead of a name that does not exist."""
    last = name.rpartition("/")[2]
    exact = [config for config in packaged() if config.name == last]
    if exact and exact[0].kind == "benchmarks":
        return f" There is a benchmark of that name: eac benchmark -c {last} --out runs/{last}."
    names = sorted({config.name for config in known})
    near = [last] if last in names else get_close_matches(last, names, n=3, cutoff=0.5)
    hint = f" Did you mean -c {' or -c '.join(near)}?" if near else ""
    return f"{hint} eac recipes lists what comes with the package."


def _root() -> Path:
    """The folder of the configurations: in an installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def _bounded(text: str) -> object:
    """The content, unless repeated references make it larger than settings can be."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None and _size(root, {}) > MOST_ENTRIES:
        return _TOO_MANY
    return yaml.safe_load(text)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Entries of a node, those behind each reference counted again."""
    if id(node) not in known:
        known[id(node)] = MOST_ENTRIES  # of a node that holds itself
        inner = node.value if isinstance(node, yaml.CollectionNode) else []
        parts = [
            part for entry in inner for part in (entry if isinstance(entry, tuple) else [entry])
        ]
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}" if mark is not None else ""
    return f"{getattr(error, 'problem', None) or str(error).splitlines()[0]}{where}"
