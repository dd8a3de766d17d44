"""The periods of a stream as a strategy meets them, without a Trainer."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from eac.data.batches.datamodule import PeriodData
from eac.data.core.period import NodeChange
from eac.data.core.stream import GraphStream
from eac.strategies.base import PeriodContext
from eac.training.forecaster import Forecaster


def contexts(stream: GraphStream, **settings: int) -> Iterator[PeriodContext]:
    """Each period with the one before it, in windows as the settings say."""
    data, previous, seen = PeriodData(stream, **settings), None, set()
    for index in range(len(stream)):
        now = data.for_period(index)
        before = () if previous is None else previous.period.node_ids
        change = NodeChange.between(now.period.node_ids, before, seen)
        yield PeriodContext(index, 100 + index, now.view, previous, change)
        previous, seen = now.view, seen | set(now.period.node_ids)


def begin(model: Forecaster, context: PeriodContext) -> None:
    """What a runner does before training."""
    model.begin_period(context, model.plan_period(context))


@torch.no_grad()
def forecasts(model: Forecaster, context: PeriodContext) -> Float[Tensor, "batch node horizon"]:
    """Scaled forecasts of a few windows of all nodes."""
    batch = context.current.tensors.batch(torch.tensor([0, 5, 80]))
    return model.eval().scaled_forecast(batch.inputs, batch.graph)


@torch.no_grad()
def shake(model: Forecaster, seed: int = 0) -> None:
    """Moves every parameter that would be trained, as training would."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
