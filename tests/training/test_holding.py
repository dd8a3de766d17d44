"""Processes that divide the sensors: sums, gradients and refusals, in threads or alone."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import distributed, nn

from eac.backbones.seasonal import SeasonalMLP
from eac.backbones.stgnn import STGNN
from eac.continual.cold_start import UnknownStart
from eac.continual.together import ALONE
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.share import Share, chosen
from eac.data.batches.tensors import PeriodTensors
from eac.data.core.among import Among
from eac.data.core.graph import Graph
from eac.data.core.stream import MemoryStream
from eac.data.series.scaling import Global, PerNode, Robust
from eac.data.simulator.synthetic import SyntheticStream
from eac.errors import ConfigError
from eac.metrics.horizon import HorizonErrors
from eac.nn.prompt_pool import PromptPool
from eac.records.record import read_period
from eac.strategies.eac import EAC
from eac.strategies.online_all import OnlineAll
from eac.strategies.refresh import Refresh
from eac.training.callbacks import SeedEveryEpoch
from eac.training.forecaster import Forecaster
from eac.training.holding.divided import DividedNetwork
from eac.training.holding.division import Division, connect
from eac.training.holding.joining import JoinGradients
from eac.training.holding.network import Holding, described
from eac.training.peers import baseline_errors
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer

CUTS = [0, 1, 2], [3, 4, 5, 6]
"""Sensors of two processes."""


class _Threads(Division):
    """Processes of a test that are threads and add up through a list."""

    def __init__(self, rank: int, given: list, barrier: threading.Barrier):
        self.rank, self.processes, self.node_ids = rank, len(given), ()
        self._given, self._barrier = given, barrier

    def summed(self, values):
        self._given[self.rank] = values
        self._barrier.wait()
        total = torch.stack(self._given).sum(0)
        self._barrier.wait()
        return total


def in_threads(count: int, work) -> list:
    """What ``work`` gives for each of several divisions that run at once."""
    given, found, barrier = [None] * count, [None] * count, threading.Barrier(count)

    def one(rank: int) -> None:
        found[rank] = work(_Threads(rank, given, barrier))

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return found


def test_means_are_those_over_all_sensors():
    parts = [torch.tensor([1.0, torch.nan, 3.0]), torch.tensor([8.0])]
    found = in_threads(2, lambda d: (d.total(2 + d.rank), d.share(d.rank, 2)))
    means = in_threads(2, lambda d: d.mean(parts[d.rank]))

    assert found == [(5, 0.25)] * 2
    assert means == [4.0] * 2
    assert ALONE.mean(parts[0]) == 2.0


def uneven(unknown: slice) -> MemoryStream:
    """Seven sensors: the first large, and the last silent for most of the time."""
    size = {"num_nodes": 7, "num_periods": 1, "steps_per_period": 400, "steps_per_day": 12}
    period = SyntheticStream(**size, missing=0.2)[0]
    series = period.series * torch.tensor([50.0, 1, 1, 1, 1, 1, 1])
    series[unknown, 6] = torch.nan
    graph = Graph(7, torch.tensor([[0, 5, 2], [1, 6, 4]]), torch.ones(3))
    return MemoryStream([replace(period, series=series, graph=graph)])


def test_sensors_of_a_share_are_described_like_those_of_the_whole():
    stream = uneven(slice(10, None))
    whole = described(PeriodData(stream))
    parts = [PeriodData(MemoryStream([chosen(stream[0], torch.tensor(c))])) for c in CUTS]
    found = in_threads(2, lambda d: described(parts[d.rank], Among(summed=d.summed)))

    for name in ("level", "spread"):
        joined = torch.cat([getattr(part, name) for part in found])
        torch.testing.assert_close(joined, getattr(whole, name), rtol=1e-5, atol=1e-5)


def test_naive_errors_of_shares_are_those_of_the_whole():
    stream = uneven(slice(0, 345))
    whole = baseline_errors(PeriodData(stream), None)
    parts = [PeriodData(MemoryStream([chosen(stream[0], torch.tensor(c))])) for c in CUTS]
    found = in_threads(
        2, lambda d: baseline_errors(parts[d.rank], None, among=Among(summed=d.summed))
    )

    for name, errors in whole.items():
        joined = torch.cat([part[name].state() for part in found], 1)
        assert torch.allclose(joined, errors.state(), rtol=1e-6), name


@pytest.mark.parametrize("scaling", [None, PerNode(), Robust()])
def test_shares_are_scaled_like_the_whole(scaling):
    stream = uneven(slice(10, None))
    data, needs = PeriodData(stream, scaling=scaling, carry=0.9), SeasonalMLP(network=True).needs
    whole = data.prepared(needs).full

    def one(division: Division) -> PeriodTensors:
        share = replace(Share.of(stream, 0, (division.rank, 2)), summed=division.summed)
        return data.of_share(share).prepared(needs).full

    found = in_threads(2, one)
    starts = torch.tensor([0, 100])
    batches = [part.batch(starts) for part in (whole, *found)]
    for get in (
        lambda b: b.scaler.mean.expand(len(starts), -1),
        lambda b: b.scaler.scale.expand(len(starts), -1),
        lambda b: b.inputs.x,
        lambda b: b.inputs.neighbour_x,
    ):
        expected, *parts = map(get, batches)
        torch.testing.assert_close(torch.cat(parts, 1), expected, rtol=1e-4, atol=1e-4)


class _Model(nn.Module):
    def __init__(self, ids):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.pool = nn.Linear(4, 3), PromptPool(4, rank=2, seed=0)
        self.pool.grow(ids)

    def forward(self, x, node):
        return self.layer(x + self.pool(self.pool.rows(list(node))))


def grad(parameter: torch.Tensor | None) -> torch.Tensor:
    assert parameter is not None
    assert parameter.grad is not None
    return parameter.grad


def gradients(model: _Model, x, node, y) -> _Model:
    (model(x, node) - y).abs().mean().backward()
    return model


@pytest.mark.parametrize("most", [None, 0.01])
def test_joined_gradients_are_those_of_one_process_with_all_batches(most):
    x, y, node = torch.randn(10, 4), torch.randn(10, 3), "abcabcdede"
    whole = gradients(_Model("abcde"), x, node, y)
    if most is not None:
        nn.utils.clip_grad_norm_(whole.parameters(), most)
    cuts = slice(0, 6), slice(6, 10)  # batches of other sizes
    models = _Model("abc"), _Model("de")  # made here: threads share what weights are drawn from

    def one(division: Division) -> _Model:
        cut = cuts[division.rank]
        model = gradients(models[division.rank], x[cut], node[cut], y[cut])
        division.join_gradients(model, torch.tensor(3 * len(x[cut])))
        if most is not None:
            division.clip(model, most)
        return model

    first, second = in_threads(2, one)
    for model in (first, second):
        assert torch.allclose(grad(model.layer.weight), grad(whole.layer.weight), atol=1e-7)
        assert torch.allclose(grad(model.pool.basis), grad(whole.pool.basis), atol=1e-7)
    rows = torch.cat([grad(one.pool.node_factor) for one in (first, second)])
    assert torch.allclose(rows, grad(whole.pool.node_factor), atol=1e-7)


@pytest.fixture
def division(tmp_path) -> Iterator[Division]:
    """The connection of a single process, which holds a share of everything."""
    distributed.init_process_group("gloo", f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    yield Division()
    distributed.destroy_process_group()


def test_rows_come_to_the_first_process_in_order_whatever_their_type(division):
    division.node_ids = ("a", "b", "c")
    for rows in (torch.arange(6.0).view(3, 2), torch.tensor([True, False, True]), torch.arange(3)):
        assert torch.equal(division.to_first(rows), rows)
        assert division.to_first(rows).dtype == rows.dtype
    errors = HorizonErrors(3, 2)
    errors.update(torch.ones(1, 3, 2), torch.zeros(1, 3, 2))
    assert torch.equal(division.every_sensor(errors).state(), errors.state())


def runner(directory, stream, holding: Holding | None = None) -> StreamRunner:
    torch.manual_seed(0)
    model = Forecaster(
        SeasonalMLP(hidden=8, lags=["1d"], network=True), Refresh(EAC(rank=3), steps=2)
    )
    data = PeriodData(stream, nodes_per_window=1, steps_per_epoch=3, batch_size=32, rehearsal=0.3)
    data.layout = replace(data.layout, scaling=PerNode())
    trainer = DefaultTrainer(max_epochs=1)
    return StreamRunner(model, data, run_dir=directory, make_trainer=trainer, holding=holding)


def test_what_a_divided_run_writes_is_what_one_process_writes(division, tmp_path):
    stream = SyntheticStream(num_nodes=6, num_periods=2, steps_per_period=300)
    runner(tmp_path / "whole", stream).run()
    runner(tmp_path / "divided", stream, DividedNetwork(division)).run()

    for folder in sorted((tmp_path / "whole").glob("period-*")):
        whole, divided = read_period(folder), read_period(tmp_path / "divided" / folder.name)
        assert divided.fingerprint == whole.fingerprint
        assert divided.nodes == whole.nodes
        assert divided.total_parameters == whole.total_parameters
        assert divided.errors.point["MAE"]["mean"] == pytest.approx(
            whole.errors.point["MAE"]["mean"], rel=1e-3
        )
        names = {path.name for path in (tmp_path / "divided" / folder.name).iterdir()}
        assert names == {path.name for path in folder.iterdir()}
        cards = [
            json.loads((path / folder.name / "card.json").read_text())
            for path in (tmp_path / "whole", tmp_path / "divided")
        ]
        assert cards[0]["scaler"] == cards[1]["scaler"]
        assert cards[0].get("input_scaler") == cards[1].get("input_scaler")
    runner(tmp_path / "divided", stream).run()  # one process takes it up as its own


@pytest.mark.parametrize(
    ("strategy", "backbone", "changed", "said"),
    [
        (OnlineAll(), SeasonalMLP(), {}, "strategy OnlineAll looks at sensors of other"),
        (EAC(cold_start=UnknownStart()), SeasonalMLP(), {}, "strategy EAC looks at sensors"),
        (EAC(), STGNN(), {}, "backbone STGNN hears sensors beyond"),
        (EAC(), SeasonalMLP(covariates=["rain"]), {}, "SeasonalMLP takes covariates"),
        (EAC(), SeasonalMLP(), {"nodes_per_window": 2}, "it needs data.nodes_per_window 1"),
        (EAC(), SeasonalMLP(), {"steps_per_epoch": None}, "it needs data.steps_per_epoch"),
        (EAC(), SeasonalMLP(), {"scaling": Global()}, "one scale for all sensors"),
        (EAC(), SeasonalMLP(), {"protocol": "published"}, "protocol published"),
    ],
)
def test_what_needs_sensors_of_other_processes_is_refused(
    division, strategy, backbone, changed, said
):
    stream = SyntheticStream(num_nodes=4, num_periods=1, steps_per_period=300)
    given = {"nodes_per_window": 1, "steps_per_epoch": 3} | changed
    with pytest.raises(ConfigError, match=said):
        DividedNetwork(division).check(Forecaster(backbone, strategy), PeriodData(stream, **given))


def test_a_loss_in_raw_units_is_refused(division):
    stream = SyntheticStream(num_nodes=4, num_periods=1, steps_per_period=300)
    data = PeriodData(stream, nodes_per_window=1, steps_per_epoch=3)
    raw = Forecaster(SeasonalMLP(), EAC(), loss_units="raw")
    with pytest.raises(ConfigError, match="raw weighs by the mean scale"):
        DividedNetwork(division).check(raw, data)


def test_one_process_alone_has_nothing_to_divide(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(ConfigError, match="torchrun --nproc-per-node 2"):
        connect(1.0)


def test_each_process_draws_for_itself_and_again_the_same(monkeypatch, division):
    def drawn(rank: int) -> list[float]:
        monkeypatch.setattr(division, "rank", rank)
        trainer, model = Trainer(logger=False), LightningModule()
        for callback in (SeedEveryEpoch(42), JoinGradients(division)):
            callback.on_train_epoch_start(trainer, model)
        return torch.rand(3).tolist()

    assert drawn(0) == drawn(0)
    assert drawn(1) == drawn(1)
    assert drawn(0) != drawn(1)
