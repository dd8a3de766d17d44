"""Operators along time, each of one sequence of features into one of the same shape."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from eac.errors import ConfigError


class TemporalOperator(nn.Module, ABC):
    """Mixes the steps of a sequence; built from the number of channels of a step.

    Example:
        >>> import torch
        >>> class Reverse(TemporalOperator):
        ...     def forward(self, x):
        ...         return x.flip(1)
        >>> Reverse()(torch.tensor([[[1.0], [2.0]]])).flatten().tolist()
        [2.0, 1.0]
    """

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "sequence time channel"]
    ) -> Float[Tensor, "sequence time channel"]:
        """Every sequence by itself, step by step."""


class ConvOverTime(TemporalOperator):
    """A convolution along time that keeps the length.

    Args:
        channels: Features of a step.
        kernel_size: Steps that one output sees, odd.

    Raises:
        ConfigError: If ``kernel_size`` is even.

    Example:
        >>> import torch
        >>> ConvOverTime(channels=4)(torch.rand(10, 12, 4)).shape
        torch.Size([10, 12, 4])
    """

    def __init__(self, channels: int, *, kernel_size: int = 3):
        super().__init__()
        if kernel_size % 2 == 0:
            raise ConfigError(f"kernel_size={kernel_size} is even; give an odd number.")
        self.conv = nn.Conv1d(channels, channels, kernel_size, padding=kernel_size // 2)

    def forward(
        self, x: Float[Tensor, "sequence time channel"]
    ) -> Float[Tensor, "sequence time channel"]:
        """Each step with those around it."""
        return self.conv(x.mT).mT


class LSTMOverTime(TemporalOperator):
    """A one-layer LSTM along time.

    Args:
        channels: Features of a step, and of the state.

    Example:
        >>> import torch
        >>> LSTMOverTime(channels=4)(torch.rand(10, 12, 4)).shape
        torch.Size([10, 12, 4])
    """

    def __init__(self, channels: int):
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, batch_first=True)

    def forward(
        self, x: Float[Tensor, "sequence time channel"]
    ) -> Float[Tensor, "sequence time channel"]:
        """The state after each step."""
        return self.lstm(x)[0]


class AttentionOverTime(TemporalOperator):
    """Every step attends to every step of its own sequence; the sequence itself is added.

    Args:
        channels: Features of a step.
        num_heads: Heads, a divisor of ``channels``.

    Raises:
        ConfigError: If ``num_heads`` does not divide ``channels``.

    Example:
        >>> import torch
        >>> AttentionOverTime(channels=8, num_heads=2)(torch.rand(10, 12, 8)).shape
        torch.Size([10, 12, 8])
    """

    def __init__(self, channels: int, *, num_heads: int = 4):
        super().__init__()
        if channels % num_heads:
            raise ConfigError(f"{channels} channels cannot be shared by {num_heads} heads.")
        self.attention = nn.MultiheadAttention(channels, num_heads, batch_first=True)

    def forward(
        self, x: Float[Tensor, "sequence time channel"]
    ) -> Float[Tensor, "sequence time channel"]:
        """Each step with what it attends to."""
        return x + self.attention(x, x, x, need_weights=False)[0]
