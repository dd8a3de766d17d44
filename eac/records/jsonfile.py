"""JSON files that are read with checks."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from eac.errors import CheckpointError

StrPath: TypeAlias = str | os.PathLike[str]
Kinds: TypeAlias = type | tuple[type, ...]

FORMAT_VERSION = 1


def read_json(path: StrPath) -> Any:
    """The content of a JSON file.

    Raises:
        CheckpointError: If the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read as JSON: {error}. Remove the file and resume the run."
        ) from error


def format_header(name: str) -> dict[str, str | int]:
    """The first entries of a file: what it is, and the version of its format."""
    return {"format": name, "format_version": FORMAT_VERSION}


@dataclass(frozen=True)
class Fields:
    """A JSON object whose entries are checked when taken.

    Attributes:
        content: The object.
        where: Names the file, and the place in it, in error messages.
    """

    content: dict[str, Any]
    where: str

    @staticmethod
    def of_format(value: object, name: str, where: str) -> "Fields":
        """An object that begins with ``format_header(name)``.

        Raises:
            CheckpointError: If it is something else or of another version.
        """
        fields = Fields.of(value, where)
        found, version = fields.content.get("format"), fields.content.get("format_version")
        if found != name:
            raise CheckpointError(
                f"{where} is of format {found!r}, expected {name!r}. Give a file written by eac."
            )
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"{where} has format version {version!r}, this eac reads version "
                f"{FORMAT_VERSION}. Read it with the eac that wrote it, or run again."
            )
        return fields

    @staticmethod
    def of(value: object, where: str) -> "Fields":
        """Any JSON object."""
        if not isinstance(value, dict):
            raise CheckpointError(
                f"{where} holds {type(value).__name__} where an object with fields is expected. "
                "Remove the file and resume the run."
            )
        return Fields(value, where)

    def take(self, key: str, kinds: Kinds) -> Any:
        """The entry ``key``, which must be of one of ``kinds``.

        Raises:
            CheckpointError: If the entry is missing or of another kind.
        """
        if key not in self.content:
            raise CheckpointError(
                f"{self.where}: field {key!r} is missing. Remove the file and resume the run."
            )
        value = self.content[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in _all(kinds)):
            raise CheckpointError(
                f"{self.where}: field {key!r} is {value!r}, expected "
                f"{' or '.join(kind.__name__ for kind in _all(kinds))}. "
                "Remove the file and resume the run."
            )
        return value

    def inner(self, key: str) -> "Fields":
        """The entry ``key``, itself an object."""
        return Fields(self.take(key, dict), f"{self.where}: {key}")


def _all(kinds: Kinds) -> tuple[type, ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)
