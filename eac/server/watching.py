"""Looks at the readings of a server step by step, and does what a policy says about events."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from eac.data.core.clock_rules import ClockRules
from eac.monitoring.forecasts import LEVEL, ForecastMonitor
from eac.monitoring.monitor import ALARMS, Alarm, Monitor
from eac.monitoring.policy import Action, Policy
from eac.monitoring.reference import WEEKS, Reference
from eac.server.board import Board
from eac.server.events import Events
from eac.server.forecast import NetworkForecast
from eac.server.requested import Requests

SETTLE = 1
"""A step is looked at when so many later ones have begun; later readings of it are not seen."""
OF_FORECASTS = "forecast error"
"""A mark that readings alone cannot take away; it ends with the week of the reference."""


@dataclass(frozen=True)
class Watching:
    """How readings are watched.

    Attributes:
        policy: What is done about events.
        alarms: False alarms of the network in a week.

    Example:
        >>> Watching(Policy.of({"stuck": "mark"})).policy.action("stuck")
        'mark'
    """

    policy: Policy = field(default_factory=Policy)
    alarms: float = ALARMS


@dataclass
class Watched:
    """What is known of the sensors that events concern.

    Attributes:
        marked: Kind of the last event of a sensor, until its readings are usual again.
        masked: First step whose readings are left out of forecasts.

    Example:
        >>> Watched(marked={"a": "stuck"}).masked
        {}
    """

    marked: dict[str, str] = field(default_factory=dict)
    masked: dict[str, int] = field(default_factory=dict)


class Watcher:
    """The monitor of a server.

    The reference is what the board holds when it has two weeks, and is made anew every week. A
    sensor that is marked or masked is trusted again after a day of readings that are usual and not
    all the same.

    Args:
        steps_per_day: Steps of a day.
        events: Receives what is found.
        requests: Receives what somebody else must do.
        watching: Policy and thresholds.

    Example:
        >>> from pathlib import Path
        >>> watcher = Watcher(24, Events(), Requests(Path("serving"), Path("runs/x")), Watching())
        >>> watcher.masked, watcher.unmask("a")
        ({}, False)
    """

    def __init__(self, steps_per_day: int, events: Events, requests: Requests, watching: Watching):
        self._policy = watching.policy
        self.events = events
        self.requests = requests
        self._day, self._alarms = steps_per_day, watching.alarms
        self._lock = threading.Lock()
        self._watched = Watched(*requests.watched())
        self._ids: tuple[str, ...] = ()
        self._monitor: Monitor | None = None
        self._forecasts = ForecastMonitor(0, steps_per_day)
        self._made_at = 0
        self._last: int | None = None
        self._before = np.empty(0)
        self._calm = np.empty(0, dtype=int)
        self._issued: dict[int, NetworkForecast] = {}

    @property
    def masked(self) -> Mapping[str, int]:
        """First step, by sensor, whose readings are left out of forecasts."""
        with self._lock:
            return dict(self._watched.masked)

    @property
    def marked(self) -> Mapping[str, str]:
        """Kind of the last event by sensor."""
        with self._lock:
            return dict(self._watched.marked)

    def new_ids(self, fresh: Sequence[str]) -> Action:
        """Asks for what the policy says of sensors that were never seen, and returns that."""
        action = self._policy.action("new id")
        detail = f"{len(fresh)} sensors were never seen before, such as {fresh[0]}"
        self.ask(action, "new id", detail, None, None)
        self.requests.flush()
        return action

    def ask(
        self, action: str, kind: str, detail: str, ds: str | None, unique_id: str | None
    ) -> None:
        """Asks for what a server cannot do itself; marks and masks are no such thing."""
        if action not in ("mark", "mask"):
            self.requests.add(action, kind, detail, ds=ds, unique_id=unique_id)

    def unmask(self, unique_id: str) -> bool:
        """Trusts a sensor again; False where it was neither marked nor masked."""
        with self._lock:
            found = self._watched.marked.pop(unique_id, None) is not None
            found |= self._watched.masked.pop(unique_id, None) is not None
        if found:
            self._save()
        return found

    def issued(self, now: int, forecast: NetworkForecast) -> None:
        """Remembers a forecast until the reading of its first step is looked at."""
        if LEVEL in forecast.levels:
            self._issued = {at: kept for at, kept in self._issued.items() if at > now - 10}
            self._issued[now + 1] = forecast

    def look(self, board: Board, lock: threading.RLock) -> bool:
        """Looks at the steps that are complete; True where sensors are masked now that were not."""
        week = 7 * self._day
        with lock:
            now = board.now
            if now is None:
                return False
            until = now - SETTLE
            due = self._monitor is None or until - self._made_at >= week
            steps = board.filled() if due else min(board.length, now - (self._last or 0))
            ids, series = tuple(board.node_ids), board.series(steps)
            times = {now - i: board.time_of(now - i) for i in range(steps)}
        first = now - steps + 1
        if due and until - first + 1 >= WEEKS * week:
            self._refer(ids, series[: until - first + 1].astype(float), first, until)
        if self._monitor is None or self._last is None:
            return False
        before = set(self.masked)
        columns = {node: i for i, node in enumerate(ids)}
        chosen = [columns[node] for node in self._ids]
        for step in range(max(self._last + 1, first), until + 1):
            self._step(step, series[step - first, chosen].astype(float), times[step])
        self._last = max(self._last, until)
        self._save()
        return bool(set(self.masked) - before)

    def _refer(
        self, ids: tuple[str, ...], series: Float[ndarray, "time node"], first: int, until: int
    ) -> None:
        """Takes the readings kept as what is usual; steps that were not looked at come first."""
        last = until if self._last is None else self._last
        past = series[: last - first + 1]
        if len(past) < WEEKS * 7 * self._day:
            return
        self._monitor = Monitor(
            Reference.of(past, first, self._day), self._alarms / 2, self._policy
        )
        if ids != self._ids:
            self._forecasts = ForecastMonitor(len(ids), self._day, self._alarms / 2, self._policy)
            self._calm = np.zeros(len(ids), dtype=int)
            self._before = past[-1]
        self._ids, self._made_at, self._last = ids, until, last
        with self._lock:
            for node in [n for n, kind in self._watched.marked.items() if kind == OF_FORECASTS]:
                del self._watched.marked[node]

    def _step(self, step: int, y: Float[ndarray, " node"], when: datetime) -> None:
        if self._monitor is None:
            return
        found = self._monitor.observe(step, y)
        low, high = self._bounds(step)
        found += self._forecasts.observe(step, y, low, high)
        for alarm in found:
            self._act(alarm, when)
        usual = self._monitor.usual(step, y) & (y != self._before)
        self._calm = np.where(usual, self._calm + 1, np.where(np.isfinite(y), 0, self._calm))
        self._before = np.where(np.isfinite(y), y, self._before)
        self._trust_again(when)

    def _bounds(self, step: int) -> tuple[Float[ndarray, " node"], Float[ndarray, " node"]]:
        """The interval of each sensor that was issued one step before."""
        low, high = np.full((2, len(self._ids)), np.nan)
        forecast = self._issued.pop(step, None)
        if forecast is not None:
            level, row = forecast.levels.index(LEVEL), forecast.row
            at = [(i, row[node]) for i, node in enumerate(self._ids) if node in row]
            mine, theirs = (list(part) for part in zip(*at, strict=True)) if at else ([], [])
            low[mine] = forecast.low[theirs, 0, level]
            high[mine] = forecast.high[theirs, 0, level]
        return low, high

    def _act(self, alarm: Alarm, when: datetime) -> None:
        """Does what the policy says: marks, masks, or asks for what a server cannot do."""
        node, action = None if alarm.node is None else self._ids[alarm.node], alarm.action
        ds = when.isoformat()
        self.events.add(alarm.kind, alarm.detail, ds=ds, unique_id=node, action=action)
        if node is not None and alarm.node is not None:
            self._calm[alarm.node] = 0
            with self._lock:
                if alarm.kind != OF_FORECASTS or node not in self._watched.masked:
                    self._watched.marked[node] = alarm.kind
                if action == "mask":
                    since = alarm.step if alarm.since is None else alarm.since
                    self._watched.masked.setdefault(node, since)
        self.ask(action, alarm.kind, alarm.detail, ds, node)

    def _trust_again(self, when: datetime) -> None:
        for node in np.flatnonzero(self._calm >= self._day).tolist():
            unique_id = self._ids[node]
            kind = self._watched.marked.get(unique_id)
            if kind not in (None, OF_FORECASTS) or unique_id in self._watched.masked:
                with self._lock:
                    self._watched.marked.pop(unique_id, None)
                    self._watched.masked.pop(unique_id, None)
                detail = "readings have been usual for a day"
                self.events.add("usual again", detail, ds=when.isoformat(), unique_id=unique_id)

    def _save(self) -> None:
        with self._lock:
            known = dict(self._watched.marked), dict(self._watched.masked)
        if known != self.requests.watched():
            self.requests.keep(*known)
        self.requests.flush()


def watcher_of(
    clock: ClockRules | None, events: Events, requests: Requests, watching: Watching | None
) -> Watcher | None:
    """The monitor of a run; None where nobody wants one, or weeks are not of seven days.

    Example:
        >>> from pathlib import Path
        >>> requests = Requests(Path("serving"), Path("runs/x"))
        >>> watcher_of(None, Events(), requests, watching=None) is None
        True
    """
    if watching is None or clock is None or clock.days_per_week != 7:
        return None
    return Watcher(clock.steps_per_day, events, requests, watching)
