"""Forecasts of a finished run, from recent readings."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from eac.artifacts.artifact import read_artifact
from eac.artifacts.gone import recall_all, restore
from eac.artifacts.kept import (
    CURRENT_FILE,
    chain_of,
    current_folder,
    find_kept,
    newest_folder,
)
from eac.artifacts.saved_data import SavedData, load_data
from eac.calibration.base import Bounds, Calibrator
from eac.calibration.clock import clock_step
from eac.calibration.levels import holding
from eac.calibration.store import learned_by
from eac.continual.strangers import welcome
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.parsing.form import Form
from eac.errors import RunError
from eac.nn.twin import twin
from eac.serving.intake import is_forecast, since_the_run
from eac.serving.rebuild import rebuild
from eac.serving.recent import (
    Recent,
    read_recent,
    recent_graph,
    recent_tensors,
    without_broken,
)
from eac.serving.run_clock import on_clock
from eac.training.forecaster import Forecaster
from eac.typing import ForecastMemory, NodeSeries, StrPath

log = logging.getLogger("eac")

COLD_START = "cold start"
FIRST = torch.zeros(1, dtype=torch.long)
"""The first step of the only window."""


class Predictor:
    """A run as its last period left it, ready to forecast.

    Args:
        forecaster: With the weights of the last period.
        data: What the run kept of its data.
        calibrator: Gives intervals; None where the run made none.
    """

    def __init__(
        self, forecaster: Forecaster, data: SavedData, calibrator: Calibrator | None = None
    ):
        forecaster.forget_training()
        self.forecaster = forecaster.eval()
        self.data = data
        self.calibrator = calibrator
        self.memory: ForecastMemory | None = None  # what forecast_grid goes on from, if anything

    @torch.no_grad()
    def predict(
        self,
        frame: pd.DataFrame,
        edges: pd.DataFrame | None = None,
        *,
        levels: Sequence[int] = (),
        form: Form | None = None,
    ) -> pd.DataFrame:
        """Forecasts of the steps after the last time stamp of the frame.

        A sensor that the run has never seen starts cold: its scale comes from its own readings,
        its prompt is the mean of those learned. Strategies that learn while they forecast begin
        afresh. Seasonal history is taken from the frame as far as it reaches back.

        Args:
            frame: Readings ``unique_id, ds, y``, with one time step, that of the run; missing ones
                are NaN or left out. At least one window; the last weeks where the backbone looks
                at them. Or one column for each sensor and a ``DatetimeIndex``, which is read much
                faster where there are many.
            edges: ``source, target, weight`` among all sensors; None takes those of the run's last
                period, in which a sensor that it has never seen has none.
            levels: Percents of readings that intervals are to hold, such as 80 and 95.
            form: How the columns of the frame are to be understood.

        Returns:
            ``unique_id, ds, y_hat``, for each level ``y_hat-lo-80`` and ``y_hat-hi-80``, and
            ``note``; the note says "cold start", "returned" or "silent since
            ...". ``attrs["skipped"]`` tells why a sensor of the input or of the last period
            has no forecast, ``attrs["warnings"]`` what looks wrong with the readings.

        Raises:
            StreamError: If the frame or the edges are not valid.
            RunError: If intervals are asked for and the run made none.
            ConfigError: If a level is outside of those that the run follows.
        """
        recent = read_recent(frame, self.data, form)
        y_hat = self.forecast(recent, recent_graph(recent, self.data, edges))
        recent = _only_finite(recent, y_hat)
        bounds = self._bounds(y_hat, recent, levels) if levels else None
        return _as_frame(y_hat, bounds, levels, recent, self._notes(recent))

    @torch.no_grad()
    def forecast_grid(
        self, series: NodeSeries, node_ids: Sequence[str], clock: Calendar
    ) -> tuple[Float[Tensor, "node horizon"], dict[str, str]]:
        """Forecasts from readings that are in the steps of the run already, without a frame.

        A strategy that learns while it forecasts goes on from call to call.

        Args:
            series: Readings of the last steps, at least one window; NaN where missing.
            node_ids: Sensors: those of the run's last period, in its order, then others.
            clock: Of the first of these steps.

        Returns:
            Forecasts, and by sensor why it has none, which is then NaN.
        """
        known, ids = set(self.data.node_ids), tuple(node_ids)
        unseen = tuple(node for node in ids if node not in known)
        recent = without_broken(Recent(series, ids, ids, unseen, {}, clock, ""), self.data)
        graph = recent_graph(recent, self.data, None)
        y_hat, self.memory = self._forecast(recent, graph, self.memory)
        y_hat[[node in recent.skipped for node in ids]] = torch.nan
        return y_hat, recent.skipped

    @torch.no_grad()
    def forecast(
        self, recent: Recent, graph: Graph, *, plain: bool = False
    ) -> Float[Tensor, "node horizon"]:
        """Forecasts of readings that are laid out already, and of the edges among their sensors.

        ``plain`` leaves out what the strategy does to forecasts of the model.
        """
        return self._forecast(recent, graph, None, plain=plain)[0]

    def _forecast(
        self, recent: Recent, graph: Graph, memory: ForecastMemory | None, *, plain: bool = False
    ) -> tuple[Float[Tensor, "node horizon"], ForecastMemory | None]:
        """Forecasts, and what the strategy is to go on from."""
        model = self.pointed_at(recent)
        needs, last = model.backbone.needs, clock_step(recent.clock, len(recent.series) - 1)
        tensors = recent_tensors(recent, self.data, graph, needs)
        batch = tensors.in_parts(FIRST) if needs.apart else tensors.batch(FIRST)
        if plain:
            return model(batch)[0], None
        since = since_the_run(recent.series, recent.now, self.data)
        model.strategy.resume_forecasts(memory, since)
        y_hat = model.strategy.adapt_forecast(model(batch), replace(batch, starts=FIRST + last))
        return y_hat[0], model.strategy.forecasts_memory()

    def _bounds(
        self, y_hat: Float[Tensor, "node horizon"], recent: Recent, levels: Sequence[int]
    ) -> Bounds:
        """Bounds by what was learned up to the end of the run."""
        if self.calibrator is None:
            raise RunError(
                "this run made no intervals: it was trained by an older eac or by several "
                "processes. Forecast without levels, or run it again."
            )
        calibrator = self.calibrator.for_sensors(recent.node_ids, recent.series)
        last = clock_step(recent.clock, len(recent.series) - 1)
        return holding(calibrator.bounds(last, y_hat, levels), y_hat)

    def pointed_at(self, recent: Recent) -> Forecaster:
        """The model for these sensors, with weights in common; others may ask meanwhile.

        Sensors that the run has never seen get the mean of the prompts learned.
        """
        model = twin(self.forecaster)
        welcome(model, self.data.node_ids, recent.unseen)
        model.select_nodes(recent.node_ids)
        return model

    def _notes(self, recent: Recent) -> list[str]:
        """What to know of each forecast; empty where there is nothing."""
        unseen, current = set(recent.unseen), set(self.data.current_ids)
        silences = _silences(recent, self.data.window)
        notes = []
        for node, silence in zip(recent.asked, silences, strict=True):
            origin = COLD_START if node in unseen else "" if node in current else "returned"
            notes.append("; ".join(part for part in (origin, silence, recent.late) if part))
        return notes


def load_run(
    run_dir: StrPath,
    forecaster: Forecaster | None = None,
    *,
    period: str | int | None = None,
    trust: Sequence[str] = (),
    time_zone: str | None = None,
) -> Predictor:
    """A finished or running run, to forecast with what one of its finished periods left.

    A run directory is data: classes that are not part of this package are loaded only when their
    module is listed, and every file is compared with its digest.

    Args:
        run_dir: Directory of the run.
        forecaster: A model built as that of the run; needed only where its ``config.yaml`` cannot
            say how that was built, as with a class of your own in a script.
        period: Name or position of the period, from 0, negative from the end, or the first eight
            or more digits of an artifact's id; None is the one in use, which is the last finished
            one unless ``eac artifacts`` said otherwise. Scales are those known then.
        trust: Modules with classes of your own that the run may name, such as ["my.module"].
        time_zone: Whose clock the steps follow, where the run was trained on one offset alone.

    Raises:
        RunError: If nothing is finished there, or the model cannot be built.
        CheckpointError: If a saved state is damaged or does not fit.

    Example:
        >>> try:
        ...     load_run("a folder without a run")
        ... except RunError as error:
        ...     print(str(error).partition(".")[0])
        a folder without a run holds no finished period
    """
    run_dir = Path(run_dir)
    folder = current_folder(run_dir) if period is None else find_kept(run_dir, period)
    if period is None and folder != newest_folder(run_dir):
        log.warning("%s says: forecasts are those of %s", run_dir / CURRENT_FILE, folder.name)
    directories = chain_of(run_dir, folder)
    data, artifact = load_data(directories, trust=trust), read_artifact(directories[-1])
    model = forecaster or rebuild(
        run_dir, artifact, window=data.window, horizon=data.horizon, trust=trust
    )
    restore(model, directories)
    recall_all(model)
    model.select_nodes(data.current_ids)
    return Predictor(model, on_clock(data, time_zone), learned_by(directories))


def _only_finite(recent: Recent, y_hat: Float[Tensor, "node horizon"]) -> Recent:
    """Without the sensors whose forecast is not a number."""
    row = dict(zip(recent.node_ids, y_hat.isfinite().all(1).tolist(), strict=True))
    reasons = {
        node: "its forecast is not a number; look for readings that are far too large"
        for node in recent.asked
        if not row[node]
    }
    if not reasons:
        return recent
    asked = tuple(node for node in recent.asked if node not in reasons)
    return replace(recent, asked=asked, skipped=recent.skipped | reasons)


def _silences(recent: Recent, window: int) -> list[str]:
    """Since when each sensor that is asked for is silent; empty where the window has a reading."""
    present = ~recent.series[:, recent.rows(recent.asked)].isnan()
    steps = torch.arange(1, len(present) + 1, dtype=torch.int32)[:, None]
    since = len(present) - (present * steps).amax(0)
    return [_silence(recent, int(count), window) for count in since]


def _silence(recent: Recent, steps: int, window: int) -> str:
    if steps < window:
        return ""
    if steps == len(recent.series):
        return "silent: no reading in the input"
    return f"silent since {recent.when(len(recent.series) - 1 - steps)}"


def _as_frame(
    y_hat: Float[Tensor, "node horizon"],
    bounds: Bounds | None,
    levels: Sequence[int],
    recent: Recent,
    notes: list[str],
) -> pd.DataFrame:
    rows, first = recent.rows(recent.asked), len(recent.series)
    leads = [i for i in range(y_hat.shape[1]) if is_forecast(recent.clock, first + i)]
    stamps = pd.Index([recent.when(first + i) for i in leads], name="ds")
    stamps = stamps if len(leads) else pd.DatetimeIndex([], name="ds")
    columns = {
        "unique_id": [node for node in recent.asked for _ in leads],
        "ds": stamps.take(list(range(len(leads))) * len(recent.asked)),
        "y_hat": y_hat[rows][:, leads].flatten().numpy(),
    }
    if bounds is not None:
        for i, level in enumerate(levels):
            for side, bound in zip(("lo", "hi"), bounds, strict=True):
                columns[f"y_hat-{side}-{level}"] = bound[rows][:, leads, i].flatten().numpy()
    columns["note"] = [note for note in notes for _ in leads]
    frame = pd.DataFrame(columns)
    frame.attrs["skipped"] = dict(recent.skipped)
    frame.attrs["warnings"] = list(recent.warnings)
    return frame
