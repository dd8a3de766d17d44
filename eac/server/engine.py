"""What happens between an observation and a forecast, in two threads beside the server's."""

import math
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch

from eac.errors import EACError
from eac.plain import logger
from eac.server.board import Board, Placed
from eac.server.events import Events
from eac.server.forecast import GenerationName, NetworkForecast
from eac.server.generation import Generation, artifact_ids, load_generation
from eac.server.issuing import issue, network_forecast, recent
from eac.server.log import ObservationLog
from eac.server.places import positions
from eac.server.readings import Readings
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
        trust: Modules with classes of your own that the run may name.
    """

    def __init__(self, run_dir: Path, state_dir: Path, history: int, trust: Sequence[str] = ()):
        self.run_dir = run_dir
        self._trust = tuple(trust)
        self.current: NetworkForecast | None = None
        self.forwards = 0
        self.observed = 0
        self.error: str | None = None
        self.events = Events()
        self._history = history
        self._number = 0
        self._loaded: dict[str, Predictor] = {}
        self._lock = threading.RLock()
        self._swap = threading.Lock()
        first = self._load(None)
        data = first.predictor.data
        self.board = Board(data.step, max(history, data.window), data.current_ids)
        self._log = ObservationLog(state_dir, self.board)
        self.observed = self._log.replay()
        self._generations = [first]
        self._positions = positions(run_dir)
        self._queue: queue.Queue[tuple[Readings, Future[Placed]] | None] = queue.Queue()
        self._stale = threading.Event()
        self._stopped = False
        self._threads = [
            threading.Thread(target=work, daemon=True, name=f"eac-{work.__name__}")
            for work in (self._write, self._forecast)
        ]

    @property
    def generation(self) -> Generation:
        """The generation in use."""
        return self._generations[-1]

    def start(self) -> None:
        """Makes the first forecast, if the log allows one, and starts the threads."""
        self.refresh(self.generation)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Acknowledges what is on its way, and ends the threads."""
        if self._stopped:
            return
        self._stopped = True
        self._queue.put(None)
        self._stale.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._log.close()

    def begin_with(self, readings: Readings) -> None:
        """Keeps readings before the threads start."""
        self._place(readings, announce=False)
        self._log.compact()

    def observe(self, readings: Readings) -> Future[Placed]:
        """Takes readings; the future is done when they are on the disk and on the board."""
        done: Future[Placed] = Future()
        self._queue.put((readings, done))
        return done

    def activate(self, artifact: str | None) -> Generation:
        """Loads an artifact beside the one in use, forecasts with it, and puts it in its place.

        Raises:
            RunError: If there is no such artifact.
        """
        with self._swap:
            return self._take(self._load(artifact))

    def rollback(self) -> Generation | None:
        """Goes back to the generation before; None where there is none.

        The generation is the same; its number is a new one, since numbers are never used twice.
        """
        with self._swap:
            if len(self._generations) < 2:
                return None
            before = self._generations[-2]
            again = Generation(self._named(before), before.predictor, before.calibrator)
            kept = self._generations[:-2]
            self._take(again)
            with self._lock:
                self._generations = [*kept, again]
            return again

    def note(
        self, kind: str, detail: str, unique_id: str | None = None, action: str = "mark"
    ) -> None:
        """Adds an event."""
        with self._lock:
            now = self.board.now
            ds = None if now is None else self.board.time_of(now).isoformat()
        self.events.add(kind, detail, ds=ds, unique_id=unique_id, action=action)

    def refresh(self, generation: Generation) -> bool:
        """Forecasts the newest step with a generation; False where readings do not suffice."""
        made = self._made(generation)
        if made is None:
            return False
        self.current = made
        return True

    def sensors(self) -> list[dict[str, Any]]:
        """Every sensor of the board: whether it is forecast, and its last reading."""
        current = self.current
        notes = {} if current is None else dict(zip(current.node_ids, current.notes, strict=True))
        with self._lock:
            last = self.board.last_steps()
            return [
                {
                    "unique_id": node,
                    "forecast": node in notes,
                    "note": notes.get(node, ""),
                    "last": None if step is None else self.board.time_of(step).isoformat(),
                    "silent_steps": None if step is None else (self.board.now or 0) - step,
                    "position": self._positions.get(node),
                }
                for node, step in zip(self.board.node_ids, last, strict=True)
            ]

    def readings_of(self, unique_id: str, last: int) -> dict[str, Any] | None:
        """The last readings of a sensor; None for one that was never seen."""
        with self._lock:
            now = self.board.now
            if unique_id not in self.board.node_ids or now is None:
                return None
            count = min(last, self.board.length)
            column = self.board.node_ids.index(unique_id)
            values = self.board.series(count)[:, column].tolist()
        return {
            "unique_id": unique_id,
            "ds": [self.board.time_of(now - count + 1 + i).isoformat() for i in range(count)],
            "y": [None if math.isnan(y) else y for y in values],
        }

    def artifacts(self) -> list[dict[str, str]]:
        """Ids and folders of what the run has left, oldest first."""
        found = artifact_ids(self.run_dir)
        return [{"id": key, "folder": folder.name} for key, folder in found.items()]

    def _load(self, artifact: str | None) -> Generation:
        self._number += 1
        made = load_generation(
            self.run_dir, artifact, self._number, self._loaded, trust=self._trust
        )
        self._loaded.pop(made.name.artifact, None)
        self._loaded[made.name.artifact] = made.predictor
        if len(self._loaded) > KEPT_GENERATIONS:
            del self._loaded[next(iter(self._loaded))]
        return made

    def _named(self, before: Generation) -> GenerationName:
        self._number += 1
        return GenerationName(self._number, before.name.artifact, before.name.period)

    def _take(self, generation: Generation) -> Generation:
        made = self._made(generation)
        with self._lock:
            self._generations = [*self._generations, generation][-KEPT_GENERATIONS:]
            if made is not None:
                self.current = made
        name = generation.name
        self.note("generation", f"{name.number}: artifact {name.artifact}, period {name.period}")
        return generation

    def _made(self, generation: Generation) -> NetworkForecast | None:
        """A forecast of the newest step, and what the intervals need to learn from it."""
        with self._lock:
            seen = recent(self.board, generation.predictor)
        if seen is None:
            return None
        y_hat = generation.predictor.forecast_grid(seen.series, seen.node_ids, seen.clock)
        self.forwards += 1
        with self._lock:
            bounds = issue(generation.calibrator, seen, y_hat)
        return network_forecast(generation, seen, y_hat, bounds)

    def _write(self) -> None:
        """Writes what was observed to the log, several requests with one synchronisation."""
        while True:
            items = [self._queue.get()]
            while not self._queue.empty():
                items.append(self._queue.get_nowait())
            batches = [item for item in items if item is not None]
            try:
                self._log.append(readings for readings, _ in batches)
                for readings, done in batches:
                    done.set_result(self._place(readings))
                if self._log.grown:
                    with self._lock:
                        self._log.compact()
            except (OSError, EACError, ValueError) as error:
                self.error = f"observations cannot be kept: {error}"
                log.exception("observations cannot be kept")
                for _, done in batches:
                    if not done.done():
                        done.set_exception(error)
            if batches:
                self._stale.set()
            if None in items:
                return

    def _place(self, readings: Readings, *, announce: bool = True) -> Placed:
        with self._lock:
            placed = self.board.put(readings)
            self.observed += placed.accepted
            calibrator = self.generation.calibrator
            for step in sorted(placed.known):
                if calibrator is not None and calibrator.node_ids:
                    row = self.board.laid_out(placed.known[step][None], calibrator.node_ids)[0]
                    calibrator.observe(step, torch.from_numpy(row))
            for node in placed.new_ids if announce else ():
                self.note("new id", f"sensor {node} was never seen before", node, "ask")
        return placed

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
                    self.error = None
                except EACError as error:
                    self.error = str(error)
                    log.exception("no forecast")
            self.seconds = time.perf_counter() - started

    seconds = 0.0
    """Wall time of the last forecast."""
