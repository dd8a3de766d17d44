"""The published TrafficStream and STKEC, through the whole forecaster."""

import numpy as np
import pytest
import torch

from eac.backbones.stgnn import STGNN
from eac.data.core.graph import Graph
from eac.strategies.stkec import STKEC
from eac.strategies.traffic_stream import TrafficStream
from eac.training.forecaster import Forecaster


def published(path):
    with np.load(path) as file:
        arrays = {key: torch.from_numpy(np.atleast_1d(file[key])) for key in file}
    index = torch.stack([arrays["col"], arrays["row"]]).long()
    graph = Graph(int(arrays["num_nodes"]), index, arrays["weight"])
    weights = {k.removeprefix("param/"): v for k, v in arrays.items() if k.startswith("param/")}
    return arrays, weights, graph


@pytest.mark.parametrize(
    ("name", "activation", "strategy"),
    [
        ("trafficstream_pems_2012", "gelu", TrafficStream),
        ("stkec_pems_2012", "relu", STKEC),
    ],
)
def test_published_forecasts_are_matched(name, activation, strategy, shared_path):
    arrays, weights, graph = published(shared_path(f"golden/{name}.npz"))
    model = Forecaster(STGNN(activation=activation), strategy())
    if "memory" in weights:
        with torch.no_grad():
            model.strategy.memory.patterns.copy_(weights.pop("memory"))
    model.backbone.load_state_dict(weights)
    y, y_hat = arrays["y"], model.eval().forecast(arrays["x"], graph)
    assert (y_hat - y).norm() / y.norm() < 1e-5
    assert torch.allclose(y_hat, y, rtol=1e-4, atol=1e-4)


def test_stkec_has_as_many_parameters_as_published():
    model = Forecaster(STGNN(activation="relu"), STKEC())
    assert model.parameter_counts()[0] == 3_596
