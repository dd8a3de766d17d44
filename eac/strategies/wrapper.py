"""A strategy that stands on another one."""

from abc import ABC
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from eac.backbones.base import Backbone
from eac.data.batches.batch import Batch, Inputs
from eac.strategies.base import PeriodContext, Strategy
from eac.typing import ForecastMemory, NodeSeries


class Wrapper(Strategy, ABC):
    """Passes every hook on to another strategy; a subclass changes what it is there to change.

    ``plan`` must be written. A hook that a subclass writes still has to reach the other strategy.

    Args:
        strategy: The other strategy.

    Example:
        >>> from eac.strategies.eac import EAC
        >>> from eac.strategies.compressed import Compressed
        >>> isinstance(Compressed(EAC()), Wrapper)
        True
    """

    def __init__(self, strategy: Strategy):
        super().__init__()
        self.strategy = strategy

    def attach(self, backbone: Backbone) -> None:
        """As the other strategy does."""
        self.strategy.attach(backbone)

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """As the other strategy does."""
        self.strategy.begin_period(context, backbone)

    def select_nodes(self, node_ids: Sequence[str]) -> None:
        """As the other strategy does."""
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
        """As the other strategy does."""
        self.strategy.begin_forecasts()

    def resume_forecasts(
        self, memory: ForecastMemory | None = None, since: NodeSeries | None = None
    ) -> None:
        """As the other strategy does."""
        self.strategy.resume_forecasts(memory, since)

    def forecasts_memory(self) -> ForecastMemory | None:
        """As of the other strategy."""
        return self.strategy.forecasts_memory()

    def end_forecasts(self) -> None:
        """As the other strategy does."""
        self.strategy.end_forecasts()

    def adapt_forecast(
        self, y_hat: Float[Tensor, "batch node horizon"], batch: Batch
    ) -> Float[Tensor, "batch node horizon"]:
        """As the other strategy does."""
        return self.strategy.adapt_forecast(y_hat, batch)

    @property
    def forecasts_apart(self) -> bool:
        """As of the other strategy, where this one does not change forecasts itself."""
        own = type(self).adapt_forecast is not Wrapper.adapt_forecast
        return not own and self.strategy.forecasts_apart

    def end_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """As the other strategy does."""
        self.strategy.end_period(context, backbone)
