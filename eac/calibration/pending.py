"""Forecasts that wait for their readings."""

import numpy as np
from jaxtyping import Float, Int, Num
from numpy import ndarray

EVERYONE = slice(None)


class Pending:
    """Forecasts by step of the horizon, each kept until its reading has come or is too late.

    Of step ``h`` the last ``h + late`` forecasts are kept, so that memory is about
    ``nodes x horizon² / 2``.

    Args:
        num_nodes: Of a forecast.
        horizon: Steps of a forecast.
        late: Steps after which a reading still finds its forecasts.

    Attributes:
        kept: Forecasts, by place; none before one is put.
        issued: When each was issued; -1: not yet.

    Example:
        >>> pending = Pending(num_nodes=1, horizon=2)
        >>> pending.put(10, np.array([[5.0, 6.0]]))
        >>> pending.put(11, np.array([[7.0, 8.0]]))
        >>> forecasts, issued = pending.about(12)
        >>> forecasts.ravel().tolist(), issued.tolist()
        ([7.0, 6.0], [11, 10])
    """

    def __init__(self, num_nodes: int, horizon: int, late: int = 0):
        self._ahead = np.arange(1, horizon + 1)
        self._length = self._ahead + late
        self._first = self._length.cumsum() - self._length
        total = int(self._length.sum())
        self._nodes = num_nodes
        self.kept = np.empty((0, num_nodes), np.float32)  # until one is put
        self.issued = np.full(total, -1)

    def put(self, issued: int, y_hat: Float[ndarray, "node horizon"]) -> None:
        """Keeps a forecast."""
        if not len(self.kept):
            self.kept = np.full((len(self.issued), self._nodes), np.nan, np.float32)
        slots = self._first + issued % self._length
        self.kept[slots] = y_hat.T
        self.issued[slots] = issued

    def take(self, kept: Float[ndarray, "slot node"], issued: Int[ndarray, " all_slots"]) -> None:
        """Takes up ``kept`` and ``issued`` of another.

        Raises:
            ValueError: If they are of another number of nodes or steps.
        """
        if issued.shape != self.issued.shape or kept.shape[1] != self._nodes:
            raise ValueError(f"forecasts {kept.shape} are not of {self._nodes} sensors")
        if len(kept) not in (0, len(issued)):
            raise ValueError(f"there are {len(kept)} forecasts, not {len(issued)}")
        self.kept, self.issued = kept, issued

    def about(self, target: int) -> tuple[Float[ndarray, "horizon node"], Int[ndarray, " horizon"]]:
        """Forecasts of one step and when each was issued, by step ahead; NaN and -1: none."""
        wanted = target - self._ahead
        slots = self._first + wanted % self._length
        found = self.issued[slots] == wanted
        if not len(self.kept):
            return np.full((len(slots), self._nodes), np.nan, np.float32), np.full_like(wanted, -1)
        kept = self.kept[slots]
        if not found.all():
            kept[~found] = np.nan
        return kept, np.where(found, wanted, -1)


class Snapshots:
    """Small facts of each of the last steps, by the step at which they held.

    Args:
        length: Steps kept.
        shape: Of the facts of one step.
        dtype: In which they are kept.

    Attributes:
        kept: The facts, by place.

    Example:
        >>> kept = Snapshots(3, (2,), np.float32)
        >>> kept.put(7, np.array([1.0, 2.0]))
        >>> kept.at(np.array([7])).tolist()
        [[1.0, 2.0]]
    """

    def __init__(self, length: int, shape: tuple[int, ...], dtype: type[np.floating] = np.float16):
        self.kept = np.zeros((length, *shape), dtype)

    def put(self, step: int, facts: Num[ndarray, "*shape"]) -> None:
        """Keeps the facts of one step in place of those of ``length`` steps before."""
        self.kept[step % len(self.kept)] = facts

    def take(self, kept: Num[ndarray, "..."]) -> None:
        """Takes up ``kept`` of another.

        Raises:
            ValueError: If it is of another shape.
        """
        if kept.shape != self.kept.shape:
            raise ValueError(f"facts {kept.shape} are not {self.kept.shape}")
        self.kept = kept

    def at(
        self, steps: Int[ndarray, " step"], nodes: slice = EVERYONE
    ) -> Float[ndarray, " step *shape"]:
        """The facts of these steps, all among the last, of some entries of the last axis."""
        return self.kept[..., nodes][steps % len(self.kept)].astype(np.float32)
