"""The cell transmission model of road traffic on a network, vectorised over its sections.

Sources: C. F. Daganzo, "The cell transmission model: a dynamic representation of highway traffic
consistent with the hydrodynamic theory", Transportation Research B 28 (1994) 269-287, for sending
and receiving flows; part II, B 29 (1995) 79-93, for networks and for diverges that keep the order
of vehicles; W. L. Jin and H. M. Zhang, "On the distribution schemes for determining flows through
a merge", B 37 (2003) 521-540, for the merge that shares room in proportion to demand. The model is
the Godunov scheme of the kinematic-wave equation (Lighthill, Whitham and Richards) with a
triangular flow-density diagram.

One cell is one road section, as long as free flow covers in one tick (Courant number 1); amounts
are vehicles, flows vehicles per tick.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int

WAVE_RATIO = 0.25
"""Speed of the backward wave over free speed, such as 15 km/h over 60 km/h."""

_EQUILIBRIUM_ROUNDS = 60


@dataclass(frozen=True, eq=False)
class Cells:
    """The fixed part: which section leads where (see ``RoadNetwork``) and what it carries.

    Attributes:
        down: Section reached by each turn, or one past the last.
        up: Where the turns into each section stand in ``down.ravel()``, or one past the last.
        capacity: Most vehicles that pass in one tick.

    Example:
        >>> none, road = np.full((3, 1), 1), np.full((3, 1), 3)
        >>> Cells(down=none, up=road, capacity=np.ones(1, np.float32)).storage
        array([5.], dtype=float32)
    """

    down: Int[np.ndarray, "turn section"]
    up: Int[np.ndarray, "turn section"]
    capacity: Float32[np.ndarray, " section"]

    @property
    def storage(self) -> Float32[np.ndarray, " section"]:
        """Vehicles in a section at jam density: ``capacity (1 + 1 / WAVE_RATIO)``."""
        return self.capacity * np.float32(1 + 1 / WAVE_RATIO)


@dataclass(frozen=True, eq=False)
class Load:
    """The state: vehicles in each section and vehicles that wait to enter it from outside.

    Example:
        >>> Load(vehicles=np.array([3.0], np.float32), queue=np.zeros(1, np.float32)).vehicles
        array([3.], dtype=float32)
    """

    vehicles: Float32[np.ndarray, " section"]
    queue: Float32[np.ndarray, " section"]


@dataclass(frozen=True, eq=False)
class Conditions:
    """What drives one tick.

    Attributes:
        demand: Vehicles that want to start in each section.
        turning: Share of the vehicles staying on the road that take each turn; 0 where there is
            none, otherwise the shares of a section sum to 1.
        exit_share: Share of the vehicles at the end of a section that arrive; 1 without a turn.
        open_share: Share of the capacity that is open, below 1 during an incident.

    Example:
        >>> one, none = np.ones(1, np.float32), np.zeros((3, 1), np.float32)
        >>> Conditions(demand=0.5 * one, turning=none, exit_share=one, open_share=one).demand
        array([0.5], dtype=float32)
    """

    demand: Float32[np.ndarray, " section"]
    turning: Float32[np.ndarray, "turn section"]
    exit_share: Float32[np.ndarray, " section"]
    open_share: Float32[np.ndarray, " section"]


@dataclass(frozen=True, eq=False)
class Flow:
    """Vehicles moved in one tick.

    Attributes:
        started: Entered a section from outside.
        passed: Passed the end of a section, arrivals included: what a detector there counts.
        arrived: Left the network at the end of a section.

    Example:
        >>> one = np.ones(1, np.float32)
        >>> Flow(started=one, passed=2 * one, arrived=2 * one).passed
        array([2.], dtype=float32)
    """

    started: Float32[np.ndarray, " section"]
    passed: Float32[np.ndarray, " section"]
    arrived: Float32[np.ndarray, " section"]


def transmit(cells: Cells, load: Load, now: Conditions) -> tuple[Load, Flow]:
    """Advances the traffic by one tick; vehicles are neither made nor lost.

    A section sends ``S = min(n, Q)`` and receives ``R = min(Q, WAVE_RATIO (N - n))`` (Daganzo
    1994, eq. 2 and 3). Where more want to enter than fit, all feeders get the same share of their
    wish. Vehicles wait for the most crowded of their section's turns (first in, first out), except
    those that arrive: they have a lane of their own, so that a ring of full sections dissolves.

    Example:
        >>> one, none = np.ones(1, np.float32), np.zeros((3, 1), np.float32)
        >>> cells = Cells(down=np.full((3, 1), 1), up=np.full((3, 1), 3), capacity=2 * one)
        >>> load, flow = transmit(cells, Load(5 * one, 0 * one), Conditions(one, none, one, one))
        >>> load.vehicles, flow.passed
        (array([4.], dtype=float32), array([2.], dtype=float32))
    """
    capacity = cells.capacity
    sending = np.minimum(load.vehicles, capacity * now.open_share)
    room = np.float32(WAVE_RATIO) * (cells.storage - load.vehicles)
    receiving = np.clip(room, 0, capacity)
    staying = sending * (1 - now.exit_share)
    waiting = load.queue + now.demand
    starting = np.minimum(waiting, capacity)
    wish = now.turning * staying
    wanted = _into_section(wish, cells.up) + starting
    granted = np.minimum(1, receiving / np.maximum(wanted, np.float32(1e-9)))
    slowest = np.append(granted, np.float32(1))[cells.down].min(axis=0)
    started = starting * granted
    arrived = sending * now.exit_share
    passed = arrived + staying * slowest
    entered = _into_section(wish * slowest, cells.up) + started
    after = Load(load.vehicles + entered - passed, waiting - started)
    return after, Flow(started, passed, arrived)


def free_flow(
    up: Int[np.ndarray, "turn section"],
    demand: Float32[np.ndarray, " section"],
    turning: Float32[np.ndarray, "turn section"],
    exit_share: Float32[np.ndarray, " section"],
) -> Float32[np.ndarray, " section"]:
    """The steady flow that constant demand would cause on roads without limits.

    Solves ``flow = demand + inflow(flow)`` by repeated substitution.

    Example:
        >>> demand, turning = np.array([1.0, 0.0], np.float32), np.zeros((3, 2), np.float32)
        >>> turning[0, 0] = 1.0  # the first section leads into the second, where all arrive
        >>> up = np.full((3, 2), 6)
        >>> up[0, 1] = 0
        >>> free_flow(up, demand, turning, np.array([0.0, 1.0], np.float32))
        array([1., 1.], dtype=float32)
    """
    flow = demand
    for _ in range(_EQUILIBRIUM_ROUNDS):
        flow = demand + _into_section(turning * (flow * (1 - exit_share)), up)
    return flow


def _into_section(
    per_turn: Float32[np.ndarray, "turn section"], up: Int[np.ndarray, "turn section"]
) -> Float32[np.ndarray, " section"]:
    return np.append(per_turn.ravel(), np.float32(0))[up].sum(axis=0)
