"""What a backbone asks of its data, declared once."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.typing import NodeSeries

Neighbours: TypeAlias = Callable[[NodeSeries, Graph], NodeSeries | None]
"""The graph applied to a whole scaled series, step by step; None where it is not."""


class Extra(ABC):
    """An input of a backbone that follows from the calendar, the nodes or the graph of a period.

    Whatever it gives is known beforehand, so it must not look at readings. A batch holds it as
    ``inputs.extras[name]``.

    Attributes:
        name: By which the backbone finds it in ``Inputs.extras``.

    Example:
        >>> class Weekend(Extra):
        ...     name = "weekend"
        ...     def series(self, period, steps):
        ...         days = period.calendar.day_of_week(torch.arange(steps.start, steps.stop))
        ...         return (days >= 5).float()[:, None, None]
        >>> Needs(extras=(Weekend(),)).extras[0].name
        'weekend'
    """

    name: str

    @abstractmethod
    def series(self, period: Period, steps: range) -> Float[Tensor, "time column channel"]:
        """Its values, finite, at these steps: one column for each node, or one for all.

        Args:
            period: In training and tests a period of the stream; in a forecast the last window and
                the steps to forecast, whose series is NaN there.
            steps: Counted from the first step of the period; they may begin before it.
        """


@dataclass(frozen=True)
class Needs:
    """What a backbone asks of its data beside the window.

    Attributes:
        lags: Seasonal history, such as ``1d`` or ``2w``.
        covariates: Names of series known ahead; a batch holds them as
            ``inputs.extras["covariates"]``.
        hops: Edges between a node and the farthest node it hears; None if it may hear them all.
        neighbours: Applies the graph to a whole scaled series, where the first layer is linear in
            it: a batch then holds ``neighbour_x``, and the backbone need not apply the graph to
            ``x`` again.
        network: Whether a batch holds the mean of all sensors at each step of the window, scaled
            and filled as they are; that of a batch of some sensors is of all of them too.
        extras: Further inputs, each under its own name.

    Example:
        >>> Needs(lags=("1d", "1w"), hops=2).lags
        ('1d', '1w')
    """

    lags: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    hops: int | None = None
    neighbours: Neighbours | None = None
    network: bool = False
    extras: tuple[Extra, ...] = ()

    @property
    def apart(self) -> bool:
        """True where a node can be forecast without the others in its batch.

        What its neighbours read then comes from their whole series, or does not matter.
        """
        return self.hops == 0 or (self.hops == 1 and self.neighbours is not None)
