"""Makes an engine ready: run, log, first readings."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np

from eac.artifacts.kept import chain_of, current_folder
from eac.artifacts.saved_data import load_data
from eac.calibration.clock import moment_step
from eac.data.parsing.form import Form
from eac.data.parsing.stamps import parse_stamps
from eac.data.readers.layout import read_long
from eac.errors import StreamError
from eac.server.engine import Engine
from eac.server.readings import Readings
from eac.server.watching import Watching


def open_engine(
    run_dir: Path,
    *,
    state_dir: Path | None = None,
    days: float = 22,
    table: Path | None = None,
    watching: Watching | None = None,
    trust: Sequence[str] = (),
) -> Engine:
    """An engine for a run, with everything that was observed before.

    Args:
        run_dir: The run.
        state_dir: Holds the log of observations; None: ``serving`` in the run.
        days: Readings kept.
        table: Readings to begin with, ``unique_id, ds, y``; they are logged too.
        watching: How readings are watched; None: they are not.
        trust: Modules with classes of your own that the run may name.

    Raises:
        RunError: If nothing is finished in the run.
        StreamError: If the readings are not valid.
    """
    step = load_data(chain_of(run_dir, current_folder(run_dir)), trust=trust).step
    steps = round(timedelta(days=days) / step)
    engine = Engine(run_dir, state_dir or run_dir / "serving", steps, watching, trust)
    if table is not None:
        engine.begin_with(_readings(table, engine, step))
    return engine


def _readings(table: Path, engine: Engine, step: timedelta) -> Readings:
    frame = read_long(table, "input")
    rules = engine.generation.predictor.data.clock
    form = Form(time_zone=None if rules is None else rules.zone)
    stamps = parse_stamps(frame["ds"], "input", form)
    if stamps.zone is not None and engine.board.zone is None:
        raise StreamError(
            f"{table}: the time stamps are in the zone {stamps.zone}, but those of the run name "
            "none. Give stamps of the same clock as the run's, without a zone."
        )
    steps = np.array([moment_step(when, step) for when in stamps.wall.to_pydatetime()])
    if len(steps) == 0:
        raise StreamError(f"{table} holds no readings. Give some, or leave --input out.")
    recent = steps > steps.max() - engine.board.length
    values = frame["y"].to_numpy(dtype=float)
    ids = frame["unique_id"].astype(str).to_numpy()
    return Readings(ids[recent].tolist(), steps[recent], values[recent])
