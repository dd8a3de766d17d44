"""Reversible instance normalisation around any backbone."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from eac.backbones.base import Backbone
from eac.data.batches.batch import Batch, Inputs
from eac.data.core.graph import Graph
from eac.data.series.scaling import Scaler
from eac.errors import ConfigError


class RevIN(Backbone):
    """Takes level and spread out of each window of each node, and puts them back on the forecast.

    Reversible instance normalisation (Kim et al., ICLR 2022): the readings present in a window
    give its mean and deviation; window and seasonal history are scaled by these, missing readings
    become the mean, and the forecast is scaled back. A window without any reading is left alone.
    The paper's learned affine map is left out: one per node would have to grow with the network,
    and what is particular to a node is a prompt's part here; one for all is part of any first
    layer.

    What the neighbours of a node read is scaled like the node's own readings where the backbone
    hears them through one application of the graph alone; a backbone that hears further applies
    the graph to normalised windows.

    Args:
        backbone: The network inside.
        least: Added to the deviation as if it were independent noise, in scaled units: what a
            constant window is divided by, and a bound on how much is magnified (paper: 0.003).

    Example:
        >>> from eac.backbones.stid import STID
        >>> from eac.data.core.graph import Graph
        >>> network = RevIN(STID(hidden=8).eval(), least=0.1)
        >>> network(Inputs(torch.randn(2, 5, 12)), Graph.empty(5)).shape
        torch.Size([2, 5, 12])
    """

    def __init__(self, backbone: Backbone, least: float = 0.1):
        super().__init__()
        if least <= 0:
            raise ConfigError(f"revin={least}: give a positive deviation in scaled units, or null.")
        self.backbone = backbone
        self.least = least
        self.window, self.horizon, self.hidden = backbone.window, backbone.horizon, backbone.hidden
        alone = backbone.needs.hops == 1
        self.needs = backbone.needs if alone else replace(backbone.needs, neighbours=None)

    @property
    def prompt_width(self) -> int:
        """That of the backbone; prompts are added to normalised readings."""
        return self.backbone.prompt_width

    def encode(self, inputs: Inputs, graph: Graph) -> Float[Tensor, "batch node hidden"]:
        """Features of normalised windows."""
        return self.backbone.encode(self._normalised(inputs, graph), graph)

    def decode(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "*output batch node horizon"]:
        """The backbone's forecast, on the level and with the spread of the window."""
        level = Level.of(inputs, self.least)
        return level.restore(self.backbone.decode(features, level.apply(inputs)))

    def head_parameters(self) -> list[nn.Parameter]:
        """Those of the backbone."""
        return self.backbone.head_parameters()

    def look_back(self, batch: Batch, *, fresh: bool) -> None:
        """Lets the backbone see."""
        self.backbone.look_back(batch, fresh=fresh)

    def start_from(self, batch: Batch) -> None:
        """Lets the backbone choose by normalised windows.

        Raises:
            ConfigError: If forecasts are in other units than the readings, as published.
        """
        if batch.scaler.trivial:
            raise ConfigError(
                f"revin={self.least}: the forecasts of this protocol are in raw units, its "
                "readings are scaled, so a level cannot be put back. Take --protocol strict, or a "
                "scaling for both: --data.scaling PerNode."
            )
        level = Level.of(batch.inputs, self.least)
        inputs = self._normalised(batch.inputs, batch.graph)
        self.backbone.start_from(replace(batch, gathered=inputs, scaler=level.after(batch.scaler)))

    def _normalised(self, inputs: Inputs, graph: Graph) -> Inputs:
        near = inputs.neighbour_x
        if near is None and self.needs.neighbours is not None:
            batch, node, window = inputs.x.shape
            series = inputs.x.transpose(1, 2).reshape(batch * window, node)
            applied = self.needs.neighbours(series, graph)
            near = None if applied is None else applied.view(batch, window, node).transpose(1, 2)
        return Level.of(inputs, self.least).apply(replace(inputs, neighbour_x=near))


@dataclass(frozen=True, eq=False)
class Level:
    """Mean and deviation of each window of each node, in scaled units.

    Attributes:
        mean: Of the readings present; 0 where there are none.
        scale: Positive; 1 where there are none.
        present: True where a reading is.

    Example:
        >>> level = Level.of(Inputs(torch.tensor([[[1.0, 3.0]]])), least=0.1)
        >>> level.mean, level.scale
        (tensor([[2.]]), tensor([[1.0050]]))
    """

    mean: Float[Tensor, "batch node"]
    scale: Float[Tensor, "batch node"]
    present: Bool[Tensor, "batch node window"]

    @staticmethod
    def of(inputs: Inputs, least: float) -> "Level":
        """The level of the readings of a batch, prompts aside."""
        x = inputs.x
        present = torch.ones_like(x, dtype=torch.bool)
        present = present if inputs.observed is None else inputs.observed
        count = present.sum(-1)
        weight = present / count.clamp_min(1)[..., None]
        mean = (x * weight).sum(-1)
        variance = ((x - mean[..., None]).square() * weight).sum(-1)
        scale = (variance + least**2).sqrt()
        return Level(mean, torch.where(count > 0, scale, 1.0), present)

    def apply(self, inputs: Inputs) -> Inputs:
        """The same inputs with the level taken out of everything that was read."""
        silent = ~self.present.any(-1, keepdim=True)
        x, near = self._without(inputs.x), inputs.neighbour_x
        history, known, around = inputs.history, inputs.history_observed, inputs.neighbour_history
        if history is not None:
            history = self._without(history)
            history = history if known is None else history.masked_fill(~known, 0.0)
        return replace(
            inputs,
            x=x.masked_fill(~(self.present | silent), 0.0),
            neighbour_x=None if near is None else self._without(near),
            history=history,
            neighbour_history=None if around is None else self._without(around),
        )

    def restore(
        self, y_hat: Float[Tensor, "*output batch node horizon"]
    ) -> Float[Tensor, "*output batch node horizon"]:
        """Puts the level back, on every output."""
        return torch.addcmul(self.mean[..., None], y_hat, self.scale[..., None])

    def after(self, scaler: Scaler) -> Scaler:
        """From normalised to raw units in one step."""
        return Scaler(scaler.mean + scaler.scale * self.mean, scaler.scale * self.scale)

    def _without(
        self, values: Float[Tensor, "batch node *any"]
    ) -> Float[Tensor, "batch node *any"]:
        shape = (*self.mean.shape, *(1 for _ in values.shape[2:]))
        return (values - self.mean.view(shape)) / self.scale.view(shape)
