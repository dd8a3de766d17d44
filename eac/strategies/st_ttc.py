"""ST-TTC: any strategy, whose forecasts are calibrated while they are made."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from eac.backbones.base import Backbone
from eac.checks import check_least
from eac.data.batches.batch import Batch
from eac.nn.calibration import OnlineCalibration
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy
from eac.strategies.wrapper import Wrapper


class STTTC(Wrapper):
    """Test-time calibration on top of another strategy (ST-TTC, NeurIPS 2025).

    The model stays as the other strategy trained it. In a test each node's forecast has the
    amplitude and phase of its frequencies changed, group by group; the changes begin as zero and
    take one step of Adam on each window whose targets have all become known. Strictly causal: a
    target changes only forecasts made at its step or later. Every test begins afresh.

    Published: what is calibrated; 4 groups (for 12 steps: the mean, one swing, two swings, all
    faster ones); one step per window on the squared error in raw units; learning rate 1e-4.
    Departures: windows are learned from one by one, whatever the batch; steps are counted node by
    node, and a node without an observed target does not move. Validation is not calibrated.

    Args:
        strategy: The strategy that trains the model.
        groups: Groups of frequencies; at most as many as the horizon has frequencies.
        learning_rate: Of Adam.

    Example:
        >>> from eac.strategies.eac import EAC
        >>> strategy = STTTC(EAC(rank=6, seed=0), groups=4)
    """

    def __init__(self, strategy: Strategy, *, groups: int = 4, learning_rate: float = 1e-4):
        super().__init__(strategy)
        check_least(1, groups=groups)
        check_least(0, learning_rate=learning_rate)
        self._calibration = OnlineCalibration(groups, learning_rate)

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """As the other strategy does."""
        return self.strategy.plan(context, backbone)

    def select_nodes(self, node_ids: Sequence[str]) -> None:
        """As the other strategy does; what was learned of other nodes is forgotten."""
        self._calibration.reset()
        super().select_nodes(node_ids)

    def begin_forecasts(self) -> None:
        """Starts from no calibration."""
        self._calibration.reset()
        super().begin_forecasts()

    def adapt_forecast(
        self, y_hat: Float[Tensor, "batch node horizon"], batch: Batch
    ) -> Float[Tensor, "batch node horizon"]:
        """Calibrates each forecast by the windows whose targets were known when it was made."""
        y_hat = super().adapt_forecast(y_hat, batch)
        return self._calibration(y_hat, batch.y, batch.mask, batch.starts)
