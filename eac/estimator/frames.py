"""Frames of pandas or polars, with any column names, turned into what the readers take."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pandas as pd

from eac.errors import StreamError

COLUMNS = ("unique_id", "ds", "y")


@dataclass(frozen=True)
class Columns:
    """What the columns of a frame are called.

    Attributes:
        id_col: Of the sensor.
        time_col: Of the time stamp.
        target_col: Of the reading.

    Example:
        >>> frame = pd.DataFrame({"sensor": ["a"], "time": ["2024-01-01"], "value": [1.0]})
        >>> Columns("sensor", "time", "value").read(frame)[0].columns.tolist()
        ['unique_id', 'ds', 'y']
    """

    id_col: str = "unique_id"
    time_col: str = "ds"
    target_col: str = "y"

    @property
    def names(self) -> tuple[str, str, str]:
        """The three names, in the order of ``unique_id``, ``ds`` and ``y``."""
        return self.id_col, self.time_col, self.target_col

    def read(
        self, frame: Any, *, target: bool = True
    ) -> tuple[pd.DataFrame, Callable[[pd.DataFrame], Any]]:
        """The frame as pandas with the package's names, and what turns an answer back.

        Args:
            frame: Of pandas, polars or another library that narwhals knows.
            target: Whether it must hold readings; forecasts need none.

        Raises:
            StreamError: If it is no frame, or a column is missing.
        """
        try:
            given = nw.from_native(frame, eager_only=True)
        except TypeError as error:
            raise StreamError(
                f"a {type(frame).__name__} was given where a frame is wanted. Give a pandas or "
                f"polars DataFrame with the columns {', '.join(self.names)}."
            ) from error
        wanted = self.names if target else self.names[:2]
        missing = [name for name in wanted if name not in given.columns]
        if missing:
            raise StreamError(
                f"the frame has the columns {', '.join(map(str, given.columns))}, but not "
                f"{missing[0]!r}. Rename it, or say what it is called: id_col, time_col, "
                "target_col."
            )
        read = given.to_pandas().rename(columns=dict(zip(self.names, COLUMNS, strict=True)))
        return read, self._back_to(given.implementation.is_polars())

    def named(self, answer: pd.DataFrame) -> pd.DataFrame:
        """An answer with the names of the person who asked."""
        return answer.rename(columns=dict(zip(COLUMNS, self.names, strict=True)))

    def _back_to(self, polars: bool) -> Callable[[pd.DataFrame], Any]:
        def back(answer: pd.DataFrame) -> Any:
            named = self.named(answer)
            return nw.from_native(named, eager_only=True).to_polars() if polars else named

        return back


def with_readings(issued: pd.DataFrame, read: pd.DataFrame) -> pd.DataFrame:
    """Forecasts beside what was read afterwards: ``unique_id, ds, cutoff, y, y_hat``.

    Both have the same zone, or none. The hour that a clock change repeats has the mean reading.

    Example:
        >>> day = pd.Timestamp("2024-01-01")
        >>> issued = pd.DataFrame({"unique_id": ["a"], "ds": [day], "cutoff": day, "y_hat": 4.0})
        >>> read = pd.DataFrame({"unique_id": ["a"], "ds": [day], "y": [5.0]})
        >>> with_readings(issued, read)[["y", "y_hat"]].to_numpy()
        array([[5., 4.]])
    """
    readings = read[[*COLUMNS]].astype({"unique_id": str, "y": "float64"})
    wall = readings.pop("ds").dt.tz_localize(None)
    mean = readings.groupby(["unique_id", wall], sort=False)["y"].mean().reset_index()
    shown = issued.assign(wall=issued["ds"].dt.tz_localize(None))
    merged = shown.merge(mean.rename(columns={"ds": "wall"}), on=["unique_id", "wall"], how="left")
    return merged[["unique_id", "ds", "cutoff", "y", "y_hat"]]
