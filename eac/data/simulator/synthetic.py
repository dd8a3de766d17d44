"""A simulated stream of traffic counts that grows, shrinks and drifts on demand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32, Int

from eac.checks import check_least
from eac.data.core.calendar import DAY, Calendar
from eac.data.core.period import Period
from eac.data.core.stream import GraphStream
from eac.data.simulator.demand import (
    City,
    CityPlan,
    morning_share,
    neighbourhood_factor,
    weekly_profiles,
)
from eac.data.simulator.roads import random_generator
from eac.data.simulator.sensors import (
    Membership,
    drop_readings,
    observe,
    sensor_coordinates,
    sensor_graph,
    sensor_sections,
)
from eac.data.simulator.simulation import Conditions, Load, transmit
from eac.errors import ConfigError

_FREE_SPEED = 60.0
_LONGEST_TICK = 10.0
_MEMORY_HOURS = 4.0
_INCIDENT_HOURS = 0.8


@dataclass(frozen=True, eq=False)
class _State:
    """Where the traffic stands between two ticks.

    Attributes:
        load: Vehicles on the road and waiting.
        deviation: Logarithm of each section's demand over its usual demand.
        blocked: Ticks that each section's incident has still to last.
        open_share: Share of the capacity that incident leaves open.
    """

    load: Load
    deviation: Float32[np.ndarray, " section"]
    blocked: Int[np.ndarray, " section"]
    open_share: Float32[np.ndarray, " section"]

    @staticmethod
    def empty() -> "_State":
        none = np.zeros(0, np.float32)
        return _State(Load(none, none), none, np.zeros(0, np.int64), none)

    def grown(self, num_sections: int) -> "_State":
        """The same traffic, with empty sections added."""
        extra = (0, num_sections - len(self.deviation))
        return _State(
            Load(np.pad(self.load.vehicles, extra), np.pad(self.load.queue, extra)),
            np.pad(self.deviation, extra),
            np.pad(self.blocked, extra),
            np.pad(self.open_share, extra, constant_values=1),
        )


class SyntheticStream(GraphStream):
    """Vehicle counts at sensors on a simulated road network.

    Traffic follows the cell transmission model (see ``eac.data.simulator.simulation``) on a
    seeded network of directed road sections. Each sensor counts the vehicles that pass the end of
    one section in one step. Demand has a daily and a weekly rhythm, varies from day to day and
    from hour to hour; incidents cut the capacity of a section for a while, and their queues
    spill back. A section is as long as free flow covers in one tick of ``substeps``, so that long
    ticks mean a coarse network: 5 km for ticks of 5 minutes at 60 km/h.

    Period k depends on the settings and on k alone, not on ``num_periods``, and traffic is
    continuous from one period to the next. Loading a period simulates those before it first,
    once. New sensors stand on sections further out; a sensor that leaves keeps its road.

    Args:
        num_nodes: Sensors in the first period.
        num_periods: Periods of the stream.
        steps_per_period: Steps of each period.
        steps_per_day: Steps of a day, a divisor of 86400; 288 is one every five minutes.
        substeps: Ticks of the simulation per step; by default as many as make none longer than
            ten minutes.
        start: Time stamp of the first step.
        growth: New sensors of a period, as a share of the sensors of the period before.
        shrink: Share of the sensors that leave after each period.
        returning: Share of those gone that come back in a period, one period later at least.
        sensor_share: Share of the road sections that have a sensor.
        drift: Strength of the change of demand, of routes and of road works (see ``CityPlan``).
        variability: Deviation of the logarithm of demand from its usual course.
        incidents: Incidents per section and day.
        noise: Counting error, in multiples of the square root of the count.
        missing: Share of missing readings, in gaps of a few hours.
        shuffle: Lists the sensors in another order in every period.
        seed: Seed of everything.
        name: Name of the stream.

    Raises:
        ConfigError: If a setting is out of its range.

    Example:
        >>> stream = SyntheticStream(num_nodes=20, num_periods=2, steps_per_period=48)
        >>> [(period.num_nodes, period.num_steps) for period in stream]
        [(20, 48), (22, 48)]
    """

    source = "simulated with the cell transmission model; no real traffic"

    def __init__(
        self,
        *,
        num_nodes: int = 100,
        num_periods: int = 4,
        steps_per_period: int = 2016,
        steps_per_day: int = 288,
        substeps: int | None = None,
        start: str = "2024-01-01",
        growth: float = 0.1,
        shrink: float = 0.0,
        returning: float = 0.0,
        sensor_share: float = 1.0,
        drift: float = 0.5,
        variability: float = 0.15,
        incidents: float = 0.02,
        noise: float = 0.7,
        missing: float = 0.0,
        shuffle: bool = False,
        seed: int = 0,
        name: str = "synthetic",
    ):
        check_least(1, num_nodes=num_nodes, num_periods=num_periods)
        check_least(1, steps_per_period=steps_per_period, substeps=substeps)
        _check_range(0, math.inf, growth=growth, drift=drift, noise=noise, seed=seed)
        _check_range(0, math.inf, variability=variability, incidents=incidents)
        _check_range(0, 0.9, shrink=shrink, missing=missing)
        _check_range(0, 1, returning=returning)
        _check_range(0.05, 1, sensor_share=sensor_share)
        if steps_per_day < 1 or 86400 % steps_per_day:
            raise ConfigError(
                f"steps_per_day={steps_per_day} does not divide 86400; try 24 or 288."
            )
        self.name = name
        self.unit = f"vehicles/{1440 / steps_per_day:g}min"
        self._count = num_periods
        self._steps = steps_per_period
        self._step = pd.Timedelta(DAY) / steps_per_day
        self._start = pd.Timestamp(start)
        self._substeps = substeps or math.ceil(24 * 60 / steps_per_day / _LONGEST_TICK)
        self._ticks_per_day = steps_per_day * self._substeps
        self._members = Membership(seed, num_nodes, growth, shrink, returning)
        self._sensor_share = sensor_share
        self._plan = CityPlan(seed, self._ticks_per_day, drift)
        self._variability = variability
        self._incidents = incidents
        self._noise = noise
        self._missing = missing
        self._shuffle = shuffle
        self._seed = seed
        self._states = [_State.empty()]

    @property
    def period_names(self) -> Sequence[str]:
        """The numbers of the periods, as text."""
        return [str(index) for index in range(self._count)]

    def load(self, index: int) -> Period:
        """Simulates one period, and those before it that were not simulated yet."""
        for earlier in range(len(self._states) - 1, index):
            self._simulate(earlier, self.city(earlier), np.zeros(0, np.int64))
        city = self.city(index)
        sensors = self._members.sensors(index)
        if self._shuffle:
            sensors = random_generator(self._seed, 21, index).permutation(sensors)
        sections = sensor_sections(self._seed, self._sensor_share, int(sensors.max()) + 1)[sensors]
        series = self._simulate(index, city, sections)
        observe(series, self._noise, random_generator(self._seed, 22, index))
        drop_readings(series, self._missing, self._step, random_generator(self._seed, 23, index))
        return Period(
            name=self.period_names[index],
            series=torch.from_numpy(series),
            node_ids=tuple(f"s{section:06d}" for section in sections),
            graph=sensor_graph(city.network, sections),
            calendar=Calendar.from_timestamps(self._time_of(index), self._step),
            coordinates=sensor_coordinates(
                city.network, sections, 24 / self._ticks_per_day * _FREE_SPEED
            ),
        )

    def _time_of(self, index: int) -> pd.Timestamp:
        return self._start + index * self._steps * self._step

    def city(self, index: int) -> City:
        """Roads and demand of a period, behind its sensors."""
        known = self._members.num_known(index)
        last = sensor_sections(self._seed, self._sensor_share, known)[-1]
        return self._plan.city(index, int(last) + 1)

    def _simulate(
        self, index: int, city: City, sections: Int[np.ndarray, " node"]
    ) -> Float32[np.ndarray, "time node"]:
        """Counts at ``sections`` in one period; keeps the state at its end."""
        rng = random_generator(self._seed, 24, index)
        state = self._states[index].grown(city.network.num_sections)
        profiles, morning = weekly_profiles(self._ticks_per_day), morning_share(self._ticks_per_day)
        monday = self._start.normalize() - pd.Timedelta(days=self._start.weekday())
        tick = round((self._time_of(index) - monday) / pd.Timedelta(DAY) * self._ticks_per_day)
        counts = np.zeros((self._steps, len(sections)), np.float32)
        demand, day = None, -1
        for step in range(self._steps):
            for _ in range(self._substeps):
                if demand is None or tick // self._ticks_per_day != day:
                    day = tick // self._ticks_per_day
                    demand = self._demand_of_day(city, step / self._steps, day)
                state = self._disturbed(state, rng)
                now = _conditions(
                    city,
                    profiles[:, tick % profiles.shape[1]] @ demand,
                    np.float32(morning[tick % len(morning)]),
                    state,
                )
                load, flow = transmit(city.cells, state.load, now)
                state = replace(state, load=load)
                counts[step] += flow.passed[sections]
                tick += 1
        if len(self._states) == index + 1:
            self._states.append(state)
        return counts

    def _demand_of_day(
        self, city: City, progress: float, day: int
    ) -> Float32[np.ndarray, "profile section"]:
        rng = random_generator(self._seed, 25, day)
        level = np.exp(0.8 * self._variability * rng.standard_normal())
        local = neighbourhood_factor(city.network.position, rng, 0.8 * self._variability)
        usual = city.demand_start + (city.demand_end - city.demand_start) * np.float32(progress)
        return usual * local * np.float32(level)

    def _disturbed(self, state: _State, rng: np.random.Generator) -> _State:
        """One tick later: demand deviates a little more, incidents end and begin."""
        size = len(state.deviation)
        keep = math.exp(-24 / self._ticks_per_day / _MEMORY_HOURS)
        spread = self._variability * math.sqrt(1 - keep**2)
        shock = rng.standard_normal(size, dtype=np.float32)
        deviation = state.deviation * np.float32(keep) + shock * np.float32(spread)
        blocked = np.maximum(state.blocked - 1, 0)
        open_share = np.where(blocked > 0, state.open_share, np.float32(1))
        count = rng.poisson(self._incidents / self._ticks_per_day * size)
        where = rng.integers(size, size=count)
        mean_ticks = max(1.0, _INCIDENT_HOURS * self._ticks_per_day / 24)
        blocked[where] = 1 + rng.exponential(mean_ticks, count).astype(np.int64)
        open_share[where] = rng.uniform(0.05, 0.5, count)
        return _State(state.load, deviation, blocked, open_share)


def _conditions(
    city: City, usual: Float32[np.ndarray, " section"], morning: np.float32, state: _State
) -> Conditions:
    evening = 1 - morning
    return Conditions(
        demand=usual * np.exp(state.deviation),
        turning=city.turning_morning * morning + city.turning_evening * evening,
        exit_share=city.exit_morning * morning + city.exit_evening * evening,
        open_share=state.open_share,
    )


def _check_range(low: float, high: float, **settings: float) -> None:
    for name, value in settings.items():
        if not low <= value <= high:
            raise ConfigError(f"{name}={value}: give a value between {low} and {high}.")
