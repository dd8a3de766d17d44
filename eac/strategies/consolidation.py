"""Elastic weight consolidation on the training windows of a period."""

from abc import ABC
from collections.abc import Iterable, Iterator, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from eac.backbones.base import Backbone
from eac.checks import check_least
from eac.continual.features import batches, evaluating, training_starts
from eac.continual.fisher import EWC, diagonal_fisher
from eac.continual.probe import Trial
from eac.data.batches.batch import Batch
from eac.data.batches.view import PeriodView
from eac.metrics.losses import MSE
from eac.strategies.base import PeriodContext, Strategy
from eac.strategies.forecast import Pair


class Consolidated(Strategy, ABC):
    """A strategy that holds the backbone's old weights from the second period on.

    Args:
        ewc: Weight of the penalty.

    Example:
        >>> from eac.strategies.traffic_stream import TrafficStream
        >>> issubclass(TrafficStream, Consolidated)
        True
    """

    def __init__(self, ewc: float):
        super().__init__()
        check_least(0, ewc=ewc)
        self._weight = ewc

    def attach(self, backbone: Backbone) -> None:
        """Room for the old weights and their importance."""
        self.ewc = EWC.over(backbone.parameters(), self._weight)

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Holds the old weights from the second period on."""
        if context.previous is not None:
            held = list(backbone.parameters())
            consolidate(self.ewc, Pair(self, backbone), held, context.current)

    def penalty(self, backbone: Backbone) -> Float[Tensor, ""]:
        """Weighted distance from the old weights; 0 in the first period."""
        return self.ewc.penalty(backbone.parameters())


def consolidate(ewc: EWC, model: Trial, held: Sequence[nn.Parameter], view: PeriodView) -> None:
    """Holds parameters as they are now, by their Fisher information on the training windows.

    The published codes of TrafficStream and STKEC take the data of the period that begins, not of
    the one the weights come from, and so does this.

    Example:
        >>> from eac.backbones.stgnn import STGNN
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> from eac.strategies.online_all import OnlineAll
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> pair = Pair(OnlineAll(), STGNN())
        >>> held = list(pair.backbone.parameters())
        >>> ewc = EWC.over(held, weight=1.0)
        >>> consolidate(ewc, pair, held, data.prepared(pair.backbone.needs).view)
        >>> ewc.penalty(held).item()  # nothing has moved yet
        0.0
    """
    with evaluating(model):
        losses = _losses(model, batches(view, model.backbone, training_starts(view)))
        ewc.consolidate(held, diagonal_fisher(held, losses))


def _losses(model: Trial, windows: Iterable[Batch]) -> Iterator[Float[Tensor, ""]]:
    loss = MSE()
    for batch in windows:
        yield loss(model(batch), batch.scaler.scale_target(batch.y), batch.mask)
