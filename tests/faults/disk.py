"""What a disk may hold after a power cut, worked out from a log of operations on files.

The rules are those of POSIX at their weakest: the content of a file is safe once the file was
synchronised, and a name, new or gone, once its folder was. Of all that was not, each piece may be
there or not, whatever the order in which it was done; half of a file counts as a piece too.
"""

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

Entry = tuple[str, str, str]


@dataclass(eq=False)
class File:
    """A file: the name of its content in the log's folder, and whether that is safe."""

    content: str = ""
    safe: bool = False


@dataclass(eq=False)
class Folder:
    """A folder as a process sees it, and the names in it that are safe."""

    names: "dict[str, File | Folder]" = field(default_factory=dict)
    safe: "dict[str, File | Folder]" = field(default_factory=dict)


def read_log(folder: Path) -> list[Entry]:
    """The operations that ``Fault("log")`` wrote down."""
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [(a, b, c) for a, b, c in map(json.loads, lines)]


def operations(log: list[Entry]) -> list[tuple[str, Path]]:
    """The operations of a log, without what was said."""
    return [(kind, Path(path)) for kind, path, _ in log if kind != "said"]


def said_done(log: list[Entry], point: int) -> list[str]:
    """Periods that the run had called done by then."""
    said = [text.split() for operation, text, _ in log[:point] if operation == "said"]
    return [words[1] for words in said if words[0] == "period" and words[2] == "done"]


class Disk:
    """A disk to which a log is played up to a point.

    Args:
        root: Folder that was safe before.
        log: All operations.
    """

    def __init__(self, root: Path, log: list[Entry]):
        self._root = root
        self._top = Folder()
        self._log = log

    def play(self, point: int) -> None:
        """Does what was done before this place of the log."""
        for place, (operation, path, _) in enumerate(self._log[:point]):
            if operation != "said":
                self._do(operation, Path(path), place)

    def write(self, target: Path, contents: Path, chance: random.Random) -> None:
        """Writes to ``target`` one of the states that may be found after a power cut."""
        self._write(self._top, target, contents, chance)

    def _do(self, operation: str, path: Path, place: int) -> None:
        if operation == "sync folder":
            folder = self._folder(path)
            if folder is not None:
                folder.safe = dict(folder.names)
            return
        above, name = self._folder(path.parent), path.name
        if above is None:  # outside of what is looked at
            return
        if operation == "folder":
            above.names[name] = Folder()
        elif operation == "create":
            above.names.setdefault(name, File())
        elif operation in ("write", "sync"):
            file = above.names[name]
            assert isinstance(file, File)
            file.content, file.safe = self._content(path, place), operation == "sync"
        elif operation == "remove":
            above.names.pop(name)
        elif operation == "rename":
            source = [n for n in above.names if n.startswith(".tmp-") and n.endswith(name[-60:])]
            above.names[name] = above.names.pop(source[-1])

    def _content(self, path: Path, place: int) -> str:
        """What is written now is what is synchronised next under this name."""
        found = [c for o, p, c in self._log[place:] if o == "sync" and p == str(path)]
        return found[0] if found else ""

    def _folder(self, path: Path) -> Folder | None:
        if path != self._root and self._root not in path.parents:
            return None
        found = self._top
        for part in path.relative_to(self._root).parts:
            one = found.names.get(part)
            if not isinstance(one, Folder):
                return None
            found = one
        return found

    def _write(self, folder: Folder, target: Path, contents: Path, chance: random.Random) -> None:
        target.mkdir(exist_ok=True)
        for name in sorted({*folder.names, *folder.safe}):
            one = chance.choice([folder.names.get(name), folder.safe.get(name)])
            if isinstance(one, Folder):
                self._write(one, target / name, contents, chance)
            elif one is not None:
                whole = (contents / one.content).read_bytes() if one.content else b""
                size = len(whole) if one.safe else chance.choice([0, len(whole) // 2, len(whole)])
                (target / name).write_bytes(whole[:size])
