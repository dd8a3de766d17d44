"""Makes an engine ready: run, log, first readings."""

from datetime import timedelta
from pathlib import Path

import numpy as np

from eac.artifacts.kept import chain_of, current_folder
from eac.artifacts.saved_data import SavedData, load_data
from eac.data.parsing.form import Form
from eac.data.parsing.zones import find_zone
from eac.data.readers.frame_files import read_frame
from eac.errors import ConfigError, StreamError
from eac.plain import logger
from eac.server.engine import Engine
from eac.server.generation import Loading
from eac.server.readings import Readings
from eac.server.watching import Watching
from eac.serving.intake import read_input
from eac.serving.run_clock import seen_offset

log = logger()

MOST_DAYS = 36_500
MOST_BYTES = 16 << 30


def open_engine(
    run_dir: Path,
    *,
    state_dir: Path | None = None,
    days: float = 22,
    table: Path | None = None,
    watching: Watching | None = None,
    loading: Loading | None = None,
) -> Engine:
    """An engine for a run, with everything that was observed before.

    Args:
        run_dir: The run.
        state_dir: Holds the log of observations; None: ``serving`` in the run.
        days: Readings kept; what was kept of longer ago is dropped from the disk too.
        table: Readings to begin with, ``unique_id, ds, y``; they are kept too.
        watching: How readings are watched; None: they are not.
        loading: How artifacts of the run are loaded; None: with nothing of your own.

    Raises:
        RunError: If nothing is finished in the run, or another process has the same state.
        ConfigError: If so many days cannot be kept.
        StreamError: If the readings are not valid.
    """
    loading = loading or Loading()
    data = load_data(chain_of(run_dir, current_folder(run_dir)), trust=loading.trust)
    steps, state = _steps(days, data), state_dir or run_dir / "serving"
    engine = Engine(run_dir, state, steps, watching, loading)
    if table is None:
        return engine
    try:
        placed = engine.begin_with(_readings(table, engine))
    except BaseException:
        engine.stop()
        raise
    if placed.too_old and not placed.accepted + placed.duplicate:
        log.warning(
            "nothing of %s was taken: it ends more than %s days before the last reading kept in "
            "%s, %s. If that is wrong, give another --state, or remove that directory.",
            *(table, f"{days:g}", state, engine.board.time_of(engine.board.now or 0)),
        )
    return engine


def _steps(days: float, data: SavedData) -> int:
    """Steps to keep, where so many days can be kept."""
    if not 0 < days <= MOST_DAYS:
        raise ConfigError(
            f"--history {days:g}: give days, more than 0 and at most {MOST_DAYS}, such as 22."
        )
    steps = round(timedelta(days=days) / data.step)
    size = steps * len(data.current_ids) * 5  # a number and whether it was given
    if size > MOST_BYTES:
        most = days * MOST_BYTES / size
        raise ConfigError(
            f"--history {days:g} takes {size / 2**30:.0f} GiB of memory, more than "
            f"{MOST_BYTES >> 30}. Give {most:.0f} days at most."
        )
    return steps


def _readings(table: Path, engine: Engine) -> Readings:
    """What a table holds, checked as ``eac predict --input`` checks it; of its end what is kept."""
    board, data = engine.board, engine.generation.predictor.data
    named = engine.loading.time_zone
    zone = named or (None if data.clock is None else data.clock.zone)
    if named is None and zone and seen_offset(find_zone(zone, "the run")) is not None:
        zone = None  # whose clock it is nobody has said
    frame, form = read_frame(table, Form(time_zone=zone), "input")
    if not len(frame):
        raise StreamError(f"{table} holds no readings. Give some, or leave --input out.")
    period = read_input(frame, data, (), form)
    begin = period.calendar.time_of(0)
    if begin is None:
        raise StreamError(f"{table} has numbers of steps in ds. Give time stamps.")
    first = board.step_of(begin.isoformat())
    values = period.series.double().numpy()
    board.check_first(first + len(values) - 1)
    values = values[-board.length :]
    first += period.num_steps - len(values)
    given = np.isfinite(values)
    given[-1] = True  # a last step without readings is a step all the same, as in eac predict
    row, column = np.nonzero(given)
    ids = [period.node_ids[i] for i in column.tolist()]
    return Readings(ids, first + row, values[row, column])
