"""What makes a CPU fast where no gradient is asked for: whole parts for each thread, and oneDNN.

The library behind ``torch.nn.functional.linear`` leaves the widest instructions of some processors
unused; oneDNN, which convolutions use anyway, has kernels for them. On an AMD EPYC with AVX-512
a layer of 192 by 192 takes half the time; ``docs/scaling.md`` has the measurement.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
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
        with ThreadPoolExecutor(threads, initializer=_alone) as pool:
            return list(pool.map(lambda part: _in_mode(partial(work, part), inference), parts))
    finally:
        torch.set_num_threads(threads)  # for threads that are made later


def _alone() -> None:
    """Has this thread compute alone; it takes up the number of threads when first asked for it."""
    torch.set_num_threads(1)
    torch.get_num_threads()


def _in_mode(work: Callable[[], Result], inference: bool, grad: bool = False) -> Result:
    """What ``work`` gives with gradients as in the thread that asks for it."""
    with torch.inference_mode(inference), torch.set_grad_enabled(grad):
        return work()


class Behind:
    """Work that is done in a thread, one piece after the other, while the caller goes on.

    One processor computes a piece. The caller waits where the piece before is not done yet.

    Example:
        >>> behind, seen = Behind(), []
        >>> for part in range(3):
        ...     behind.begin(partial(seen.append, part))
        >>> behind.end()
        >>> seen
        [0, 1, 2]
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._last: Future[None] | None = None

    def begin(self, work: Callable[[], None]) -> None:
        """Begins a piece once the one before is done; raises what that one raised."""
        self._wait()
        if self._pool is None:
            threads = torch.get_num_threads()
            self._pool = ThreadPoolExecutor(1, initializer=_alone)
            self._pool.submit(int).result()
            torch.set_num_threads(threads)  # for threads that are made later
        inference, grad = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        self._last = self._pool.submit(_in_mode, work, inference, grad)

    def end(self) -> None:
        """Waits until everything is done."""
        try:
            self._wait()
        finally:
            if self._pool is not None:
                self._pool.shutdown()
            self._pool = None

    def _wait(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last.result()


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


def fast_linear(x: Tensor) -> AbstractContextManager[object]:
    """``FastLinear`` for a network with this input, where no gradient is asked for.

    Nothing where one is, under a compiler, and for a small input: looking at every operation takes
    a quarter of the time of a forecast of a hundred sensors.

    Example:
        >>> x = torch.ones(1, 2)
        >>> with fast_linear(x):
        ...     torch.nn.functional.linear(x, torch.ones(3, 2))
        tensor([[2., 2., 2.]])
    """
    if x.numel() < LARGE or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return nullcontext()
    return FastLinear()


def _suits(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
    given = [x, weight] if bias is None else [x, weight, bias]
    return (
        x.numel() >= LARGE
        and not torch.is_grad_enabled()
        and all(each.is_cpu and each.dtype == torch.float32 for each in given)
        and torch.backends.mkldnn.is_available()
        and torch.backends.mkldnn.enabled
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
