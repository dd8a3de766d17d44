"""Which rows of a table can be ranked: those whose errors are on the same test targets."""

from collections import Counter
from collections.abc import Iterable, Sequence

import pandas as pd

from eac.report.common.summary import BASELINES

NAIVE = "naive: "
MODEL = ["strategy", "backbone"]


def label(strategy: str) -> str:
    """Name of a strategy or of a naive forecast for the reader.

    Example:
        >>> label("EAC"), label("naive: last")
        ('EAC', 'last value')
    """
    name = strategy.removeprefix(NAIVE)
    return BASELINES.get(name, name) if strategy.startswith(NAIVE) else strategy


def model_label(strategy: str, backbone: str) -> str:
    """The same, with the backbone where there is one.

    Example:
        >>> model_label("EAC", "STGNN"), model_label("naive: last", "")
        ('EAC on STGNN', 'last value')
    """
    return f"{label(strategy)} on {backbone}" if backbone else label(strategy)


def of_stream(frame: pd.DataFrame, stream: str, reference: str = "") -> tuple[pd.DataFrame, str]:
    """The results of a stream with each naive forecast once, and the test targets to rank on.

    These are the targets of the reference; without one, those of most models. A naive forecast is
    on them too, where it was measured there.

    Args:
        frame: Tidy results; without a column ``targets`` all are on the same.
        stream: Name of the stream.
        reference: As ``TableView`` has it.

    Example:
        >>> results = {
        ...     "stream": "pm10",
        ...     "strategy": ["EAC", "TEAM", "TFMoE", "naive: last", "naive: last"],
        ...     "backbone": ["STGNN", "STGNN", "STGNN", "", ""],
        ...     "targets": ["horizon 6", "horizon 12", "horizon 12", "horizon 6", "horizon 12"],
        ... }
        >>> rows, ranked = of_stream(pd.DataFrame(results), "pm10")
        >>> ranked, rows.targets.tolist()
        ('horizon 12', ['horizon 6', 'horizon 12', 'horizon 12', 'horizon 12'])
    """
    mine = frame[frame.stream == stream]
    mine = mine.assign(targets=mine.targets.astype(str) if "targets" in mine else "")
    models = mine[[*MODEL, "targets"]].astype(str).drop_duplicates()
    models = list(models.itertuples(index=False, name=None))
    order = _order(models)
    named = {t for s, b, t in models if reference in (label(s), model_label(s, b))}
    ranked = next((targets for targets in order if targets in named), order[0] if order else "")
    order.sort(key=lambda targets: targets != ranked)
    chosen: dict[str, str] = {}
    for strategy, _, targets in sorted(models, key=lambda model: order.index(model[2])):
        chosen.setdefault(strategy, targets)
    names = mine.strategy.astype(str)
    kept = ~names.str.startswith(NAIVE) | (names.map(chosen) == mine.targets)
    return mine[kept], ranked


def unranked_notes(models: Iterable[tuple[str, str, str]], ranked: str) -> Sequence[str]:
    """One sentence for each model on other test targets.

    Args:
        models: Strategy, backbone and test targets of each.
        ranked: The test targets of the models that are ranked.

    Example:
        >>> unranked_notes([("EAC", "STGNN", "horizon 6; window 12")], "horizon 12; window 12")[0]
        'EAC on STGNN has other test targets (horizon 6, not horizon 12): it has no rank and no p.'
    """
    notes = []
    for strategy, backbone, targets in models:
        pairs = list(zip(targets.split("; "), ranked.split("; "), strict=True))
        own, theirs = (", ".join(pair[i] for pair in pairs if pair[0] != pair[1]) for i in (0, 1))
        if own:
            notes.append(
                f"{model_label(strategy, backbone)} has other test targets ({own}, not {theirs}): "
                "it has no rank and no p."
            )
    return notes


def _order(models: Sequence[tuple[str, str, str]]) -> list[str]:
    """Test targets, those of the most models first, whatever the order of models."""
    counts = Counter({targets: 0 for _, _, targets in models})
    counts.update(targets for strategy, _, targets in models if not strategy.startswith(NAIVE))
    return sorted(counts, key=lambda targets: (-counts[targets], targets))
