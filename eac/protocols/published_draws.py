"""The random numbers of the published code, in the order in which it draws them."""

import math
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

NUMBER = 2
"""Places that a whole number takes in the generator's sequence; a real number takes one."""


class PublishedDraws:
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

    def __init__(self, seed: int, position: int = 0):
        self._generator = torch.Generator().manual_seed(seed)
        self.position = 0
        self.skip(position)

    def skip(self, count: int) -> None:
        """Lets so many numbers pass by."""
        self.uniform((count,), 1.0)

    def uniform(self, shape: Sequence[int], bound: float) -> Float[Tensor, "..."]:
        """Numbers from U(-bound, bound)."""
        drawn = torch.empty(*shape).uniform_(-bound, bound, generator=self._generator)
        self.position += drawn.numel()
        return drawn

    @torch.no_grad()
    def first_weights(self, layers: Iterable[nn.Module], *, keep: bool) -> None:
        """Draws the first weights of these layers, as torch does; without ``keep`` for nothing."""
        for layer in layers:
            weight, bias = cast(Tensor, layer.weight), getattr(layer, "bias", None)
            drawn = nn.init.kaiming_uniform_(
                torch.empty(weight.shape), a=math.sqrt(5), generator=self._generator
            )
            self.position += drawn.numel()
            if keep:
                weight.copy_(drawn)
            if bias is not None:
                drawn = self.uniform(bias.shape, 1 / math.sqrt(weight[0].numel()))
                if keep:
                    bias.copy_(drawn)

    def order_seed(self, epoch: int) -> int:
        """Seed of the order of the windows in an epoch of the period that begins here."""
        ahead = torch.Generator()
        ahead.set_state(self._generator.get_state())
        numbers = torch.empty(3 * epoch + 2, dtype=torch.int64).random_(generator=ahead)
        return int(numbers[-1])

    def end_period(self, epochs: int) -> None:
        """Goes on to the next period after so many epochs of training, and a test."""
        self.skip(NUMBER * (3 * epochs + 1))
