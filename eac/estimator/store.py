"""The readings of a forecaster: a table folder that grows by one period at a time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from eac.data.core.period import Period
from eac.data.manage.convert import long_frame, settings_of, stamps_of, write_period
from eac.data.parsing.files import STREAM_FILE
from eac.data.parsing.hours import with_closed
from eac.data.readers.frame import FrameStream
from eac.data.readers.table import TableStream
from eac.errors import ConfigError, StreamError
from eac.files import remove_folder, write_text, writing_folder

KEPT_STEPS = 5
"""Weeks of readings that a forecast without readings of its own looks back on."""


class Store:
    """Periods of readings in a folder that ``eac run --stream`` reads.

    Args:
        path: The folder.
        freq: Time between two steps; None finds it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     print(Store(Path(folder) / "stream").exists)
        False
    """

    def __init__(self, path: Path, freq: str | None = None):
        self.path = path
        self.freq = freq

    @property
    def exists(self) -> bool:
        """True when there is a period."""
        return self.path.is_dir()

    def begin(self, frame: pd.DataFrame, edges: Any, nodes: Any) -> None:
        """The first period, in place of all there was."""
        stream = self._stream(frame, edges, nodes)
        period = _named(stream[0], 0)
        remove_folder(self.path)
        settings = settings_of(stream, [period.calendar])
        write_text(self.path / STREAM_FILE, yaml.safe_dump(settings, sort_keys=False))
        self._write(period)

    def append(self, frame: pd.DataFrame, edges: Any, nodes: Any) -> bool:
        """The readings after the last period as the next one; False where there are none.

        Raises:
            StreamError: If readings of earlier periods are given with other values.
        """
        stream = TableStream(self.path)
        end = stamps_of(stream.load(len(stream) - 1))[-1]
        stamps = pd.to_datetime(frame["ds"])
        self._check_unchanged(frame[stamps <= end], stream)
        fresh = frame[stamps > end]
        if not len(fresh):
            return False
        edges = self._edges_before(stream, fresh) if edges is None else edges
        self._write(_named(self._stream(fresh, edges, nodes)[0], len(stream)))
        return True

    def recent(self) -> pd.DataFrame:
        """The last weeks of readings of the sensors of the last period."""
        stream = TableStream(self.path)
        last = stream.load(len(stream) - 1)
        wanted = KEPT_STEPS * last.calendar.steps_per_week
        parts, have = [long_frame(last)], last.num_steps
        for index in range(len(stream) - 2, -1, -1):
            if have >= wanted:
                break
            period = stream.load(index)
            parts.append(long_frame(period))
            have += period.num_steps
        frame = pd.concat(parts, ignore_index=True)
        return frame[frame["unique_id"].isin(last.node_ids)]

    def cutoffs(
        self, frame: pd.DataFrame, horizon: int, windows: int, apart: int | None
    ) -> list[pd.Timestamp]:
        """When forecasts of a frame are issued, the last of them ``horizon`` steps before its end.

        Raises:
            ConfigError: If there is no whole number of windows, or of steps between them.
            StreamError: If the readings do not reach back far enough.
        """
        for name, value in {"n_windows": windows, "step_size": apart or 1}.items():
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name}={value!r}: give a whole number, 1 at least.")
        stamps, apart = stamps_of(self._stream(frame, None, None)[0]), apart or horizon
        first = len(stamps) - 1 - horizon - (windows - 1) * apart
        if first < 1:
            raise StreamError(
                f"{windows} windows of {horizon} steps, {apart} apart, reach {1 - first} steps "
                f"before the first reading, {stamps[0]}. Give fewer windows or more readings."
            )
        return [stamps[first + number * apart] for number in range(windows)]

    def _stream(self, frame: pd.DataFrame, edges: Any, nodes: Any) -> FrameStream:
        """One period out of a frame, checked as any stream is."""
        return FrameStream(
            frame, _edges(edges), frequency=self.freq, nodes=nodes, name="the readings"
        )

    def _write(self, period: Period) -> None:
        with writing_folder(self.path / period.name) as folder:
            write_period(with_closed(period), folder)

    def _edges_before(self, stream: TableStream, frame: pd.DataFrame) -> pd.DataFrame:
        """The edges of the last period among the sensors of a frame."""
        last = stream.load(len(stream) - 1)
        source, target = last.graph.edge_index.tolist()
        edges = pd.DataFrame(
            {
                "source": [last.node_ids[i] for i in source],
                "target": [last.node_ids[i] for i in target],
                "weight": last.graph.edge_weight.tolist(),
            }
        )
        here = set(frame["unique_id"].astype(str))
        return edges[edges["source"].isin(here) & edges["target"].isin(here)]

    def _check_unchanged(self, frame: pd.DataFrame, stream: TableStream) -> None:
        """Refuses earlier readings with other values than those that were trained on."""
        if not len(frame):
            return
        given = frame.assign(
            unique_id=frame["unique_id"].astype(str),
            ds=pd.to_datetime(frame["ds"]),
            y=frame["y"].astype("float32"),
        )
        kept = pd.concat([long_frame(period) for period in stream], ignore_index=True)
        both = given.merge(kept, on=["unique_id", "ds"], how="left", suffixes=("", "_kept"))
        changed = both[~(both["y"].eq(both["y_kept"]) | (both["y"].isna() & both["y_kept"].isna()))]
        if len(changed):
            names = ", ".join(changed["unique_id"].unique()[:5])
            raise StreamError(
                f"{len(changed)} earlier readings differ from those that were trained on, of the "
                f"sensors {names}; first at {changed['ds'].min()}. Give the later readings alone, "
                "or call fit(df) to begin again."
            )


def _named(period: Period, number: int) -> Period:
    """The period with a name that sorts in order of time."""
    return replace(period, name=f"{number:04d}-{stamps_of(period)[0]:%Y-%m-%d}")


def _edges(edges: Any) -> pd.DataFrame | None:
    if edges is None:
        return None
    import narwhals as nw

    frame = nw.from_native(edges, eager_only=True).to_pandas()
    return frame if "weight" in frame.columns else frame.assign(weight=1.0)
