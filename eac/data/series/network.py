"""The mean of all sensors of a network at each step: what they all go through together."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eac.data.core.among import EVERY, Among
from eac.data.core.pieces import step_pieces
from eac.data.series.mapped import WRITTEN_AT_ONCE
from eac.data.series.readings import Readings


def network_mean(
    readings: Readings, among: Among = EVERY, count: int | None = None
) -> Float[Tensor, " time"]:
    """The mean of the scaled and filled readings of all sensors at each step.

    Args:
        readings: Of all sensors, or of those that this process holds.
        among: Adds up over the processes that divide the sensors.
        count: The first so many sensors count; None: all.

    Example:
        >>> from eac.data.series.readings import PartScaling
        >>> from eac.data.series.scaling import Scaler
        >>> scaling = PartScaling.of([Scaler.identity(2)], shared=False)
        >>> network_mean(Readings(torch.tensor([[1.0, 3.0], [5.0, torch.nan]]), scaling))
        tensor([2.0000, 2.5000])
    """
    elements = WRITTEN_AT_ONCE if readings.mapped else None
    cuts = step_pieces(*readings.raw.shape, elements=elements)
    count = readings.num_nodes if count is None else count
    sums = [readings.scaled(steps)[:, :count].sum(1, dtype=torch.float64) for steps in cuts]
    found = among.joined(torch.cat([*sums, sums[0].new_tensor([count])]))
    return (found[:-1] / found[-1]).float()


def network_at(
    mean: Float[Tensor, " time"] | None, at: Int[Tensor, " batch"], length: int, count: int
) -> Float[Tensor, "batch {count} {length}"] | None:
    """The mean at so many steps from each step on, the same for so many sensors.

    Example:
        >>> network_at(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1]), length=2, count=1)
        tensor([[[2., 3.]]])
    """
    if mean is None:
        return None
    steps = at[:, None] + torch.arange(length, device=at.device)
    return mean[steps][:, None].expand(-1, count, -1)
