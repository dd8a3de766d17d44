"""The random numbers of the published code, in the order in which it draws them."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eac.errors import CheckpointError
from eac.protocols.draws import Draws, Prompts

NUMBER = 2
"""Places that a whole number takes in the generator's sequence; a real number takes one."""
PROMPT_RANGE = 0.1
"""Prompts start from U(-0.1, 0.1)."""


@runtime_checkable
class _PublishedLayers(Protocol):
    """A network that the published code has too."""

    def published_layers(self) -> list[nn.Module]:
        """Layers in the order in which the published code draws their first weights.

        A layer that it draws again stands there again.
        """
        ...


class PublishedDraws(Draws):
    """One sequence of random numbers for a whole run, so that a seed means what it means there.

    The published code seeds torch once and draws everything from that: in each period a model and
    its prompts (also where it then loads those of the last period), in each epoch a number for
    the training loader, one for the order of its windows and one for the validation loader, and
    one for the test loader. What a period draws therefore depends on the epochs of those before
    it; ``position`` is all that has to be kept to go on.

    Args:
        seed: Of the run.
        position: Numbers drawn before.

    Example:
        >>> draws = PublishedDraws(42)
        >>> first, second = draws.uniform((3,), 0.1), draws.uniform((2,), 0.1)
        >>> torch.equal(PublishedDraws(42, draws.position - 2).uniform((2,), 0.1), second)
        True
    """

    count_rows = True

    def __init__(self, seed: int, position: int = 0):
        super().__init__(seed)
        self._generator = torch.Generator().manual_seed(seed)
        self._position = 0
        self.skip(position)

    @property
    def position(self) -> int:
        """Numbers drawn so far."""
        return self._position

    def resumed(self, position: int | None, where: Path) -> "PublishedDraws":
        """Draws that go on after a done period.

        Raises:
            CheckpointError: If the run did not draw in the published order.
        """
        if position is None:
            raise CheckpointError(
                f"{where} was trained by an eac that drew its random numbers in another order. "
                "Start a new run directory."
            )
        return PublishedDraws(self.seed, position)

    def skip(self, count: int) -> None:
        """Lets so many numbers pass by."""
        self.uniform((count,), 1.0)

    def uniform(self, shape: Sequence[int], bound: float) -> Float[Tensor, "..."]:
        """Numbers from U(-bound, bound)."""
        drawn = torch.empty(*shape).uniform_(-bound, bound, generator=self._generator)
        self._position += drawn.numel()
        return drawn

    @torch.no_grad()
    def first_weights(self, model: nn.Module, *, keep: bool) -> None:
        """Draws the weights of every published network inside ``model``, as torch does.

        Other networks keep the weights they were built with, and draw nothing.
        """
        for layer in _published_layers(model):
            weight, bias = cast(Tensor, layer.weight), getattr(layer, "bias", None)
            drawn = nn.init.kaiming_uniform_(
                torch.empty(weight.shape), a=math.sqrt(5), generator=self._generator
            )
            self._position += drawn.numel()
            if keep:
                weight.copy_(drawn)
            if bias is not None:
                drawn = self.uniform(bias.shape, 1 / math.sqrt(weight[0].numel()))
                if keep:
                    bias.copy_(drawn)

    @torch.no_grad()
    def first_prompts(self, pool: Prompts, known: int) -> None:
        """Draws all of ``U`` and then ``V``.

        In later periods the published code draws a whole pool for nothing, before it loads the one
        it had, and then the new rows.
        """
        columns, fresh = pool.node_factor.shape[1], pool.node_ids[known:]
        if known:
            self.skip(known * columns + (0 if pool.basis is None else pool.basis.numel()))
        pool.place(fresh, self.uniform((len(fresh), columns), PROMPT_RANGE))
        if not known and pool.basis is not None:
            pool.basis.copy_(self.uniform(pool.basis.shape, PROMPT_RANGE))

    def order_seeds(self, index: int) -> Callable[[int], int]:
        """Those that the sequence gives in the period that begins where it has come to."""
        del index
        return self._order_seed

    def end_period(self, epochs: int) -> None:
        """Lets pass what the loaders drew."""
        self.skip(NUMBER * (3 * epochs + 1))

    def _order_seed(self, epoch: int) -> int:
        ahead = torch.Generator()
        ahead.set_state(self._generator.get_state())
        numbers = torch.empty(3 * epoch + 2, dtype=torch.int64).random_(generator=ahead)
        return int(numbers[-1])


def _published_layers(model: nn.Module) -> Iterator[nn.Module]:
    for module in model.modules():
        if isinstance(module, _PublishedLayers):
            yield from module.published_layers()
