"""Processes that divide the sensors of a network, and what they tell each other."""

import os
from collections.abc import Sequence
from datetime import timedelta

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, distributed, nn

from eac.continual.together import Together, own_parameters
from eac.data.batches.share import rows_of_process
from eac.errors import ConfigError
from eac.metrics.horizon import HorizonErrors


class Division(Together):
    """The processes that torch.distributed has connected, each with a share of the sensors.

    What concerns a sensor stays with its process until the first one asks for it; what concerns
    all of them (weights of the network, means) is summed over processes and the same in each.

    Attributes:
        node_ids: Sensors of the period at hand, of all processes, in order.
    """

    def __init__(self):
        self.rank, self.processes = distributed.get_rank(), distributed.get_world_size()
        self.node_ids: tuple[str, ...] = ()

    def __deepcopy__(self, memo: object) -> "Division":
        """Itself: copies of a model belong to the same processes."""
        del memo
        return self

    @property
    def first(self) -> bool:
        """True in the process that writes."""
        return self.rank == 0

    def summed(self, values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The sum over processes of what each gives."""
        total = values.detach().clone()
        distributed.all_reduce(total)
        return total

    def same(self, model: nn.Module) -> None:
        """Gives every process the weights of the first one, rows of prompts aside."""
        own = {id(parameter) for parameter in own_parameters(model)}
        for values in (*model.parameters(), *model.buffers()):
            if id(values) not in own and values.numel():
                distributed.broadcast(values.detach(), 0)

    def to_first(self, values: Shaped[Tensor, " own *shape"]) -> Shaped[Tensor, " node *shape"]:
        """In the first process the rows of all sensors, in order; in others what was given.

        Args:
            values: A row for each sensor of this process.
        """
        count = len(self.node_ids)
        counts = [
            len(rows_of_process(count, rank, self.processes)) for rank in range(self.processes)
        ]
        given = values.detach().to(torch.uint8) if values.dtype == torch.bool else values.detach()
        padded = given.new_zeros(max(counts), *given.shape[1:])
        padded[: len(given)] = given
        parts = [torch.empty_like(padded) for _ in counts] if self.first else None
        distributed.gather(padded, parts, dst=0)
        if parts is None:
            return values
        rows = [part[:count] for part, count in zip(parts, counts, strict=True)]
        return torch.cat(rows).to(values.dtype)

    def objects(self, value: object) -> Sequence[object]:
        """In the first process what each gives, in order of processes; nothing in others."""
        given: list[object] = [None] * self.processes
        distributed.gather_object(value, given if self.first else None, dst=0)
        return given if self.first else ()

    def every_sensor(self, errors: HorizonErrors) -> HorizonErrors:
        """In the first process errors of all sensors, in order; in others those it was given."""
        sums = self.to_first(errors.state().cpu().transpose(0, 1).contiguous()).transpose(0, 1)
        found = HorizonErrors(sums.shape[1], errors.horizon, errors.null_value)
        found.load_state(sums)
        return found

    @torch.no_grad()
    def join_gradients(self, model: nn.Module, weight: Tensor) -> None:
        """Gives every process the gradient of the mean over all batches, by their weights."""
        own = {id(parameter) for parameter in own_parameters(model)}
        given = [p for p in model.parameters() if p.grad is not None]
        shared = [p.grad for p in given if id(p) not in own and p.grad is not None]
        weight = weight.float()
        flat = torch.cat([weight[None], *(grad.flatten() * weight for grad in shared)])
        flat = self.summed(flat)
        total = flat[0].clamp_min(1)
        sizes = [grad.numel() for grad in shared]
        for grad, mean in zip(shared, (flat[1:] / total).split(sizes), strict=True):
            grad.copy_(mean.view_as(grad))
        for parameter in given:
            if id(parameter) in own and parameter.grad is not None:
                parameter.grad.mul_(weight / total)

    @torch.no_grad()
    def clip(self, model: nn.Module, most: float) -> None:
        """Shortens joined gradients where the one of all weights and rows is longer than this."""
        own = {id(parameter) for parameter in own_parameters(model)}
        given = [p for p in model.parameters() if p.grad is not None]
        squares = torch.zeros(2)
        for parameter in given:
            if parameter.grad is not None:
                squares[int(id(parameter) in own)] += parameter.grad.square().sum()
        length = (squares[0] + self.summed(squares[1])).sqrt()
        if length > most:
            for parameter in given:
                if parameter.grad is not None:
                    parameter.grad.mul_(most / (length + 1e-6))


def connect(seconds: float) -> Division:
    """Connects the processes that `torchrun` started on the CPU.

    Args:
        seconds: After which a process that waits for another one gives up.

    Raises:
        ConfigError: If there is only one.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        raise ConfigError(
            "run.divide_sensors divides the sensors among processes, but this is the only one. "
            "Start several: torchrun --nproc-per-node 2 -m eac run ..."
        )
    if not distributed.is_initialized():
        distributed.init_process_group("gloo", timeout=timedelta(seconds=seconds))
    return Division()
