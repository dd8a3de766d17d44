"""The id of what a period left."""

from pathlib import Path

from eac.artifacts.artifact import read_artifact


def artifact_id(directory: Path) -> str:
    """The id that the card of a period says, or that its content has."""
    return read_artifact(directory).id
