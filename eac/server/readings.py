"""Readings of sensors as columns."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray


@dataclass(frozen=True, eq=False)
class Readings:
    """Readings in any order, one a row.

    Attributes:
        unique_id: Sensor of each.
        step: Step of each on the clock of the board.
        y: Value of each, NaN where it is known to be missing.
    """

    unique_id: list[str]
    step: Int[ndarray, " reading"]
    y: Float[ndarray, " reading"]

    def __len__(self) -> int:
        return len(self.unique_id)

    @staticmethod
    def of(rows: Iterable[tuple[str, int, float]]) -> "Readings":
        """Readings from rows of sensor, step and value.

        Example:
            >>> len(Readings.of([("a", 7, 1.0), ("b", 7, float("nan"))]))
            2
        """
        table = list(rows)
        return Readings(
            [node for node, _, _ in table],
            np.array([step for _, step, _ in table], dtype=np.int64),
            np.array([y for _, _, y in table], dtype=np.float64),
        )

    def some(self, chosen: Int[ndarray, " chosen"]) -> "Readings":
        """The readings of these rows."""
        ids = [self.unique_id[row] for row in chosen.tolist()]
        return Readings(ids, self.step[chosen], self.y[chosen])


def too_large(y: Float[ndarray, " reading"]) -> Int[ndarray, " row"]:
    """Rows of values that single precision, in which models read, does not hold.

    Example:
        >>> too_large(np.array([1.0, np.nan, 3.5e38, -np.inf])).tolist()
        [2, 3]
    """
    with np.errstate(over="ignore"):
        return np.flatnonzero(np.isinf(y.astype(np.float32)))


def layers(key: Int[ndarray, " reading"]) -> Iterator[Int[ndarray, " layer"]]:
    """Rows with all keys different, in order: first the first of each key, then the second.

    Example:
        >>> [rows.tolist() for rows in layers(np.array([5, 7, 5]))]
        [[0, 1], [2]]
    """
    order = np.argsort(key, kind="stable")
    begins = np.append(True, np.diff(key[order]) != 0)
    first = np.maximum.accumulate(np.where(begins, np.arange(len(key)), 0))
    turn = np.arange(len(key)) - first
    for number in range(int(turn.max(initial=0)) + 1):
        yield order[turn == number]
