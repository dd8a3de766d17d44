"""Numbers that others published, read from files that do not ship with the project."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from eac.errors import ConfigError

_OTHER_NAMES = {"stream": "dataset", "period": "stage"}
_COLUMNS = ("dataset", "method", "stage", "horizon", "metric", "value")


def read_published(paths: Sequence[Path]) -> pd.DataFrame:
    r"""Tables with columns ``dataset method stage horizon metric value``, under each other.

    ``stream`` may stand for ``dataset`` and ``period`` for ``stage``; the rows used have stage
    "mean" and a metric such as "MAE", or "MAE_mean5" and "MAE_std5" for five seeds.

    Raises:
        ConfigError: If a file is missing or lacks a column.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> table = "dataset,method,stage,horizon,metric,value\npems,EAC,mean,3,MAE,12.9\n"
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "paper.csv").write_text(table)
        ...     print(read_published([Path(folder, "paper.csv")]).value.tolist())
        ['12.9']
    """
    frames = [pd.DataFrame(columns=list(_COLUMNS))]
    for path in paths:
        if not path.is_file():
            raise ConfigError(
                f"the published numbers {path} are missing. Give a file, or remove the key "
                "'published' from the benchmark."
            )
        frame = pd.read_csv(path, dtype=str).rename(columns=_OTHER_NAMES)
        missing = [name for name in _COLUMNS if name not in frame]
        if missing:
            raise ConfigError(f"{path} lacks the columns {missing}. It needs {list(_COLUMNS)}.")
        frames.append(frame[list(_COLUMNS)])
    return pd.concat(frames, ignore_index=True)


def published_text(
    frame: pd.DataFrame,
    datasets: Sequence[str],
    methods: Sequence[str],
    *,
    metric: str,
    horizon: str,
) -> str:
    """The published mean over periods, with its deviation over seeds if known; "" if none is.

    Example:
        >>> columns = ["dataset", "method", "stage", "horizon", "metric", "value"]
        >>> frame = pd.DataFrame([("pems", "EAC", "mean", "3", "MAE", "12.9")], columns=columns)
        >>> published_text(frame, ["pems"], ["EAC"], metric="MAE", horizon="3")
        '12.90'
    """
    rows = frame[
        frame.dataset.isin(list(datasets))
        & frame.method.isin(list(methods))
        & (frame.stage == "mean")
        & (frame.horizon == horizon)
    ]
    by_metric = dict(zip(rows.metric[::-1], rows.value[::-1], strict=True))
    mean = by_metric.get(f"{metric}_mean5", by_metric.get(metric))
    deviation = by_metric.get(f"{metric}_std5")
    if mean is None:
        return ""
    return f"{float(mean):.2f} ± {float(deviation):.2f}" if deviation else f"{float(mean):.2f}"
