"""Streams cut to the first nodes of each period: what a network that starts small meets."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from eac.data.core.period import Period
from eac.data.core.stream import GraphStream
from eac.data.parsing.form import Form
from eac.errors import StreamError


class FirstNodes(GraphStream):
    """Another stream, each period cut to the first nodes it lists.

    Args:
        stream: The whole stream.
        counts: Nodes of each period, in order; more than a period has leaves it whole.

    Raises:
        StreamError: If there is not one positive count for each period.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> whole = SyntheticStream(num_nodes=8, num_periods=2, steps_per_period=300)
        >>> [period.num_nodes for period in FirstNodes(whole, [3, 5])]
        [3, 5]
    """

    def __init__(self, stream: GraphStream, counts: Sequence[int]):
        if len(counts) != len(stream) or any(count < 1 for count in counts):
            raise StreamError(
                f"nodes {', '.join(map(str, counts))} for the {len(stream)} periods "
                f"{', '.join(stream.period_names)}: give one positive number for each period."
            )
        self._stream, self._counts = stream, tuple(counts)
        self.name, self.target = stream.name, stream.target
        self.unit, self.source = stream.unit, stream.source
        self.form = getattr(stream, "form", Form())

    @property
    def period_names(self) -> Sequence[str]:
        """Names of the periods, in order of time."""
        return self._stream.period_names

    def load(self, index: int) -> Period:
        """The first nodes of the period at ``index``, with the edges between them."""
        return _first_nodes(self._stream.load(index), self._counts[index])


def _first_nodes(period: Period, count: int) -> Period:
    """The period with its first nodes alone."""
    if count >= period.num_nodes:
        return period
    chosen, ahead, where = torch.arange(count), period.covariates, period.coordinates
    return replace(
        period,
        series=period.series[:, :count].clone(),
        node_ids=period.node_ids[:count],
        graph=period.graph.subgraph(chosen),
        coordinates=None if where is None else where[:count],
        covariates=None if ahead is None else ahead.permute(chosen),
        mapped=False,
    )
