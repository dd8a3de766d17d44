"""``StreamForecaster``: the practical recipe from Python, one period of readings after another."""

import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from eac.data.parsing.form import Form
from eac.errors import RunError
from eac.estimator.frames import Columns, with_readings
from eac.estimator.settings import Settings
from eac.estimator.stamps import in_zone_of, with_stamps, zone_of
from eac.estimator.store import Store
from eac.files import copy_folder, remove_folder, scratch_folder
from eac.typing import StrPath, WholeNumber

if TYPE_CHECKING:  # they bring torch and Lightning
    from matplotlib.figure import Figure

    from eac.records.record import RunRecord
    from eac.serving.predictor import Predictor
    from eac.training.runner import StreamRunner

NOTHING_FITTED = "nothing was fitted yet. Call fit(df) with the first period."


class StreamForecaster:
    """Forecasts of a sensor network that is fitted once and updated with each new period.

    ``fit`` and ``update`` write the readings into a table folder and run ``eac run`` on it, so
    that a forecaster and the command line give the same numbers, and a forecaster that was
    interrupted goes on where it stopped. Frames may be pandas or polars; answers are the same.

    Args:
        horizon: Steps to forecast.
        freq: Time between two steps, such as ``"h"`` or ``"15min"``; None finds it in the readings.
        recipe: Name of a recipe (``eac recipes`` lists them) or the path of one.
        window: Past steps that a forecast looks at; None takes the recipe's.
        seed: Random seed.
        path: Folder of readings and run; None, and a copy, have a temporary one of their own.
        id_col: Column of the sensor.
        time_col: Column of the time stamp.
        target_col: Column of the reading.
        **settings: Any setting of ``eac run``, with ``__`` for the dots of its name, such as
            ``trainer__max_epochs=3``.

    Example:
        >>> forecaster = StreamForecaster(horizon=24, freq="h", recipe="practical")
        >>> forecaster
        StreamForecaster(horizon=24, recipe='practical'): not fitted; call fit(df)
    """

    def __init__(
        self,
        horizon: int = 12,
        freq: str | None = None,
        recipe: str = "practical",
        *,
        window: int | None = None,
        seed: int = 42,
        path: StrPath | None = None,
        id_col: str = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
        **settings: Any,
    ):
        self._settings = Settings(
            horizon,
            freq,
            recipe,
            window,
            seed,
            {name.replace("__", "."): value for name, value in settings.items()},
            Columns(id_col, time_col, target_col),
        )
        self._path = Path(path) if path else scratch_folder()
        if path is None:
            weakref.finalize(self, remove_folder, self._path)
        self._runner: StreamRunner | None = None
        self._predictor: Predictor | None = None

    @property
    def path(self) -> Path:
        """Folder with the readings (``stream``) and the run (``run``)."""
        return self._path

    @property
    def is_fitted(self) -> bool:
        """True when at least one period was fitted."""
        return (self._path / "run" / "run.json").is_file() and bool(self.record().periods)

    def fit(self, df: Any, edges: Any = None, *, nodes: Any = None) -> "StreamForecaster":
        """Fits the first period, and forgets whatever was fitted before.

        Args:
            df: Readings, one row per sensor and time stamp.
            edges: ``source, target, weight`` (or ``source, target``); None for no graph.
            nodes: ``node_id, latitude, longitude``, for a map in the report; None without.

        Raises:
            StreamError: If the readings cannot be used; says why, and what to do.
        """
        return self._fit(self._settings.columns.read(df)[0], edges, nodes)

    def update(self, df: Any, edges: Any = None, *, nodes: Any = None) -> "StreamForecaster":
        """Trains on the next period: new sensors get prompts, old ones are tuned.

        Rows of earlier periods are left out, so that a frame with the whole history may be given,
        and a cell of a notebook may be run again. Those of new sensors are lost, which is logged.

        Args:
            df: Readings of the next period, or of the whole history.
            edges: As for ``fit``; None keeps the edges of the period before among its sensors.
            nodes: As for ``fit``.

        Raises:
            RunError: If nothing was fitted yet.
            StreamError: If the readings cannot be used, or earlier ones changed.
        """
        if not self._store.exists:
            raise RunError(NOTHING_FITTED)
        self._store.append(self._settings.columns.read(df)[0], edges, nodes)
        self._train()
        return self

    def predict(self, df: Any = None, edges: Any = None) -> Any:
        """Forecasts of the ``horizon`` steps after the last time stamp.

        Args:
            df: Recent readings; None takes those of the last period fitted.
            edges: Among all sensors of ``df``; None takes those of the last period.

        Returns:
            One row per sensor and step: id, time stamp, ``y_hat``, ``note``; in the kind of frame
            and the time zone that were given.

        Raises:
            RunError: If nothing was fitted yet.
            StreamError: If the readings cannot be used.
        """
        predictor = self._load_predictor()
        if df is None:
            given, back = self._store.recent(), self._settings.columns.named
        else:
            given, back = self._settings.columns.read(df)
        read = self._store.read(given)
        made = predictor.predict(read, edges, form=Form(time_zone=zone_of(read["ds"])))
        return back(in_zone_of(made, given))

    def cross_validation(
        self,
        df: Any,
        edges: Any = None,
        *,
        n_windows: WholeNumber = 1,
        step_size: WholeNumber | None = None,
        refit: bool = False,
    ) -> Any:
        """Forecasts made at several cutoffs of ``df``, beside what was read afterwards.

        A copy of the forecaster is fitted on the readings up to the first cutoff (with ``refit``
        up to each); this one stays as it is.

        Args:
            df: Readings.
            edges: As for ``fit``.
            n_windows: Cutoffs; the last one is ``horizon`` steps before the end.
            step_size: Steps between two cutoffs; None takes the horizon.
            refit: Fit anew at each cutoff.

        Returns:
            ``unique_id, ds, cutoff, y, y_hat``, with the names of your columns.

        Raises:
            StreamError: If the readings do not reach back far enough.
        """
        given, back = self._settings.columns.read(df)
        frame, parts = with_stamps(given, self._store.dayfirst), []
        copy = self._unfitted(replace(self._settings, columns=Columns()))
        for first in self._store.cutoffs(frame, self._settings.horizon, n_windows, step_size):
            known = frame[frame["ds"] < first]
            if refit or not copy.is_fitted:
                copy._fit(known, edges)
            parts.append(copy.predict(known).assign(cutoff=known["ds"].max()))
        return back(with_readings(pd.concat(parts, ignore_index=True), frame))

    def evaluate(self) -> pd.DataFrame:
        """Test errors of each period, compared with the naive forecasts.

        Returns:
            One row per period and forecast (``model``, ``last``, ``day``, ...): MAE, RMSE, MAPE
            and WAPE, means over the steps of the horizon, in the units of the readings.
        """
        from eac.estimator.display import error_table

        if not self.is_fitted:
            raise RunError(NOTHING_FITTED)
        return error_table(self.record())

    def record(self) -> "RunRecord":
        """Everything that was measured, as ``eac report`` reads it."""
        from eac.records.record import read_run

        return read_run(self._path / "run")

    def plot(
        self, df: Any, forecasts: Any, *, ids: Sequence[str] | None = None, steps: int = 96
    ) -> "Figure":
        """Recent readings and the forecasts after them, one panel per sensor.

        Args:
            df: Readings.
            forecasts: What ``predict`` or ``cross_validation`` gave.
            ids: Sensors to show; None takes the first four.
            steps: Readings shown before the forecasts.
        """
        from eac.estimator.display import plot

        columns, first = self._settings.columns, self._store.dayfirst
        read = with_stamps(columns.read(df)[0], first)
        made = with_stamps(columns.read(forecasts, target=False)[0], first)
        return plot(read, made, ids, steps)

    def save(self, path: StrPath) -> Path:
        """Copies readings, run and settings to a new folder, from which ``load`` goes on.

        Raises:
            WriteError: If the folder exists.
        """
        self._settings.write(self._path)
        copy_folder(self._path, path)
        return Path(path)

    @staticmethod
    def load(path: StrPath) -> "StreamForecaster":
        """The forecaster that ``save`` wrote, or that was made with this ``path``.

        Raises:
            RunError: If there is none.
        """
        return StreamForecaster._unfitted(Settings.read(path), path)

    @property
    def _store(self) -> Store:
        return Store(self._path / "stream", self._settings.freq)

    def _fit(self, frame: pd.DataFrame, edges: Any, nodes: Any = None) -> "StreamForecaster":
        self._runner = self._predictor = None
        remove_folder(self._path / "run")
        self._store.begin(frame, edges, nodes)
        self._train()
        return self

    def _train(self) -> None:
        """Runs what is not done of the stream, as ``eac run`` does."""
        self._settings.write(self._path)
        self._predictor = None
        from eac.cli.commands.run import runner_of
        from eac.cli.dry_run import built

        if self._runner is None:
            self._runner = runner_of(built(self._settings.arguments(self._path)))
        self._runner.run()

    def _load_predictor(self) -> "Predictor":
        if not self.is_fitted:
            raise RunError(NOTHING_FITTED)
        if self._predictor is None:
            from eac.serving.predictor import load_run

            self._predictor = load_run(self._path / "run")
        return self._predictor

    def __copy__(self) -> "StreamForecaster":
        made = self._unfitted(self._settings)
        remove_folder(made._path)
        copy_folder(self._path, made._path)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> "StreamForecaster":
        return self.__copy__()

    @staticmethod
    def _unfitted(settings: Settings, path: StrPath | None = None) -> "StreamForecaster":
        made = StreamForecaster(path=path)
        made._settings = settings
        return made

    def __repr__(self) -> str:
        from eac.estimator.display import as_text

        return as_text(self._settings, self.record() if self.is_fitted else None)

    def _repr_html_(self) -> str:
        from eac.estimator.display import as_html

        return as_html(self._settings, self.record() if self.is_fitted else None)
