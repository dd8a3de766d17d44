"""The published model's outputs, from its own weights, inputs and graphs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from eac.backbones.stgnn import STGNN
from eac.data.batches.batch import Inputs
from eac.data.core.graph import Graph

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"
METHODS = [
    ("eac_pems_2011", "gelu"),
    ("eac_pems_2017", "gelu"),
    ("trafficstream_pems_2012", "gelu"),
    ("stkec_pems_2012", "relu"),
]


def load(name):
    path = GOLDEN / f"{name}.npz"
    if not path.exists():
        pytest.skip("the golden files of the published models are not at ../shared/golden")
    with np.load(path) as file:
        arrays = {key: torch.from_numpy(np.atleast_1d(file[key])) for key in file}
    params = {k.removeprefix("param/"): v for k, v in arrays.items() if k.startswith("param/")}
    index = torch.stack([arrays["col"], arrays["row"]]).long()
    return arrays, params, Graph(int(arrays["num_nodes"]), index, arrays["weight"])


def forecast(name, activation, *, neighbours):
    arrays, params, graph = load(name)
    extra = {key: params.pop(key) for key in ("U", "V", "memory") if key in params}
    model = STGNN(activation=activation)
    model.load_state_dict(params)
    inputs = Inputs(arrays["x"])
    if neighbours:
        rows = arrays["x"].transpose(1, 2).reshape(-1, graph.num_nodes)
        series = model.needs.neighbours(rows, graph)
        inputs = Inputs(arrays["x"], series.view(4, 12, -1).transpose(1, 2))
    if "U" in extra:
        inputs = inputs.with_prompt(extra["U"] @ extra["V"])
    with torch.no_grad():
        features = model.encode(inputs, graph)
        if "memory" in extra:
            features = features + (features @ extra["memory"].T) @ extra["memory"]
        return model.decode(features, inputs), arrays["y"]


@pytest.mark.parametrize("neighbours", [False, True], ids=["plain", "neighbour_x"])
@pytest.mark.parametrize(("name", "activation"), METHODS)
def test_published_forecasts_are_matched(name, activation, neighbours):
    y_hat, y = forecast(name, activation, neighbours=neighbours)
    assert (y_hat - y).norm() / y.norm() < 1e-5
    assert torch.allclose(y_hat, y, rtol=1e-4, atol=1e-4)
