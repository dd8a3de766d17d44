"""Forecasts of a finished run, from recent readings."""

from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from eac.artifacts.checkpoint import load_state
from eac.artifacts.saved_data import SavedData, done_periods, load_data
from eac.errors import RunError
from eac.nn.prompt_pool import PromptPool
from eac.serving.rebuild import rebuild
from eac.serving.recent import Recent, read_recent, recent_graph, recent_tensors
from eac.training.forecaster import Forecaster
from eac.typing import StrPath

COLD_START = "cold start"


class Predictor:
    """A run as its last period left it, ready to forecast.

    Args:
        forecaster: With the weights of the last period.
        data: What the run kept of its data.
    """

    def __init__(self, forecaster: Forecaster, data: SavedData):
        self.forecaster = forecaster.eval()
        self.data = data

    @torch.no_grad()
    def predict(self, frame: pd.DataFrame, edges: pd.DataFrame | None = None) -> pd.DataFrame:
        """Forecasts of the steps after the last time stamp of the frame.

        A sensor that the run has never seen starts cold: its scale comes from its own readings,
        its prompt is the mean of those learned. Strategies that learn while they forecast begin
        afresh. Seasonal history is taken from the frame as far as it reaches back.

        Args:
            frame: Readings ``unique_id, ds, y``, with one time step, that of the run; missing ones
                are NaN or left out. At least one window; the last weeks where the backbone looks
                at them.
            edges: ``source, target, weight`` among all sensors; None takes those of the run's last
                period, in which a sensor that it has never seen has none.

        Returns:
            ``unique_id, ds, y_hat, note``; the note says "cold start", "returned" or "silent since
            ...". ``attrs["skipped"]`` tells why a sensor of the input or of the last period
            has no forecast.

        Raises:
            StreamError: If the frame or the edges are not valid.
        """
        recent = read_recent(frame, self.data)
        graph = recent_graph(recent, self.data, edges)
        backbone, strategy = self.forecaster.backbone, self.forecaster.strategy
        tensors = recent_tensors(recent, self.data, graph, tuple(backbone.lags))
        batch = tensors.with_neighbours(backbone.neighbour_series).batch(torch.zeros(1).long())
        self._adopt(recent.unseen)
        self.forecaster.select_nodes(recent.node_ids)
        strategy.begin_forecasts()
        y_hat = strategy.adapt_forecast(self.forecaster(batch), batch)[0]
        return _as_frame(y_hat[recent.rows(recent.asked)], recent, self._notes(recent))

    def _adopt(self, node_ids: tuple[str, ...]) -> None:
        """Gives sensors that the run has never seen the mean of the prompts learned."""
        for pool in self.forecaster.strategy.modules():
            if not isinstance(pool, PromptPool) or not set(self.data.node_ids) <= {*pool.node_ids}:
                continue
            mean = pool.factors(self.data.node_ids).mean(0)
            if pool.grow(node_ids):
                pool.place(node_ids, mean.expand(len(node_ids), -1))

    def _notes(self, recent: Recent) -> list[str]:
        """What to know of each forecast; empty where there is nothing."""
        unseen, current = set(recent.unseen), set(self.data.current_ids)
        silences = _silences(recent, self.data.window)
        notes = []
        for node, silence in zip(recent.asked, silences, strict=True):
            origin = COLD_START if node in unseen else "" if node in current else "returned"
            notes.append("; ".join(part for part in (origin, silence) if part))
        return notes


def load_run(run_dir: StrPath, forecaster: Forecaster | None = None) -> Predictor:
    """A finished or running run, to forecast with what its last finished period left.

    Args:
        run_dir: Directory of the run.
        forecaster: A model built as that of the run; needed only where its ``config.yaml`` cannot
            say how that was built, as with a class of your own in a script.

    Raises:
        RunError: If nothing is finished there, or the model cannot be built.
        CheckpointError: If a saved state is damaged or does not fit.

    Example:
        ``eac.load_run("runs/x").predict(frame)``
    """
    run_dir = Path(run_dir)
    directories = done_periods(run_dir)
    if not directories:
        raise RunError(
            f"{run_dir} holds no finished period. Give the directory of a run: eac run -c "
            f"practical --stream PATH --run.dir {run_dir}"
        )
    data = load_data(directories)
    model = forecaster or rebuild(run_dir, window=data.window, horizon=data.horizon)
    load_state(directories[-1]).restore(model)
    return Predictor(model, data)


def _silences(recent: Recent, window: int) -> list[str]:
    """Since when each sensor that is asked for is silent; empty where the window has a reading."""
    present = ~recent.series[:, recent.rows(recent.asked)].isnan()
    steps = torch.arange(1, len(present) + 1)[:, None]
    since = len(present) - (present * steps).amax(0)
    return [_silence(recent, int(count), window) for count in since]


def _silence(recent: Recent, steps: int, window: int) -> str:
    if steps < window:
        return ""
    if steps == len(recent.series):
        return "silent: no reading in the input"
    return f"silent since {recent.now - steps * recent.step}"


def _as_frame(
    y_hat: Float[Tensor, "node horizon"], recent: Recent, notes: list[str]
) -> pd.DataFrame:
    horizon = y_hat.shape[1]
    ahead = pd.DatetimeIndex([recent.now + (i + 1) * recent.step for i in range(horizon)])
    frame = pd.DataFrame(
        {
            "unique_id": [node for node in recent.asked for _ in range(horizon)],
            "ds": ahead.take(list(range(horizon)) * len(recent.asked)),
            "y_hat": y_hat.flatten().numpy(),
            "note": [note for note in notes for _ in range(horizon)],
        }
    )
    frame.attrs["skipped"] = dict(recent.skipped)
    return frame
