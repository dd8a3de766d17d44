"""ST-TTC: any strategy, whose forecasts are calibrated while they are made."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from eac.backbones.base import Backbone
from eac.data.batch import Batch, Inputs
from eac.nn.calibration import OnlineCalibration
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy


class STTTC(Strategy):
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
    """

    def __init__(self, strategy: Strategy, *, groups: int = 4, learning_rate: float = 1e-4):
        super().__init__()
        self.strategy = strategy
        self._calibration = OnlineCalibration(groups, learning_rate)

    def attach(self, backbone: Backbone) -> None:
        """As the other strategy does."""
        self.strategy.attach(backbone)

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """As the other strategy does."""
        return self.strategy.plan(context, backbone)

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """As the other strategy does."""
        self.strategy.begin_period(context, backbone)

    def select_nodes(self, node_ids: Sequence[str]) -> None:
        """As the other strategy does; what was learned of other nodes is forgotten."""
        self._calibration.reset()
        self.strategy.select_nodes(node_ids)

    def adapt_input(self, inputs: Inputs) -> Inputs:
        """As the other strategy does."""
        return self.strategy.adapt_input(inputs)

    def adapt_features(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node hidden"]:
        """As the other strategy does."""
        return self.strategy.adapt_features(features, inputs)

    def penalty(self, backbone: Backbone) -> Float[Tensor, ""] | None:
        """As the other strategy does."""
        return self.strategy.penalty(backbone)

    def end_training(self, context: PeriodContext, backbone: Backbone) -> None:
        """As the other strategy does."""
        self.strategy.end_training(context, backbone)

    def begin_forecasts(self) -> None:
        """Starts from no calibration."""
        self._calibration.reset()
        self.strategy.begin_forecasts()

    def adapt_forecast(
        self, y_hat: Float[Tensor, "batch node horizon"], batch: Batch
    ) -> Float[Tensor, "batch node horizon"]:
        """Calibrates each forecast by the windows whose targets were known when it was made."""
        y_hat = self.strategy.adapt_forecast(y_hat, batch)
        return self._calibration(y_hat, batch.y, batch.mask, batch.starts)

    def end_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """As the other strategy does."""
        self.strategy.end_period(context, backbone)
