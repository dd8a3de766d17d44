"""Writes what a finished period leaves."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from eac.artifacts.artifact import Artifact, content_hash, content_id, read_artifact
from eac.artifacts.checkpoint import CARD_FILE, STATE_FORMAT, SavedState, write_state
from eac.artifacts.saved_data import data_card, save_graph
from eac.data.batches.datamodule import PeriodData
from eac.files import digest, write_json
from eac.records.jsonfile import convert, format_header


def save_artifact(
    directory: Path,
    state: SavedState,
    data: PeriodData,
    *,
    base: Path | None,
    parent: Path | None,
    said: Mapping[str, Any] | None = None,
) -> Artifact:
    """Writes graph, state and card of a period; what says that it is done comes after.

    Args:
        directory: Of the period.
        state: Of the model.
        data: The period.
        base: Folder of the base, whose state is saved whole; None saves everything.
        parent: Folder of the period that this one began from, if any.
        said: ``backbone``, ``strategy``, ``loss`` and ``revin`` as they were made, if that can be
            said; ``metrics``, the errors in the test part; ``calibration``, the name of a file,
            which is named when it is in the folder.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from torch import nn
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> with TemporaryDirectory() as folder:
        ...     state = SavedState.of(nn.Linear(2, 1))
        ...     print(save_artifact(Path(folder), state, data, base=None, parent=None).period)
        0
    """
    said, card = said or {}, data_card(data)
    scalers = {key: card.get(key) for key in ("scaler", "input_scaler")}
    content = {
        "parent": None if parent is None else read_artifact(parent).id,
        **write_state(directory, state, base),
        "graph_sha256": save_graph(directory, data.period.graph),
        "scalers_sha256": content_hash(scalers),
        "period": data.period.name,
        "fingerprint": data.period.fingerprint(),
        "node_ids": list(data.period.node_ids),
        **card,
        **{key: said.get(key) for key in ("backbone", "strategy", "loss", "revin", "metrics")},
    }
    calibration = said.get("calibration")
    if calibration is not None and (directory / calibration).is_file():
        sha256 = digest(directory / calibration)
        content["calibration"] = {"name": calibration, "sha256": sha256}
    header = format_header(STATE_FORMAT)
    whole = msgspec.json.decode(msgspec.json.encode(header | content))
    artifact = convert(Artifact, whole, STATE_FORMAT, str(directory / CARD_FILE))
    artifact = replace(artifact, id=content_id(artifact), directory=str(directory))
    write_json(directory / CARD_FILE, header | {"id": artifact.id} | content)
    return artifact
