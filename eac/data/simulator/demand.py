"""What drives the simulated traffic of one period: land use, weekly rhythm, drift and works."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Float64

from eac.data.simulator.roads import RoadNetwork, random_generator, road_network
from eac.data.simulator.simulation import Cells, free_flow

_PROFILES = 3
_DEMAND_PER_HOUR = 110.0
_GATE_DEMAND = 4.0
_SMALLEST_CAPACITY = 80.0
_WORKS_SHARE = 0.04
_WORKS_CAPACITY = 0.45
_WORKS_APPEAL = 0.25
_WAVES = 6


@dataclass(frozen=True, eq=False)
class City:
    """Roads and demand during one period.

    Attributes:
        network: The sections of this period.
        cells: The same, with the capacity each has in this period.
        demand_start: Vehicles per tick that each profile's weight of 1 starts in each section, at
            the start of the period.
        demand_end: The same at its end, which is the start of the next period.
        turning_morning: Share of each turn when people drive to work.
        turning_evening: Share of each turn when people drive home.
        exit_morning: Share that arrives at the end of each section, to work.
        exit_evening: Share that arrives at the end of each section, at home.

    Example:
        >>> city = CityPlan(seed=0, ticks_per_day=144, drift=1.0).city(0, 4)
        >>> city.network.num_sections, bool((city.exit_morning <= 1).all())
        (4, True)
    """

    network: RoadNetwork
    cells: Cells
    demand_start: Float32[np.ndarray, "profile section"]
    demand_end: Float32[np.ndarray, "profile section"]
    turning_morning: Float32[np.ndarray, "turn section"]
    turning_evening: Float32[np.ndarray, "turn section"]
    exit_morning: Float32[np.ndarray, " section"]
    exit_evening: Float32[np.ndarray, " section"]


@dataclass(frozen=True)
class CityPlan:
    """Settings from which the city of any period follows.

    Attributes:
        seed: Seed of everything built.
        ticks_per_day: Ticks of the simulation in a day.
        drift: 0 keeps roads and demand as they are. 1 changes the demand of a section by about a
            third per period, most of it together with its neighbourhood, shifts the choice of
            turns, and puts one section in 25 under works: less than half its capacity and few who
            choose it.

    Example:
        >>> plan = CityPlan(seed=0, ticks_per_day=144, drift=0.0)
        >>> bool((plan.city(0, 4).demand_start == plan.city(1, 4).demand_start).all())
        True
    """

    seed: int
    ticks_per_day: int
    drift: float

    def city(self, period: int, num_sections: int) -> City:
        """The city in ``period``, counted from 0, with that many sections."""
        return _CityOfPeriod(self, period, road_network(num_sections, self.seed)).build()


@dataclass(frozen=True, eq=False)
class _CityOfPeriod:
    plan: CityPlan
    period: int
    network: RoadNetwork

    @cached_property
    def business(self) -> Float64[np.ndarray, " section"]:
        """Share of the land in use for work rather than homes."""
        chance = self.rng(11).beta(1.5, 4.0, self.network.num_sections)
        return np.clip(np.exp(-((self.network.to_town / 2.0) ** 2)) + chance, 0, 0.95)

    def rng(self, *purpose: int) -> np.random.Generator:
        return random_generator(self.plan.seed, *purpose)

    def build(self) -> City:
        works = self._works()
        morning, evening = (self._turning(side, works) for side in (1.0, -1.0))
        exits = self._exits()
        demand = self._demand(0)
        up = self.network.up
        peak = np.maximum(
            free_flow(up, weekly_profiles(24)[:, 8] @ demand, self._turning(1.0), exits[0]),
            free_flow(up, weekly_profiles(24)[:, 17] @ demand, self._turning(-1.0), exits[1]),
        )
        capacity = self._capacity(peak) * np.where(works, _WORKS_CAPACITY, 1)
        return City(
            self.network,
            Cells(self.network.down, up, capacity.astype(np.float32)),
            self._demand(self.period),
            self._demand(self.period + 1),
            morning,
            evening,
            *exits,
        )

    def _demand(self, periods: int) -> Float32[np.ndarray, "profile section"]:
        """Vehicles per tick after so many periods of drift."""
        size = self.network.num_sections
        base = np.exp(0.5 * self.rng(12).standard_normal(size))
        base *= _DEMAND_PER_HOUR * 24 / self.plan.ticks_per_day
        base[self._gates()] *= _GATE_DEMAND
        use = np.stack([1 - self.business, self.business, np.full(size, 0.4)])
        walk = np.zeros((_PROFILES, size))
        for past in range(periods):
            walk += 0.25 * _smooth_field(self.network.position, self.rng(13, past))
            walk += 0.2 * self.rng(14, past).standard_normal((size, _PROFILES)).T
        return (base * use * np.exp(self.plan.drift * walk)).astype(np.float32)

    def _gates(self) -> np.ndarray:
        return (self.network.up == self.network.up.size).all(axis=0)

    def _works(self) -> np.ndarray:
        chance = self.rng(15, self.period).random(self.network.num_sections)
        return chance < _WORKS_SHARE * min(self.plan.drift, 5.0)

    def _turning(
        self, side: float, works: np.ndarray | None = None
    ) -> Float32[np.ndarray, "turn section"]:
        """Shares of the turns, towards town for ``side`` 1 and away from it for -1."""
        network = self.network
        appeal = np.where(network.arterial, 2.5, 1.0) * np.exp(0.8 * side * network.approach)
        if works is not None:
            appeal = appeal * np.where(works, _WORKS_APPEAL, 1)
        weight = np.append(appeal, 0)[network.down] * np.array([[1.0], [3.0], [1.0]])
        for past in range(self.period):
            shift = self.rng(16, past).standard_normal((network.num_sections, len(weight))).T
            weight = weight * np.exp(0.2 * self.plan.drift * shift)
        return (weight / np.maximum(weight.sum(axis=0), 1e-12)).astype(np.float32)

    def _exits(self) -> tuple[Float32[np.ndarray, " section"], Float32[np.ndarray, " section"]]:
        dead_end = (self.network.down == self.network.num_sections).all(axis=0)
        to_work = np.where(dead_end, 1, 0.06 + 0.26 * self.business)
        to_home = np.where(dead_end, 1, 0.28 - 0.2 * self.business)
        return to_work.astype(np.float32), to_home.astype(np.float32)

    def _capacity(self, peak: Float32[np.ndarray, " section"]) -> np.ndarray:
        """Peak flow times a headroom of 1.5 in the median; a tenth has less than 1.1."""
        size = self.network.num_sections
        headroom = np.clip(1.5 * np.exp(0.25 * self.rng(17).standard_normal(size)), 0.95, 3.0)
        return np.maximum(headroom * peak, _SMALLEST_CAPACITY * 24 / self.plan.ticks_per_day)


def weekly_profiles(ticks_per_day: int) -> Float32[np.ndarray, "profile tick"]:
    """Demand by tick of the week, from Monday 0:00: from homes, from work and for leisure.

    The top of a working day's rush is about 1.

    Example:
        >>> homes, work, leisure = weekly_profiles(24).reshape(3, 7, 24)
        >>> int(homes[0].argmax()), int(work[0].argmax())  # hours of the rush on a Monday
        (8, 16)
    """
    tick = np.arange(7 * ticks_per_day)
    hour, day = tick % ticks_per_day / ticks_per_day * 24, tick // ticks_per_day
    homes = _bump(hour, 7.6, 1.1) + 0.35 * _bump(hour, 13.0, 4.0) + 0.2 * _bump(hour, 18.5, 2.0)
    work = _bump(hour, 16.6, 1.4) + 0.45 * _bump(hour, 12.5, 2.5) + 0.1 * _bump(hour, 8.0, 1.5)
    leisure = _bump(hour, 14.5, 3.5) + 0.5 * _bump(hour, 20.0, 2.0)
    workday = np.array([1.0, 1.02, 1.03, 1.05, 0.98, 0.4, 0.28])[day]
    free_time = np.array([0.6, 0.6, 0.65, 0.7, 1.0, 1.4, 1.2])[day]
    profiles = np.stack([homes * workday, work * workday, leisure * free_time])
    return (profiles + 0.02).astype(np.float32)


def morning_share(ticks_per_day: int) -> Float32[np.ndarray, " tick"]:
    """How much the traffic of each tick of the day drives to work rather than home.

    Example:
        >>> morning_share(24)[[2, 8, 17]].round(1)
        array([0.2, 1. , 0. ], dtype=float32)
    """
    hour = np.arange(ticks_per_day) / ticks_per_day * 24
    to_work = 1 / (1 + np.exp((hour - 12.5) / 1.2))
    night = 1 / (1 + np.exp((hour - 3.0) / 0.7))
    return (to_work * (1 - night)).astype(np.float32)


def neighbourhood_factor(
    position: Float32[np.ndarray, "section 2"], rng: np.random.Generator, spread: float
) -> Float32[np.ndarray, " section"]:
    """A demand factor shared by neighbours, such as a day's weather or an event.

    Example:
        >>> position = np.zeros((2, 2), np.float32)  # two sections at one place
        >>> factor = neighbourhood_factor(position, np.random.default_rng(0), spread=0.3)
        >>> bool(factor[0] == factor[1])
        True
    """
    return np.exp(spread * _smooth_field(position, rng)).astype(np.float32)


def _smooth_field(
    position: Float32[np.ndarray, "section 2"], rng: np.random.Generator
) -> Float64[np.ndarray, " section"]:
    """A random field of unit variance: plane waves six to twenty spacings long."""
    angle, length, phase = rng.random((3, _WAVES))
    number = 2 * np.pi / (6 + 14 * length)
    wave = number * np.stack([np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)])
    return np.cos(position @ wave + 2 * np.pi * phase).sum(axis=1) * np.sqrt(2 / _WAVES)


def _bump(
    hour: Float64[np.ndarray, " tick"], middle: float, width: float
) -> Float64[np.ndarray, " tick"]:
    apart = np.abs(hour - middle)
    return np.exp(-((np.minimum(apart, 24 - apart) / width) ** 2) / 2)
