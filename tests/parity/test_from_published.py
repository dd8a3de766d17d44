"""Published weights, loaded through the public door, give the published forecasts."""

import numpy as np
import pytest
import torch

import eac
from eac.data.core.graph import Graph
from eac.errors import CheckpointError
from eac.serving.published import Method

GOLDEN: list[tuple[str, Method]] = [
    ("eac_pems_2011", "eac"),
    ("eac_pems_2017", "eac"),
    ("trafficstream_pems_2012", "trafficstream"),
    ("stkec_pems_2012", "stkec"),
]


def _golden(path) -> tuple[dict[str, torch.Tensor], torch.Tensor, Graph, torch.Tensor]:
    with np.load(path) as arrays:
        weights = {k[6:]: torch.from_numpy(v) for k, v in arrays.items() if k.startswith("param/")}
        listens = torch.from_numpy(np.stack([arrays["col"], arrays["row"]]).astype(np.int64))
        graph = Graph(int(arrays["num_nodes"]), listens, torch.from_numpy(arrays["weight"]))
        return weights, torch.from_numpy(arrays["x"]), graph, torch.from_numpy(arrays["y"])


@pytest.mark.parametrize(("name", "method"), GOLDEN)
def test_published_weights_give_the_published_forecasts(shared_path, name, method):
    weights, x, graph, y = _golden(shared_path(f"golden/{name}.npz"))
    y_hat = eac.from_published(weights, method=method).forecast(x, graph)
    assert float((y_hat - y).abs().max() / y.abs().max()) < 1e-5
    torch.testing.assert_close(y_hat, y, rtol=1e-4, atol=1e-4 * float(y.abs().mean()))


def test_the_official_checkpoint_loads_as_it_was_saved(shared_path):
    path = shared_path("golden/eac_pems_2011_official.pkl")
    saved = torch.load(path, map_location="cpu", weights_only=True)
    weights, x, graph, _ = _golden(shared_path("golden/eac_pems_2011.npz"))
    model = eac.from_published(saved["model_state_dict"])
    assert model.parameter_counts()[1] == 7310
    assert model.forecast(x, graph).shape == (4, 655, 12)
    assert set(weights) == set(saved["model_state_dict"])


def test_published_counts_of_parameters():
    weights = _random_weights(num_nodes=871)
    assert eac.from_published(weights).parameter_counts()[1] == 8606


def test_weights_of_another_model_are_refused():
    weights = _random_weights(num_nodes=3)
    with pytest.raises(CheckpointError, match="stkec"):
        eac.from_published(weights, method="stkec")
    del weights["fc.bias"]
    with pytest.raises(CheckpointError, match=r"fc\.bias"):
        eac.from_published(weights)


def _random_weights(num_nodes: int) -> dict[str, torch.Tensor]:
    weights = dict(eac.STGNN().state_dict())
    return weights | {"U": torch.rand(num_nodes, 6), "V": torch.rand(6, 12)}
