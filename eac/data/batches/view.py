"""One period as strategies see it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from eac.data.batches.tensors import PeriodTensors
from eac.data.core.period import Period
from eac.data.core.windows import Split


@dataclass(frozen=True, eq=False)
class PeriodView:
    """One period as a strategy may see it.

    Attributes:
        period: Ids, graph and raw series.
        ready: The same, made ready for batches, all nodes; or what makes it so when it is asked
            for.
        split: Steps of each part; a strategy learns from ``train`` and ``val`` only.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> view = data.prepared(Needs()).view
        >>> view.period.name, len(view.split.train), view.tensors.horizon
        ('0', 120, 12)
    """

    period: Period
    ready: PeriodTensors | Callable[[], PeriodTensors]
    split: Split

    @cached_property
    def tensors(self) -> PeriodTensors:
        """The period made ready for batches, all nodes."""
        return self.ready if isinstance(self.ready, PeriodTensors) else self.ready()
