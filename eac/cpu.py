"""What makes a CPU fast: parts for each thread, oneDNN, dropout by bytes, an optimizer's kernel.

The library behind ``torch.nn.functional.linear`` leaves the widest instructions of some processors
unused; oneDNN, which convolutions use anyway, has kernels for them. On an AMD EPYC with AVX-512
a layer of 192 by 192 takes half the time; on one without, torch is faster and is left alone.
``docs/scaling.md`` has both measurements.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from eac.errors import ConfigError

Part = TypeVar("Part")
Result = TypeVar("Result")

LARGE = 1 << 13
"""Values of an input from which on the choice of the library matters."""
WIDE = "AVX512"
"""Widest instructions of a processor, as torch names them, that its own library leaves unused."""
BYTE = 256
LOWEST = -(1 << 63)
"""From which on a random int64 has all its bytes random."""


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


def linear(
    x: Float[Tensor, "*row width"],
    weight: Float[Tensor, "out width"],
    bias: Float[Tensor, " out"] | None = None,
) -> Float[Tensor, "*row out"]:
    """``torch.nn.functional.linear``, by oneDNN where the input is large and the CPU has AVX-512.

    Results and gradients are those of torch up to rounding. Another precision, device or CPU,
    autocast, a compiler, and an installation without oneDNN stay with torch.

    Example:
        >>> x, layer = torch.ones(200, 96), torch.nn.Linear(96, 8)
        >>> torch.testing.assert_close(linear(x, layer.weight, layer.bias), layer(x))
    """
    compiling = torch.compiler.is_compiling()  # asked first: a program takes any number of nodes
    if compiling or x.numel() < LARGE or not _suits(x, weight):
        return torch.nn.functional.linear(x, weight, bias)
    if torch.is_grad_enabled():
        return _Linear.apply(x, weight, bias)
    return _product(x, weight, bias)


class Linear(nn.Linear):
    """``torch.nn.Linear`` that multiplies large inputs by oneDNN on a CPU with AVX-512.

    On an AMD EPYC with AVX-512 that is twice as fast, forward and backward (``docs/scaling.md``).

    Example:
        >>> Linear(12, 64)(torch.rand(2, 5, 12)).shape
        torch.Size([2, 5, 64])
    """

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] torch calls it input
        self, x: Float[Tensor, "*row width"]
    ) -> Float[Tensor, "*row out"]:
        """The map."""
        return linear(x, self.weight, self.bias)


class Dropout(nn.Module):
    """``torch.nn.Dropout`` (Srivastava et al., JMLR 2014) that draws a byte for each feature.

    On a CPU torch draws a float for each, one after the other, which took a seventh of the time of
    the practical recipe; here eight bytes come from one draw. The probability is the nearest
    multiple of 1/256.

    Args:
        p: Probability with which a feature is 0 in training; the others are scaled up.

    Example:
        >>> Dropout(0.5).eval()(torch.ones(2))
        tensor([1., 1.])
    """

    def __init__(self, p: float):
        super().__init__()
        if not 0 <= p < 1:
            raise ConfigError(f"dropout {p}: give a probability of at least 0 and below 1.")
        self.p = p
        self._dropped = min(round(BYTE * p), BYTE - 1)

    def forward(self, x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """Features of which some are 0, in training."""
        if not self.training or not self._dropped:
            return x
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
        drawn = words.random_(LOWEST, None).view(torch.uint8)[: x.numel()]
        kept = (drawn >= self._dropped).view(x.shape)
        return x * (kept.to(x.dtype) * (BYTE / (BYTE - self._dropped)))

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


def in_one_kernel(optimizer: Optimizer) -> None:
    """Has Adam make each step on a CPU in the one kernel that torch has for it.

    Torch does so by itself on no device. A step of the practical recipe is 6 % shorter with it.
    An optimizer whose settings say how it computes stays as it is.

    Example:
        >>> adam = torch.optim.Adam([torch.zeros(2, requires_grad=True)])
        >>> in_one_kernel(adam)
        >>> adam.param_groups[0]["fused"]
        True
    """
    for group in optimizer.param_groups if isinstance(optimizer, Adam) else ():
        plain = group["foreach"] is group["fused"] is None and not group["differentiable"]
        if plain and all(one.is_cpu for one in group["params"]):
            group["fused"] = True


class _Linear(torch.autograd.Function):
    """A linear map whose gradients are such products too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad, (of_x, of_weight, of_bias) = grad_outputs[0].contiguous(), ctx.needs_input_grad
        rows, again = grad.flatten(0, -2), torch.is_grad_enabled()  # if gradients have gradients
        product = torch.nn.functional.linear if again else _product
        return (
            product(grad, weight.T) if of_x else None,
            product(rows.T, x.flatten(0, -2).T) if of_weight else None,
            rows.sum(0) if of_bias else None,
        )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def _suits(x: Tensor, weight: Tensor) -> bool:
    return (
        all(one.is_cpu and one.dtype == torch.float32 for one in (x, weight))
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.cpu.get_cpu_capability() == WIDE
        and torch.backends.mkldnn.is_available()
        and torch.backends.mkldnn.enabled
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
