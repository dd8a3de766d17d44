"""YAML that is read without taking more memory and time than its size allows."""

from pathlib import Path
from typing import Any

import yaml

from eac.errors import ConfigError, EACError

LARGEST = 1 << 24
"""Bytes of the largest YAML file that is read."""
REPEATED = 100_000
"""Values that aliases may repeat; a few lines of them can otherwise stand for millions."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path, *, error: type[EACError] = ConfigError, largest: int = LARGEST) -> Any:
    r"""What a YAML file holds.

    Args:
        path: The file.
        error: Raised when it is damaged or too large.
        largest: Most bytes that it may have.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "stream.yaml").write_text("unit: h\n")
        ...     print(read_yaml(Path(folder) / "stream.yaml"))
        {'unit': 'h'}
    """
    try:
        if not path.is_file():
            raise error(f"{path} is missing or not a file. Restore it.")
        size = path.stat().st_size
        if size > largest:
            raise error(f"{path} has {size} bytes; at most {largest} are read. Make it smaller.")
        return parse_yaml(path.read_text(encoding="utf-8"), str(path), error=error)
    except (OSError, UnicodeDecodeError) as problem:
        raise error(f"{path} is not valid YAML: {problem}") from problem


def parse_yaml(text: str, where: str, *, error: type[EACError] = ConfigError) -> Any:
    r"""What YAML text holds; ``where`` names it in messages.

    Example:
        >>> parse_yaml("a: &x [1, 2]\nb: *x", "text")
        {'a': [1, 2], 'b': [1, 2]}
    """
    try:
        check_aliases(text, where, error=error)
        loader = _LOADER(text)  # a safe one, in C where there is one
        node = loader.get_single_node()
        twice = _repeated_key(node)
        if not twice:
            return None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, RecursionError, ValueError) as problem:
        raise error(f"{where} is not valid YAML: {problem}") from problem
    key, first, second = twice
    raise error(
        f"{where}: {key!r} is given twice, in line {first} and in line {second}. Give it once."
    )


def _repeated_key(top: yaml.Node | None) -> tuple[str, int, int] | None:
    """A key that a mapping gives twice, where YAML would take the last, and its lines."""
    left, met = [top], set[int]()
    while left:
        node = left.pop()
        if id(node) in met or not isinstance(node, yaml.CollectionNode):
            continue
        met.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            left += node.value
            continue
        lines: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            left.append(value)
            if isinstance(key, yaml.ScalarNode):
                name, line = (key.tag, key.value), key.start_mark.line + 1
                if name in lines:
                    return key.value, lines[name], line
                lines[name] = line
    return None


def check_aliases(text: str, where: str, *, error: type[EACError] = ConfigError) -> None:
    r"""Refuses text whose aliases repeat far more than it holds, before anything is built.

    Example:
        >>> check_aliases("a: &x [1, 2]\nb: *x\n", "stream.yaml")
    """
    if "*" not in text:
        return
    sizes: dict[str, int] = {}
    open_ones: list[tuple[str | None, int]] = []
    total = own = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            total += sizes.get(event.anchor, REPEATED + 1)
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            total, own = total + 1, own + 1
            if isinstance(event, yaml.ScalarEvent):
                sizes |= {event.anchor: 1} if event.anchor else {}
            else:
                open_ones.append((event.anchor, total - 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_ones.pop()
            sizes |= {anchor: total - before} if anchor else {}
        if total - own > REPEATED:
            raise error(
                f"{where}: its aliases (*name) repeat more than {REPEATED} values, or contain "
                "themselves. Write the values out."
            )
