"""The contract of a backbone: a network that knows no node by name."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from eac.data.batches.batch import Batch, Inputs
from eac.data.batches.needs import Needs
from eac.data.core.graph import Graph
from eac.described import Described

PART_BYTES = 1 << 22
"""Of the widest layer, for the windows and nodes that are forecast at once."""


class Backbone(Described, nn.Module, ABC):
    """A spatio-temporal network in two halves, between which a strategy may change the features.

    ``decode`` receives the inputs again because residuals add the *unprompted* readings.

    Attributes:
        window: Past steps in.
        horizon: Future steps out.
        hidden: Width of the features that ``encode`` returns.
        needs: What it asks of its data beside the window, and how far it hears.

    Example:
        >>> from eac.backbones.stgnn import STGNN
        >>> backbone = STGNN(window=12, horizon=6, hidden=16)
        >>> backbone.window, backbone.horizon, backbone.hidden, backbone.prompt_width
        (12, 6, 12, 12)
    """

    window: int
    horizon: int
    hidden: int
    needs: Needs = Needs()

    @property
    def prompt_width(self) -> int:
        """Width of a node's prompt, as ``encode`` finds it in ``Inputs.prompt``.

        By default the window: the prompt is added to the readings. A backbone that keeps a place
        of its own for what is particular to a node says here how wide that place is, and fills it
        with zeros where no strategy gives a prompt.
        """
        return self.window

    @abstractmethod
    def encode(self, inputs: Inputs, graph: Graph) -> Float[Tensor, "batch node hidden"]:
        """Features of each node in each window."""

    @abstractmethod
    def decode(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "*output batch node horizon"]:
        """Forecasts, in scaled units, from features and the unprompted readings.

        Several forecasts of each step stand in a leading axis, which scalers and losses keep.
        """

    @property
    def widest(self) -> int:
        """Width of the widest layer: the larger side of every linear map, or of the features."""
        linear = (part for part in self.modules() if isinstance(part, nn.Linear))
        sides = (max(part.in_features, part.out_features) for part in linear)
        return max([self.hidden, *sides])

    @property
    def at_once(self) -> int:
        """Windows x nodes that are forecast at once, where a batch may be cut."""
        return max(1, PART_BYTES // (4 * self.widest))

    def head_parameters(self) -> list[nn.Parameter]:
        """The readout: what may be trained again while the rest stays frozen.

        By default the parameters of the last module that was given any, which is the layer that
        makes the forecast where layers are built in the order in which they run.
        """
        parts = [list(part.parameters()) for part in self.children()]
        return next((found for found in reversed(parts) if found), [])

    def look_back(self, batch: Batch, *, fresh: bool) -> None:
        """Sees, before a period and if it needs history, what training windows know of it.

        Args:
            batch: Windows spread over the training part, each of the same nodes; of a divided
                network each process has its own.
            fresh: Whether nothing was learned yet.
        """
        del batch, fresh

    def start_from(self, batch: Batch) -> None:
        """Chooses first values by training windows of the first period; by default keeps them."""
        del batch

    def forward(self, inputs: Inputs, graph: Graph) -> Float[Tensor, "*output batch node horizon"]:
        """Both halves, with nothing between them."""
        return self.decode(self.encode(inputs, graph), inputs)
