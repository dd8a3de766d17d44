"""What happens between an observation and a forecast, in two threads beside the server's."""

import math
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

import torch

from eac.artifacts.kept import use
from eac.plain import logger
from eac.server.board import Board, Placed
from eac.server.events import Events
from eac.server.forecast import GenerationName, NetworkForecast
from eac.server.generation import (
    Generation,
    Loading,
    artifact_ids,
    load_generation,
    own_zone,
    same_clock,
    zone_of,
)
from eac.server.issuing import issue, network_forecast, recent
from eac.server.keeping.learned import KeptCalibration, KeptMemory
from eac.server.keeping.log import ObservationLog
from eac.server.keeping.writer import Writer
from eac.server.places import positions
from eac.server.readings import Readings
from eac.server.requested import Requests
from eac.server.watching import Watching, watcher_of
from eac.serving.predictor import Predictor

log = logger()

KEPT_GENERATIONS = 8
"""Generations that a rollback finds, and artifacts that are loaded once."""


class Engine:
    """Readings in, forecasts out: a log, a board, a generation and the forecast that it made.

    ``current`` is one reference to one immutable forecast, which names its generation; whoever
    reads it once has an answer that cannot mix two. Everything that changes is behind one lock.

    Args:
        run_dir: The run to serve.
        state_dir: Holds the log of observations.
        history: Steps of readings kept.
        watching: How readings are watched; None: they are not.
        loading: How artifacts of the run are loaded; None: with nothing of your own.
    """

    def __init__(
        self,
        run_dir: Path,
        state_dir: Path,
        history: int,
        watching: Watching | None = None,
        loading: Loading | None = None,
    ):
        self.run_dir = run_dir
        self.loading = loading or Loading()
        self.current: NetworkForecast | None = None
        self.forwards = 0
        self.error: str | None = None
        self.events = Events()
        self._number = 0
        self._loaded: dict[str, Predictor] = {}
        self.lock = threading.RLock()
        self._swap = threading.Lock()
        self._calibration, self._memory = KeptCalibration(state_dir), KeptMemory(state_dir)
        first = self._load(None)
        data = first.predictor.data
        clock = zone_of(data), data.ended, own_zone(run_dir)
        length, named = max(history, data.window), self.loading.time_zone is not None
        self.board = Board(data.step, length, data.current_ids, *clock, named=named)
        self._log = ObservationLog(state_dir, self.board)
        self.observed = self._log.replay()
        self._generations = [first]
        self.positions = positions(run_dir)
        requests = Requests(state_dir, run_dir)
        self.watcher = watcher_of(data.clock, self.events, requests, watching)
        self._writer = Writer(
            self._log, lambda readings: self._place(readings), self._failed, self.lock
        )
        self._stale, self._looked = threading.Event(), threading.Event()
        self._stopped = False
        self._threads = [
            threading.Thread(target=work, daemon=True, name=f"eac-{work.__name__}")
            for work in (self._write, self._forecast, *([self._watch] if self.watcher else []))
        ]

    @property
    def generation(self) -> Generation:
        """The generation in use."""
        return self._generations[-1]

    @property
    def trouble(self) -> str | None:
        """Why this server is not to be relied on; None where nothing is wrong."""
        made = self.current
        return self._writer.error or self.error or (None if made is None else made.trouble)

    def prepare(self) -> None:
        """Makes the first forecast, and the reference of the monitor, if the log allows it."""
        if self.refresh(self.generation) and self.watcher is not None:
            self.watcher.look(self.board, self.lock)

    def start(self) -> None:
        """Makes what ``prepare`` does, where nobody did, and starts the threads."""
        if self.current is None:
            self.prepare()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Acknowledges what is on its way, and ends the threads."""
        if self._stopped:
            return
        self._stopped = True
        self._writer.end()
        self._stale.set()
        self._looked.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._calibration.keep(self.generation, None, self.lock)
        self._log.close()

    def begin_with(self, readings: Readings) -> Placed:
        """Keeps readings before the threads start."""
        placed = self._place(readings, announce=False)
        self._log.compact()
        return placed

    def observe(self, readings: Readings) -> Future[Placed]:
        """Takes readings; the future is done when they are on the disk and on the board."""
        return self._writer.take(readings)

    def activate(self, artifact: str | None) -> Generation:
        """Loads an artifact beside the one in use, forecasts with it, and puts it in its place.

        Raises:
            RunError: If there is no such artifact, or it follows another clock.
        """
        with self._swap:
            made, current = self._load(artifact), self.generation
            same_clock(made, self.board.zone)
            return current if made.name.artifact == current.name.artifact else self._take(made)

    def rollback(self) -> Generation | None:
        """Goes back to the generation before; None where there is none.

        The generation is the same; its number is a new one, since numbers are never used twice.
        """
        with self._swap:
            if len(self._generations) < 2:
                return None
            *kept, before = self._generations[:-1]
            again = Generation(self._named(before), before.predictor, before.calibrator)
            self._take(again)
            with self.lock:
                self._generations = [*kept, again]
            return again

    def note(
        self, kind: str, detail: str, unique_id: str | None = None, action: str = "mark"
    ) -> None:
        """Adds an event."""
        with self.lock:
            now = self.board.now
            ds = None if now is None else self.board.time_of(now).isoformat()
        self.events.add(kind, detail, ds=ds, unique_id=unique_id, action=action)

    def refresh(self, generation: Generation) -> bool:
        """Forecasts the newest step with a generation; False where readings do not suffice."""
        made = self._made(generation)
        if made is None:
            return False
        self.current = made
        self._memory.keep(generation)
        return True

    def pin(self) -> None:
        """Lets ``eac predict``, and this server after a restart, use the artifact in use here."""
        use(self.run_dir, artifact_ids(self.run_dir)[self.generation.name.artifact])

    def renew(self) -> None:
        """Forecasts again soon, from the same readings."""
        self._stale.set()

    def _load(self, artifact: str | None) -> Generation:
        self._number += 1
        made = load_generation(self.run_dir, artifact, self._number, self._loaded, self.loading)
        self._loaded.pop(made.name.artifact, None)
        self._loaded[made.name.artifact] = made.predictor
        if len(self._loaded) > KEPT_GENERATIONS:
            del self._loaded[next(iter(self._loaded))]
        self._memory.resume(made)
        return self._calibration.resumed(made)

    def _named(self, before: Generation) -> GenerationName:
        self._number += 1
        return GenerationName(self._number, before.name.artifact, before.name.period)

    def _take(self, generation: Generation) -> Generation:
        made = self._made(generation)
        with self.lock:
            self._generations = [*self._generations, generation][-KEPT_GENERATIONS:]
            if made is not None:
                self.current = made
        name = generation.name
        self.note("generation", f"{name.number}: artifact {name.artifact}, period {name.period}")
        return generation

    def _made(self, generation: Generation) -> NetworkForecast | None:
        """A forecast of the newest step, and what the intervals need to learn from it."""
        with self.lock:
            seen = recent(self.board, generation.predictor, self._masked)
        if seen is None:
            return None
        y_hat, broken = generation.predictor.forecast_grid(seen.series, seen.node_ids, seen.clock)
        self.forwards += 1
        with self.lock:
            bounds = issue(generation.calibrator, seen, y_hat)
        marked = {} if self.watcher is None else self.watcher.marked
        made = network_forecast(generation, seen, y_hat, bounds, broken, marked)
        if self.watcher is not None:
            self.watcher.issued(seen.now, made)
        return made

    def _write(self) -> None:
        self._writer.run(self._stale.set)

    def _failed(self, said: str) -> None:
        self.error = said

    def _place(self, readings: Readings, *, announce: bool = True) -> Placed:
        masked = self._masked
        with self.lock:
            placed = self.board.put(readings)
            self.observed += placed.accepted
            calibrator = self.generation.calibrator
            for step in sorted(placed.known):
                if calibrator is not None and calibrator.node_ids:
                    row = self.board.laid_out(placed.known[step][None], calibrator.node_ids)[0]
                    hidden = [masked.get(node, step + 1) <= step for node in calibrator.node_ids]
                    row[hidden] = math.nan
                    calibrator.observe(step, torch.from_numpy(row))
        if placed.new_ids and announce:
            self._announce(placed.new_ids)
        return placed

    def _announce(self, fresh: list[str]) -> None:
        action = "ask" if self.watcher is None else self.watcher.new_ids(fresh)
        for node in fresh:
            self.note("new id", f"sensor {node} was never seen before", node, action)

    @property
    def _masked(self) -> Mapping[str, int]:
        return {} if self.watcher is None else self.watcher.masked

    def _watch(self) -> None:
        """Looks for events after each forecast, apart from it; masks make another one."""
        while self.watcher is not None:
            self._looked.wait()
            self._looked.clear()
            if self._stopped:
                return
            try:
                if self.watcher.look(self.board, self.lock):
                    self._stale.set()
            except Exception as error:  # the next step is looked at all the same
                self.error = f"events cannot be kept: {error}"
                log.exception("events cannot be kept")

    def _forecast(self) -> None:
        """Forecasts whenever there is something new; what comes meanwhile is one further time."""
        while True:
            self._stale.wait()
            self._stale.clear()
            if self._stopped:
                return
            started = time.perf_counter()
            with self._swap:
                try:
                    self.refresh(self.generation)
                    self._calibration.keep(self.generation, self.board.now, self.lock)
                    self.error = None
                except Exception as error:  # the next forecast is made all the same
                    self.error = str(error) or type(error).__name__
                    log.exception("no forecast")
            self.seconds = time.perf_counter() - started
            self._looked.set()

    seconds = 0.0
    """Wall time of the last forecast."""
