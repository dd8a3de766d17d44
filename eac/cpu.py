"""What makes a CPU fast where no gradient is asked for: whole parts for each thread, and oneDNN.

The library behind ``torch.nn.functional.linear`` leaves the widest instructions of some processors
unused; oneDNN, which convolutions use anyway, has kernels for them. On an AMD EPYC with AVX-512
a layer of 192 by 192 takes half the time; ``docs/scaling.md`` has the measurement.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

Part = TypeVar("Part")
Result = TypeVar("Result")

LARGE = 1 << 14
"""Values of an input from which on the choice of the library matters."""


def side_by_side(work: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """What ``work`` makes of each part, in the order of the parts.

    Operations on a part that fits into the cache are too short to be shared by threads; so each
    thread takes whole parts, and computes them alone. As many threads work as torch would use for
    one operation; with one, or where gradients are wanted, nothing but a loop runs. Results do not
    depend on the number of threads.

    Args:
        work: Must not change what another part reads.
        parts: On a CPU.

    Raises:
        Exception: The first that ``work`` raises.

    Example:
        >>> side_by_side(torch.sum, [torch.ones(2), torch.ones(3)])
        [tensor(2.), tensor(3.)]
    """
    parts, threads = list(parts), torch.get_num_threads()
    if threads == 1 or len(parts) < 2 or torch.is_grad_enabled():
        return [work(part) for part in parts]
    inference = torch.is_inference_mode_enabled()
    try:
        with ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, 1)) as pool:
            return list(pool.map(partial(_without_gradients, work, inference), parts))
    finally:
        torch.set_num_threads(threads)  # for threads that are made later


def _without_gradients(work: Callable[[Part], Result], inference: bool, part: Part) -> Result:
    with torch.inference_mode(inference), torch.no_grad():
        return work(part)


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
