"""Work on parts of large tensors, side by side on the processors that torch may use."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch

Part = TypeVar("Part")
Result = TypeVar("Result")


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
