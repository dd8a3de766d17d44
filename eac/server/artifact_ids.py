"""The id of what a period left."""

from pathlib import Path

from eac.artifacts.checkpoint import load_card


def artifact_id(directory: Path) -> str:
    """The id that the card of a period says; of older ones the digest of the state."""
    card = load_card(directory)
    return card.get("id") or card["state_sha256"]
