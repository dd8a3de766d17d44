"""The readings of a forecaster: a table folder that grows by one period at a time."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from eac.data.core.period import Period
from eac.data.manage.convert import long_frame, settings_of, stamps_of, write_period
from eac.data.parsing.day_order import dates_in, proven_order
from eac.data.parsing.files import STREAM_FILE, read_settings
from eac.data.parsing.form import Form
from eac.data.parsing.hours import with_closed
from eac.data.readers.frame import FrameStream
from eac.data.readers.table import KNOWN_KEYS, TableStream
from eac.errors import ConfigError, StreamError
from eac.estimator.stamps import (
    READINGS,
    is_repeated,
    on_clock_of,
    on_wall,
    with_stamps,
    zone_of,
    zoned_frame,
)
from eac.files import remove_folder, write_text, writing_folder
from eac.typing import WholeNumber

log = logging.getLogger("eac")

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
        stream = self._stream(with_stamps(frame), edges, nodes)
        period = _named(stream[0], 0)
        remove_folder(self.path)
        order = proven_order(dates_in(pd.Index(frame["ds"])))
        proven = {} if order is None else {"dayfirst": order}
        self._say(settings_of(stream, [period.calendar]) | proven)
        self._write(period)

    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with time stamps as those of the periods are read, by their clock.

        Raises:
            StreamError: If they cannot be read, or are of another clock.
        """
        stream = TableStream(self.path)
        known = with_stamps(frame, stream.form.dayfirst)
        if not len(frame):
            return frame
        named = isinstance(frame["ds"].dtype, pd.DatetimeTZDtype)
        return on_clock_of(stream, stream.form.time_zone, known, named=named)

    @property
    def dayfirst(self) -> bool | None:
        """The order of day and month that the first period proved; None where it did not."""
        return TableStream(self.path).form.dayfirst if self.exists else None

    def append(self, frame: pd.DataFrame, edges: Any, nodes: Any) -> bool:
        """The readings after the last period as the next one; False where there are none.

        Raises:
            StreamError: If readings of earlier periods are given with other values.
        """
        stream, frame = TableStream(self.path), self.read(frame)
        if not len(frame):
            return False
        end, zone = stamps_of(stream.load(len(stream) - 1))[-1], zone_of(frame["ds"])
        wall = on_wall(frame["ds"])
        early = wall < end if is_repeated(end, zone) else wall <= end
        self._check_unchanged(frame[early], stream)
        fresh = frame[wall > end]
        if not len(fresh):
            return False
        if zone != stream.form.time_zone:
            settings = read_settings(self.path / STREAM_FILE, KNOWN_KEYS)
            self._say(settings | {"time_zone": zone})
        edges = self._edges_before(stream, fresh) if edges is None else edges
        fresh_stream = self._stream(fresh, edges, nodes, zone)
        self._write(_named(fresh_stream[0], len(stream)))
        return True

    def recent(self) -> pd.DataFrame:
        """The last weeks of readings of the sensors of the last period."""
        stream = TableStream(self.path)
        last = stream.load(len(stream) - 1)
        wanted = KEPT_STEPS * last.calendar.steps_per_week
        parts, have = [zoned_frame(last)], last.num_steps
        for index in range(len(stream) - 2, -1, -1):
            if have >= wanted:
                break
            period = stream.load(index)
            parts.append(zoned_frame(period))
            have += period.num_steps
        frame = pd.concat(parts, ignore_index=True)
        return frame[frame["unique_id"].isin(last.node_ids)]

    def cutoffs(
        self, frame: pd.DataFrame, horizon: int, windows: WholeNumber, apart: WholeNumber | None
    ) -> list[datetime]:
        """The first steps to forecast of a frame, the last of them ``horizon`` before its end.

        Raises:
            ConfigError: If there is no whole number of windows, or of steps between them.
            StreamError: If the readings do not reach back far enough.
        """
        for name, value in {"n_windows": windows, "step_size": apart}.items():
            whole = isinstance(value, Integral) and not isinstance(value, bool)
            if value is not None and (not whole or value < 1):
                raise ConfigError(f"{name}={value!r}: give a whole number, 1 at least.")
        windows, apart = int(windows), int(apart or horizon)
        period = self._stream(frame, None, None)[0]
        first = period.num_steps - 1 - horizon - (windows - 1) * apart
        if first < 1:
            raise StreamError(
                f"{windows} windows of {horizon} steps, {apart} apart, reach {1 - first} steps "
                f"before the first reading, {stamps_of(period)[0]}. Give fewer windows or more "
                "readings."
            )
        times = (period.calendar.time_of(first + i * apart + 1) for i in range(windows))
        return [time for time in times if time is not None]

    def _stream(
        self, frame: pd.DataFrame, edges: Any, nodes: Any, zone: str | None = None
    ) -> FrameStream:
        """One period out of a frame, checked as any stream is."""
        return FrameStream(
            frame,
            _edges(edges),
            frequency=self.freq,
            nodes=nodes,
            name=READINGS,
            form=Form(time_zone=zone),
        )

    def _say(self, settings: Mapping[str, Any]) -> None:
        write_text(self.path / STREAM_FILE, yaml.safe_dump(dict(settings), sort_keys=False))

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
        """Refuses earlier readings with other values than those that were trained on.

        Those of sensors that an earlier period did not have are left out, which is said.
        """
        if not len(frame):
            return
        given = frame[["unique_id", "ds", "y"]].assign(
            unique_id=frame["unique_id"].astype(str),
            ds=on_wall(frame["ds"]),
            y=frame["y"].astype("float32"),
        )
        # The hour that a clock change repeats is one step, of the mean.
        given = given.groupby(["unique_id", "ds"], as_index=False, sort=False)["y"].mean()
        given["y"] = given["y"].astype("float32")
        parts = [long_frame(period).assign(period=i) for i, period in enumerate(stream)]
        kept = pd.concat(parts, ignore_index=True)
        starts = kept.groupby("period")["ds"].min()
        number = starts.searchsorted(given["ds"], side="right") - 1
        own = pd.MultiIndex.from_arrays([given["unique_id"], number]).isin(
            pd.MultiIndex.from_frame(kept[["unique_id", "period"]].drop_duplicates())
        )
        _warn_left_out(given[~own & given["y"].notna()])
        both = given[own].merge(kept, on=["unique_id", "ds"], how="left", suffixes=("", "_kept"))
        changed = both[~(both["y"].eq(both["y_kept"]) | (both["y"].isna() & both["y_kept"].isna()))]
        if len(changed):
            names = ", ".join(changed["unique_id"].unique()[:5])
            raise StreamError(
                f"{len(changed)} earlier readings differ from those that were trained on, of the "
                f"sensors {names}; first at {changed['ds'].min()}. Give the later readings alone, "
                "or call fit(df) to begin again."
            )


def _warn_left_out(given: pd.DataFrame) -> None:
    if len(given):
        names = ", ".join(given["unique_id"].unique()[:5])
        log.warning(
            "%d readings up to %s, of the sensors %s, are left out: earlier periods did not have "
            "these sensors, and are not trained again. Call fit(df) to train on all readings.",
            len(given),
            given["ds"].max(),
            names,
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
