"""JSON files that are read with checks: what a file holds is described by a dataclass."""

import os
import re
import shlex
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec

from eac.errors import CheckpointError

StrPath: TypeAlias = str | os.PathLike[str]
T = TypeVar("T")

FORMAT_VERSION = 1
LARGEST = 1 << 28
"""Bytes of the largest JSON file that is read; the record of 100,000 sensors has some 10 MB."""

_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<place>.*)`)?", re.DOTALL)


def read_json(path: StrPath, *, advice: str | None = None) -> Any:
    """The content of a JSON file.

    Args:
        path: The file.
        advice: What to do when it is damaged; None names ``eac doctor``.

    Raises:
        CheckpointError: If the file is missing, too large, or is not JSON.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "a.json").write_text('{"rank": 6}')
        ...     print(read_json(Path(folder) / "a.json"))
        {'rank': 6}
    """
    return decode(read_bytes(path, LARGEST, advice=advice), path, advice=advice)


def decode(content: bytes, path: StrPath, *, advice: str | None = None) -> Any:
    """The value that JSON says; ``path`` names its file in messages.

    Example:
        >>> decode(b'{"rank": 6}', "card.json")
        {'rank': 6}
    """
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{path} cannot be read as JSON: {error}. {advice or doctor(path)}"
        ) from error


def read_bytes(path: StrPath, largest: int, *, advice: str | None = None) -> bytes:
    """The bytes of an ordinary file that is not too large to be what it should be.

    Raises:
        CheckpointError: If it is something else.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "run.json").write_text("{}")
        ...     print(read_bytes(Path(folder, "run.json"), largest=100))
        b'{}'
    """
    file = Path(path)
    try:
        if not file.is_file():
            raise CheckpointError(f"{path} is missing or not a file. {advice or doctor(path)}")
        size = file.stat().st_size
        if size > largest:
            raise CheckpointError(
                f"{path} has {size} bytes, more than the {largest} that such a file can have. "
                f"{advice or doctor(path)}"
            )
        return file.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror}. {advice or doctor(path)}"
        ) from error


def read_as(kind: type[T], path: StrPath, name: str, *, advice: str | None = None) -> T:
    """The content of a file of format ``name``, as an object of ``kind``.

    Entries that ``kind`` does not know are left out, and those it has a default for may be missing,
    so that files of older and newer versions can be read.

    Raises:
        CheckpointError: Names the file, the field and what was expected there.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.files import write_json
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "pair.json"
        ...     _ = write_json(path, format_header("eac.pair") | {"left": 1})
        ...     print(read_as(dict, path, "eac.pair")["left"])
        1
    """
    return convert(kind, read_json(path, advice=advice), name, str(path), advice=advice)


def convert(kind: type[T], value: object, name: str, where: str, *, advice: str | None = None) -> T:
    """The same for a value that was read; ``where`` names its file in messages.

    Example:
        >>> said = format_header("eac.pair") | {"left": 1}
        >>> convert(dict, said, "eac.pair", "pair.json")["left"]
        1
    """
    advice = advice or doctor(where)
    if not isinstance(value, dict):
        raise CheckpointError(
            f"{where} holds {type(value).__name__} where an object with fields is expected. "
            f"{advice}"
        )
    found, version = value.get("format"), value.get("format_version")
    if found != name:
        raise CheckpointError(f"{where} is of format {found!r}, expected {name!r}. {advice}")
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{where} has format version {version!r}, this eac reads version {FORMAT_VERSION}. "
            f"Read it with the eac that wrote it, which run.json names. {advice}"
        )
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise CheckpointError(f"{where}: {_sentence(str(error))}. {advice}") from error


def is_of_another_version(path: StrPath) -> bool:
    """Whether a file says that its format has another version than those read here.

    Example:
        >>> is_of_another_version("a file that is missing")
        False
    """
    try:
        value = read_json(path)
    except CheckpointError:
        return False
    return isinstance(value, dict) and value.get("format_version", FORMAT_VERSION) != FORMAT_VERSION


def format_header(name: str) -> dict[str, str | int]:
    """The first entries of a file: what it is, and the version of its format.

    Example:
        >>> format_header("eac-period")
        {'format': 'eac-period', 'format_version': 1}
    """
    return {"format": name, "format_version": FORMAT_VERSION}


def doctor(path: StrPath) -> str:
    """The advice for a damaged file of a run: ask what is damaged and what can be done.

    Example:
        >>> doctor("runs/x/period-00-a/metrics.json")
        'To see what to do, run: eac doctor runs/x'
    """
    folder = Path(path).parent
    while folder.name == "refit" or folder.name.startswith(("period-", "imported-")):
        folder = folder.parent
    return f"To see what to do, run: eac doctor {shlex.quote(str(folder))}"


def _sentence(message: str) -> str:
    """What msgspec found, as words about a field.

    Example:
        >>> _sentence("Expected `int`, got `str` - at `$.nodes.kept`")
        "field 'nodes.kept' is of type str, expected int"
        >>> _sentence("Object missing required field `new` - at `$.nodes`")
        "field 'nodes.new' is missing"
    """
    parts = _PLACE.fullmatch(message)
    what, place = (parts["what"], parts["place"] or "") if parts else (message, "")
    missing = re.fullmatch(r"Object missing required field `(\w+)`", what)
    if missing:
        return f"field {'.'.join(filter(None, (place, missing[1])))!r} is missing"
    wrong = re.fullmatch(r"Expected `(.*)`, got `(.*)`", what, re.DOTALL)
    if wrong:
        return f"field {place!r} is of type {wrong[2]}, expected {wrong[1].replace(' | ', ' or ')}"
    return f"field {place!r}: {what}" if place else what
