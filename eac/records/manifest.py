"""Digests of the files of a folder, kept beside them, so that damage has a name.

A period's manifest is written just before its ``metrics.json``, whose digest it already holds, so
that the existence of ``metrics.json`` still says that the period is done. A file that is written
again has two digests for a moment, the old one and the new: whichever is there is right.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from eac.errors import CheckpointError
from eac.files import digest, write_bytes, write_json
from eac.records.jsonfile import (
    LARGEST,
    StrPath,
    decode,
    doctor,
    format_header,
    is_of_another_version,
    read_as,
    read_bytes,
)

MANIFEST_FILE = "manifest.json"
MANIFEST_FORMAT = "eac.manifest"
PASSING = (".ckpt", ".sha256", ".partial", ".tmp", ".passing")
"""Endings of files that are gone when a period, or the one after it, is done."""


@dataclass(frozen=True)
class Manifest:
    """The digests of a folder.

    Attributes:
        files: SHA-256 of each file by its name; of one that was just written again, also the one
            before.
        sha256: Of ``files`` themselves.

    Example:
        >>> Manifest({"card.json": ("0" * 64,)}).files.keys()
        dict_keys(['card.json'])
    """

    files: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sha256: str = ""


def read_manifest(folder: StrPath) -> Manifest | None:
    """The manifest of a folder; None in a run of an older version.

    Raises:
        CheckpointError: If it is damaged.

    Example:
        >>> read_manifest("a folder of an older version") is None
        True
    """
    path = Path(folder) / MANIFEST_FILE
    if not path.is_file():
        return None
    manifest = read_as(Manifest, path, MANIFEST_FORMAT)
    if manifest.sha256 != _own_digest(manifest.files):
        raise CheckpointError(
            f"{path} is damaged: its digests are not those written. {doctor(path)}"
        )
    return manifest


def is_damaged(run_dir: StrPath) -> bool:
    """Whether the manifest of a run cannot be read, though the run is of this version.

    Example:
        >>> is_damaged("a run of an older version")
        False
    """
    try:
        read_manifest(run_dir)
    except CheckpointError:
        return not is_of_another_version(Path(run_dir) / "run.json")
    return False


def read_verified(path: StrPath, largest: int = LARGEST) -> bytes:
    """The bytes of a file that its manifest, if there is one, knows.

    Raises:
        CheckpointError: If the file or the manifest is missing or damaged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "run.json"
        ...     write_noted(path, b"{}")
        ...     _ = path.write_bytes(b"{ }")  # damage
        ...     try:
        ...         read_verified(path)
        ...     except CheckpointError as error:
        ...         print("is damaged" in str(error))
        True
    """
    content = read_bytes(path, largest)
    _check_digest(path, hashlib.sha256(content).hexdigest())
    return content


def read_verified_json(path: StrPath) -> Any:
    """The value in a JSON file that its manifest, if there is one, knows.

    Raises:
        CheckpointError: If the file or the manifest is missing or damaged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_noted(Path(folder) / "run.json", b'{"seed": 42}')
        ...     print(read_verified_json(Path(folder) / "run.json"))
        {'seed': 42}
    """
    return decode(read_verified(path), path)


def verify(path: StrPath) -> str:
    """The SHA-256 of a file of any size, which its manifest, if there is one, must know.

    Raises:
        CheckpointError: If the file or the manifest is missing or damaged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_noted(Path(folder) / "run.json", b"{}")
        ...     print(verify(Path(folder) / "run.json")[:8])
        44136fa3
    """
    file = Path(path)
    if not file.is_file():
        raise CheckpointError(f"{path} is missing. {doctor(path)}")
    try:
        found = digest(file)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}. {doctor(path)}") from error
    _check_digest(path, found)
    return found


def _check_digest(path: StrPath, found: str) -> None:
    """Compares the digest of a file with those of its manifest, if there is one."""
    manifest, name = read_manifest(Path(path).parent), Path(path).name
    if manifest is not None and name in manifest.files and found not in manifest.files[name]:
        raise CheckpointError(
            f"{path} is damaged: it is not the file that {MANIFEST_FILE} describes. {doctor(path)}"
        )


def write_noted(path: StrPath, content: bytes) -> None:
    """Writes a file that changes while a run goes on, and notes its digest first.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_noted(Path(folder) / "run.json", b"{}")
        ...     print(read_verified(Path(folder) / "run.json"))
        b'{}'
    """
    file = Path(path)
    admit(file.parent, {file.name: hashlib.sha256(content).hexdigest()})
    write_bytes(file, content)


def rewrite(path: StrPath, content: bytes) -> None:
    """Writes a file of a period again; its manifest, if there is one already, knows the new one.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     rewrite(Path(folder) / "report.json", b"{}")
        ...     print((Path(folder) / "report.json").read_bytes())
        b'{}'
    """
    if (Path(path).parent / MANIFEST_FILE).is_file():
        write_noted(path, content)
    else:
        write_bytes(path, content)


def check_absent(path: StrPath) -> None:
    """Refuses that an optional file is absent when its manifest names it.

    Raises:
        CheckpointError: If it was there once, or the manifest is damaged.

    Example:
        >>> check_absent("a folder without a manifest/report.json")
    """
    manifest = read_manifest(Path(path).parent)
    if manifest is not None and Path(path).name in manifest.files:
        raise CheckpointError(f"{path} is missing. {doctor(path)}")


def admit(folder: StrPath, digests: Mapping[str, str]) -> None:
    """Notes digests of files that are about to be written; those they have now stay right too.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     admit(folder, {"report.json": "0" * 64})
        ...     print(list(read_manifest(Path(folder)).files))
        ['report.json']
    """
    root = Path(folder)
    try:
        manifest = read_manifest(root)
    except CheckpointError:  # what is written now is right again
        manifest = None
    files = {} if manifest is None else dict(manifest.files)
    for name, new in digests.items():
        now = {digest(root / name)} if (root / name).is_file() else set[str]()
        files[name] = tuple(dict.fromkeys([new, *(now & {*files.get(name, tuple(now))})]))
    _write(root, files)


def seal(folder: StrPath, coming: Mapping[str, bytes]) -> None:
    """Writes the manifest of a period: of every file it keeps, and of those that come next.

    Args:
        folder: Of the period.
        coming: Content of the files that are written right after this.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "card.json").write_text("{}")
        ...     seal(folder, {"metrics.json": b"{}"})
        ...     print(sorted(read_manifest(folder).files))
        ['card.json', 'metrics.json']
    """
    root = Path(folder)
    files: dict[str, tuple[str, ...]]
    files = {path.name: (digest(path),) for path in kept_files(root)}
    for name, content in coming.items():
        files[name] = (hashlib.sha256(content).hexdigest(), *files.get(name, ()))
    _write(root, files)


def kept_files(folder: Path) -> Iterable[Path]:
    """The files that a period keeps once it is done, without its manifest.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("card.json", "last.ckpt", ".hidden"):
        ...         (Path(folder) / name).touch()
        ...     print([path.name for path in kept_files(Path(folder))])
        ['card.json']
    """
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [
        path
        for path in found
        if path.is_file()
        and not path.name.startswith(".")
        and path.name != MANIFEST_FILE
        and path.suffix not in PASSING
    ]


def _write(folder: Path, files: dict[str, tuple[str, ...]]) -> None:
    content: dict[str, Any] = {"files": files, "sha256": _own_digest(files)}
    write_json(folder / MANIFEST_FILE, format_header(MANIFEST_FORMAT) | content)


def _own_digest(files: Mapping[str, tuple[str, ...]]) -> str:
    return hashlib.sha256(msgspec.json.encode(files, order="deterministic")).hexdigest()
