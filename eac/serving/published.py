"""Models from the published code's checkpoints."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from eac.backbones.stgnn import STGNN
from eac.errors import CheckpointError
from eac.strategies.eac import EAC
from eac.strategies.stkec import STKEC
from eac.strategies.traffic_stream import TrafficStream
from eac.training.forecaster import Forecaster

Method: TypeAlias = Literal["eac", "trafficstream", "stkec"]


def from_published(state_dict: Mapping[str, Tensor], method: Method = "eac") -> Forecaster:
    """A forecaster with published weights; nodes are known as "0", "1", ... in their order.

    Args:
        state_dict: What the published code saved under ``model_state_dict``.
        method: Which of its models it is.

    Raises:
        CheckpointError: If the names or sizes are not those of that model.

    Example:
        >>> try:
        ...     from_published({"weight": torch.zeros(1)})
        ... except CheckpointError as error:
        ...     print(str(error).partition(":")[0])
        these weights are not those of a published 'eac' model
    """
    if method not in _BUILD:
        raise CheckpointError(f"method {method!r}: give one of {', '.join(_BUILD)}.")
    rest = dict(state_dict)
    try:
        forecaster, num_nodes = _BUILD[method](rest)
        forecaster.backbone.load_state_dict(rest)
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"these weights are not those of a published {method!r} model: {error}. "
            f"They hold {', '.join(state_dict)}."
        ) from error
    forecaster.strategy.select_nodes([str(row) for row in range(num_nodes)])
    return forecaster.eval()


def _backbone(weights: Mapping[str, Tensor], activation: Literal["gelu", "relu"]) -> STGNN:
    hidden, window = weights["gcn1.weight_neigh.weight"].shape
    horizon = weights["fc.weight"].shape[0]
    kernel_size = weights["tcn1.weight"].shape[-1]
    return STGNN(window, horizon, hidden=hidden, kernel_size=kernel_size, activation=activation)


def _eac(weights: dict[str, Tensor]) -> tuple[Forecaster, int]:
    factor, basis = weights.pop("U"), weights.pop("V")
    strategy = EAC(rank=basis.shape[0], seed=0)
    forecaster = Forecaster(_backbone(weights, "gelu"), strategy)
    strategy.pool.grow([str(row) for row in range(len(factor))])
    with torch.no_grad():
        strategy.pool.node_factor.copy_(factor)
        strategy.pool.basis = torch.nn.Parameter(basis.clone())
    return forecaster, len(factor)


def _traffic_stream(weights: dict[str, Tensor]) -> tuple[Forecaster, int]:
    return Forecaster(_backbone(weights, "gelu"), TrafficStream()), 0


def _stkec(weights: dict[str, Tensor]) -> tuple[Forecaster, int]:
    memory = weights.pop("memory")
    strategy = STKEC(num_patterns=len(memory))
    forecaster = Forecaster(_backbone(weights, "relu"), strategy)
    with torch.no_grad():
        strategy.memory.patterns.copy_(memory)
    return forecaster, 0


_BUILD: dict[str, Callable[[dict[str, Any]], tuple[Forecaster, int]]] = {
    "eac": _eac,
    "trafficstream": _traffic_stream,
    "stkec": _stkec,
}
