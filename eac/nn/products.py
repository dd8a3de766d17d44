"""Matrix products by oneDNN where no gradient is asked for.

The library behind ``torch.nn.functional.linear`` leaves the widest instructions of some processors
unused; oneDNN, which convolutions use anyway, has kernels for them. On an AMD EPYC with AVX-512
a layer of 192 by 192 takes half the time; ``docs/scaling.md`` has the measurement.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

LARGE = 1 << 14
"""Values of an input from which on the choice of the library matters."""


class FastLinear(TorchFunctionMode):
    """Within it, linear maps of large inputs on a CPU are multiplied by oneDNN.

    Results are those of ``torch.nn.functional.linear`` up to rounding. A layer that asks for a
    gradient, another precision or device, and an installation without oneDNN, stay as they are.

    Example:
        >>> x, layer = torch.ones(200, 96), torch.nn.Linear(96, 8)
        >>> with torch.no_grad(), FastLinear():
        ...     fast = layer(x)
        >>> torch.testing.assert_close(fast, layer(x))
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Any = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """``func``, or the product that stands for it."""
        del types
        if func is torch.nn.functional.linear and not kwargs and _suits(*args):
            x, weight, bias = (*args, None)[:3]
            return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return func(*args, **(kwargs or {}))


def fast_linear() -> AbstractContextManager[object]:
    """``FastLinear`` where no gradient is asked for; nothing where one is, or under a compiler.

    Example:
        >>> with fast_linear():
        ...     torch.nn.functional.linear(torch.ones(1, 2), torch.ones(3, 2))
        tensor([[2., 2., 2.]])
    """
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return nullcontext()
    return FastLinear()


def _suits(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
    given = [x, weight] if bias is None else [x, weight, bias]
    return (
        x.numel() >= LARGE
        and not torch.is_grad_enabled()
        and all(each.is_cpu and each.dtype == torch.float32 for each in given)
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
