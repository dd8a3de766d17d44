"""From the recent readings of a board to a forecast of the whole network, with its bounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from eac.calibration.base import Bounds, Calibrator
from eac.calibration.levels import holding
from eac.data.core.calendar import Calendar
from eac.server.board import Board
from eac.server.forecast import NetworkForecast
from eac.server.generation import Generation
from eac.serving.predictor import Predictor
from eac.typing import NodeSeries


@dataclass(frozen=True, eq=False)
class Recent:
    """Readings that a forecast is made from.

    Attributes:
        now: The newest step, at which the forecast is issued.
        issued: Its time stamp.
        step: Time between two steps.
        node_ids: Sensors to forecast: those of the model, then others with readings enough.
        series: Up to ``now``; NaN where there is no reading.

    Example:
        >>> begin, hour = datetime(2024, 1, 31, 13), timedelta(hours=1)
        >>> seen = Recent(now=5, issued=begin, step=hour, node_ids=("a",), series=torch.zeros(3, 1))
        >>> seen.clock.start
        datetime.datetime(2024, 1, 31, 11, 0)
    """

    now: int
    issued: datetime
    step: timedelta
    node_ids: tuple[str, ...]
    series: NodeSeries

    def time_of(self, step: int) -> datetime:
        """Time stamp of a row of ``series``."""
        return self.issued - (len(self.series) - 1 - step) * self.step

    @property
    def clock(self) -> Calendar:
        """The clock of ``series``."""
        first = self.issued.replace(tzinfo=None) - (len(self.series) - 1) * self.step
        return Calendar.from_timestamps(first, self.step)


def recent(
    board: Board, predictor: Predictor, masked: Mapping[str, int] | None = None
) -> Recent | None:
    """What a model is to forecast from; None where the board holds less than a window.

    Args:
        board: The readings.
        predictor: The model.
        masked: First step, by sensor, whose readings are left out.
    """
    window, steps = predictor.data.window, board.filled()
    if board.now is None or steps < window:
        return None
    series = board.series(steps)
    counts = np.isfinite(series).sum(0)
    known, current = set(predictor.data.node_ids), predictor.data.current_ids
    inside = set(current)
    others = [
        node
        for node, count in zip(board.node_ids, counts.tolist(), strict=True)
        if node not in inside and count and (node in known or count >= window)
    ]
    ids = (*current, *others)
    laid = torch.from_numpy(board.laid_out(series, ids))
    column = {node: i for i, node in enumerate(ids)}
    for node, since in (masked or {}).items():
        if node in column:
            laid[max(0, since - board.now + steps - 1) :, column[node]] = torch.nan
    return Recent(board.now, board.time_of(board.now), board.step, ids, laid)


def issue(
    calibrator: Calibrator | None, seen: Recent, y_hat: Float[Tensor, "node horizon"]
) -> Bounds | None:
    """Bounds that hold a forecast, which the calibrator remembers until its readings are known.

    Example:
        >>> seen = Recent(5, datetime(2024, 1, 31), timedelta(hours=1), ("a",), torch.zeros(3, 1))
        >>> issue(None, seen, torch.ones(1, 6)) is None  # without a calibrator there are no bounds
        True
    """
    if calibrator is None:
        return None
    if calibrator.node_ids != seen.node_ids:
        calibrator.begin(calibrator.described(seen.node_ids, seen.series))
    bounds = calibrator.bounds(seen.now, y_hat)
    calibrator.issue(seen.now, y_hat)
    return holding(bounds, y_hat)


def network_forecast(
    generation: Generation,
    seen: Recent,
    y_hat: Float[Tensor, "node horizon"],
    bounds: Bounds | None,
    broken: Mapping[str, str],
    marked: Mapping[str, str],
) -> NetworkForecast:
    """The forecast as requests are answered from it; notes say what is broken, and what marked."""
    calibrator, known = generation.calibrator, set(generation.predictor.data.node_ids)
    levels = () if calibrator is None else calibrator.levels
    empty = np.empty((*y_hat.shape, 0), dtype=np.float32)
    low, high = (empty, empty) if bounds is None else (bound.numpy() for bound in bounds)
    cold = {node: "cold start" for node in seen.node_ids if node not in known}
    spoilt = _not_finite(seen, y_hat, broken)
    every = (broken, spoilt, _silent(seen, generation.predictor.data.window), cold, marked)
    notes = tuple("; ".join(says[n] for says in every if n in says) for n in seen.node_ids)
    return NetworkForecast(
        generation.name,
        seen.issued,
        seen.step,
        seen.node_ids,
        notes,
        y_hat.numpy(),
        levels,
        low,
        high,
    )


def _not_finite(
    seen: Recent, y_hat: Float[Tensor, "node horizon"], broken: Mapping[str, str]
) -> dict[str, str]:
    """What to say of other sensors whose forecast holds numbers that are none."""
    rows = (~y_hat.isfinite().all(1)).nonzero()[:, 0].tolist()
    wrong = [seen.node_ids[row] for row in rows if seen.node_ids[row] not in broken]
    if not wrong:
        return {}
    step, node = divmod(int(seen.series.abs().nan_to_num(0.0).argmax()), len(seen.node_ids))
    said = (
        f"its numbers are not finite; the largest reading is {float(seen.series[step, node]):g} "
        f"of sensor {seen.node_ids[node]} at {seen.time_of(step).isoformat()}. Where that is "
        "wrong, POST /observe the right one, or null"
    )
    return dict.fromkeys(wrong, said)


def _silent(seen: Recent, window: int) -> dict[str, str]:
    """What to say of sensors without a reading in the window."""
    notes = {}
    for row in (~seen.series[-window:].isfinite().any(0)).nonzero()[:, 0].tolist():
        steps = seen.series[:, row].isfinite().nonzero()[:, 0].tolist()
        since = f" since {seen.time_of(steps[-1]).isoformat()}" if steps else ": no reading is kept"
        notes[seen.node_ids[row]] = f"silent{since}"
    return notes
