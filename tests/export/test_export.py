"""A program forecasts what the run does, whatever the numbers of sensors and edges."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from eac.backbones.seasonal import SeasonalMLP
from eac.backbones.stgnn import STGNN
from eac.data.core.graph import Graph
from eac.data.series.readings import PartScaling, Readings, _running_maximum, carried
from eac.data.series.scaling import Scaler
from eac.errors import RunError
from eac.export.compare import arguments_of, compare
from eac.export.program import Program
from eac.nn.message_passing import _edge_by_edge, propagate_nodes
from eac.serving.predictor import load_run
from eac.serving.recent import read_recent, recent_graph
from tests.training.test_predictor import build, long, trained

SEASONAL = {"hidden": 8, "num_blocks": 1, "lags": ("1d", "1w"), "network": True}


@pytest.fixture(scope="module")
def seasonal(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    run_dir = tmp_path_factory.mktemp("seasonal")
    trained(run_dir, *build(SeasonalMLP(**SEASONAL), carry=0.9))
    return run_dir


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    run_dir = tmp_path_factory.mktemp("published")
    trained(run_dir, *build(STGNN(hidden=8), protocol="published"))
    return run_dir


def outside(*arguments: str) -> subprocess.CompletedProcess:
    """A command in a process of its own, where types are not checked while it is traced."""
    command = [sys.executable, "-m", "eac", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["seasonal", "published"])
def test_a_program_of_tensors_forecasts_what_the_run_does_at_any_size(name, request):
    predictor = load_run(request.getfixturevalue(name))
    program = Program(predictor.forecaster, predictor.data).eval()
    with torch.no_grad():
        checked = list(compare(predictor, program, program))
    assert [(one.nodes, one.edges) for one in checked][-2:] == [(1, 0), (4, 0)]
    assert max(one.difference for one in checked) < 1e-5


def test_a_program_takes_the_slot_of_the_last_reading(seasonal):
    predictor = load_run(seasonal)
    program = Program(predictor.forecaster, predictor.data).eval()
    frame = long(build()[1], 2, 150)
    frame = frame[frame["ds"] > frame["ds"].max() - program.shape.steps * np.timedelta64(1, "h")]
    recent = read_recent(frame, predictor.data)
    graph = recent_graph(recent, predictor.data, None)
    given = arguments_of(predictor, recent, graph)
    assert int(given.slot) == frame["ds"].max().weekday() * 24 + frame["ds"].max().hour
    padding = torch.full((program.shape.steps - len(recent.series), 4), torch.nan)
    readings = torch.cat([padding, recent.series])
    with torch.no_grad():
        y_hat = program(readings, *given.given()[1:])
    expected = predictor.predict(frame)["y_hat"].to_numpy()
    np.testing.assert_allclose(y_hat.flatten().numpy(), expected, rtol=1e-5)


def test_edges_one_by_one_are_the_sparse_product():
    graph = Graph(4, torch.tensor([[0, 1, 1, 3], [1, 0, 2, 2]]), torch.tensor([1.0, 2, 3, 4]))
    x = torch.rand(4, 3)
    torch.testing.assert_close(_edge_by_edge(x, graph), propagate_nodes(x, graph))
    assert _edge_by_edge(x, Graph.empty(4)).abs().max() == 0


def test_gaps_are_carried_alike_without_the_operator_that_programs_lack(monkeypatch):
    observed = torch.rand(37, 3) < 0.4
    x = torch.rand(37, 3)
    expected = carried(x, observed, 0.5)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert torch.equal(carried(x, observed, 0.5), expected)
    steps = torch.tensor([[0], [3], [1], [7], [2]])
    assert _running_maximum(steps).flatten().tolist() == [0, 3, 3, 7, 7]


def test_a_program_that_is_traced_fills_gaps_of_all_sensors_at_once(monkeypatch):
    series = torch.rand(37, 3)
    series[torch.rand(37, 3) < 0.4] = torch.nan
    readings = Readings(series, PartScaling.of([Scaler.identity(3)], shared=False))
    expected = readings.carrying(0.5).filled
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    monkeypatch.setattr(Readings, "subset", None)  # rows of sensors are numbers that it cannot take
    assert torch.equal(readings.carrying(0.5).filled, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["seasonal", "published"])
@pytest.mark.parametrize("kind", ["torch", "onnx"])
def test_the_command_writes_a_program_that_was_compared(name, kind, request, tmp_path):
    if kind == "onnx":
        pytest.importorskip("onnxscript", reason="needs eac[export]")
        pytest.importorskip("onnxruntime", reason="needs eac[export]")
    run, out = request.getfixturevalue(name), tmp_path / "out"
    found = outside("export", str(run), "--format", kind, "--output", str(out))
    assert found.returncode == 0, found.stderr
    assert "4 sensors, 0 edges" in found.stdout
    said = json.loads((out / "program.json").read_text())
    assert (out / said["file"]).is_file()
    assert said["node_ids"] == ["e", "c", "x", "a"]
    assert max(one["difference"] for one in said["checked"]) < 1e-5
    assert load_file(out / "nodes.safetensors")["scales"].shape == (4, 4)


def test_what_a_program_cannot_take_is_said(seasonal, monkeypatch):
    predictor = load_run(seasonal)
    object.__setattr__(predictor.data, "holidays", "NO")
    with pytest.raises(RunError, match=r"public holidays.*eac predict"):
        Program(predictor.forecaster, predictor.data)
