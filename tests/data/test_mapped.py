"""Series that are mapped from files: the same numbers as in memory, and nothing copied whole."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from eac.backbones.seasonal import SeasonalMLP
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.core import pieces
from eac.data.manage.convert import convert
from eac.data.manage.describe import summaries
from eac.data.readers.table import TableStream
from eac.data.series.mapped import MappedSeries
from eac.data.series.scaling import PerNode, Robust
from eac.errors import ConfigError, StreamError
from eac.metrics import baselines
from eac.metrics.baselines import naive_errors

NODES, STEPS = ("north", "south", "east"), 24 * 16
BY_NODE = {"nodes_per_window": 1, "carry": 0.9, "rehearsal": 0.3}
INPUTS = (
    *("x", "neighbour_x", "observed", "network"),
    *("history", "history_observed", "neighbour_history"),
)


def write_period(folder: Path, start: str, nodes: tuple[str, ...]) -> None:
    folder.mkdir(parents=True)
    index = pd.date_range(start, periods=STEPS, freq="h", name="time")
    values = np.random.default_rng(len(start)).normal(50, 9, (STEPS, len(nodes)))
    values[40:50, 1] = np.nan
    pd.DataFrame(values, index, list(nodes)).to_parquet(folder / "series.parquet")
    (folder / "nodes.csv").write_text("node_id\n" + "\n".join(nodes) + "\n")
    (folder / "edges.csv").write_text("source,target,weight\nnorth,south,1\nsouth,north,2\n")


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(pieces, "ELEMENTS", 30)
    monkeypatch.setattr(pieces, "PASSES", 2)


@pytest.fixture
def in_memory(tmp_path) -> TableStream:
    write_period(tmp_path / "stream" / "1", "2024-01-01", NODES)
    write_period(tmp_path / "stream" / "2", "2024-01-17", ("south", "north"))
    return TableStream(tmp_path / "stream")


@pytest.fixture
def mapped(in_memory, tmp_path) -> TableStream:
    return TableStream(convert(in_memory, tmp_path / "mapped", "npy"))


def test_a_converted_stream_holds_the_same_periods(in_memory, mapped):
    assert list(mapped.period_names) == ["1", "2"]
    for one, other in zip(in_memory, mapped, strict=True):
        assert other.mapped
        assert not one.mapped
        assert torch.equal(one.series.nan_to_num(-1), other.series.nan_to_num(-1))
        assert one.fingerprint() == other.fingerprint()


def test_a_series_is_written_to_a_file_and_mapped_from_there_while_it_is_read(in_memory, tmp_path):
    period = in_memory.load_mapped(0, tmp_path / "series.npy")
    assert period.mapped
    assert np.load(tmp_path / "series.npy", mmap_mode="r").shape == (STEPS, len(NODES))
    assert torch.equal(period.series.nan_to_num(-1), in_memory[0].series.nan_to_num(-1))


def test_text_is_written_to_a_file_and_mapped_too(in_memory, tmp_path):
    folder = tmp_path / "text" / "1"
    folder.mkdir(parents=True)
    for name in ("nodes.csv", "edges.csv"):
        (folder / name).write_bytes((tmp_path / "stream" / "1" / name).read_bytes())
    pd.read_parquet(tmp_path / "stream" / "1" / "series.parquet").to_csv(folder / "series.csv")
    period = TableStream(tmp_path / "text").load_mapped(0, tmp_path / "series.npy")
    assert period.mapped
    assert torch.allclose(period.series, in_memory[0].series, equal_nan=True)


def test_parquet_on_its_way_to_a_file_is_read_a_part_at_a_time(in_memory, tmp_path, monkeypatch):
    read, asked = pd.read_parquet, []
    monkeypatch.setattr(pd, "read_parquet", lambda *a, **k: asked.append(k) or read(*a, **k))
    assert in_memory.load_mapped(0, tmp_path / "series.npy").num_steps == STEPS
    assert asked
    assert all(some.get("columns") == [] for some in asked)


def test_what_a_walk_finds_is_the_same(in_memory, mapped):
    assert list(summaries(in_memory)) == list(summaries(mapped))


@pytest.mark.parametrize("scaling", [None, PerNode(), Robust()], ids=["protocol", "node", "robust"])
@pytest.mark.parametrize(
    "backbone", [STGNN(), SeasonalMLP(lags=("1d", "1w"), network=True)], ids=["gnn", "mlp"]
)
@pytest.mark.parametrize("index", [0, 1])
def test_batches_are_those_of_the_series_in_memory(in_memory, mapped, index, backbone, scaling):
    batches = []
    for stream in (in_memory, mapped):
        data = PeriodData(stream, period=index, scaling=scaling)
        batches.append(data.prepared(backbone.needs).full.batch(torch.tensor([0, 38, 220, 300])))
    one, other = batches
    for name in INPUTS:
        expected, found = getattr(one.inputs, name), getattr(other.inputs, name)
        assert (expected is None and found is None) or torch.equal(expected, found)
    assert torch.equal(one.y, other.y)
    assert torch.equal(one.mask, other.mask)


def test_a_subgraph_reads_its_own_columns_only_when_asked(in_memory, mapped):
    nodes, starts = torch.tensor([2, 1]), torch.tensor([7, 38])
    expected, found = (
        PeriodData(stream).full.subset(nodes, None).batch(starts) for stream in (in_memory, mapped)
    )
    raw = PeriodData(mapped).full.subset(nodes, None).readings.raw

    assert isinstance(raw, MappedSeries)
    assert raw.file.shape == (STEPS, 3)
    assert raw.shape == (STEPS, 2)
    assert torch.equal(expected.inputs.x, found.inputs.x)


@pytest.mark.parametrize("elements", [1 << 22, 1], ids=["columns copied", "walked through"])
def test_naive_errors_are_the_same(in_memory, mapped, monkeypatch, elements):
    monkeypatch.setattr(baselines, "CHUNK_ELEMENTS", elements)
    tables = []
    for stream in (in_memory, mapped):
        data = PeriodData(stream)
        errors = naive_errors(data.period.series, data.starts("test"), 12, 12, data.period.calendar)
        tables.append({name: sums.summary() for name, sums in errors.items()})
    assert tables[0] == tables[1]


def test_means_taken_along_time_are_those_of_columns(in_memory, monkeypatch):
    series = in_memory.load(0).series
    expected = baselines.node_means(series)
    monkeypatch.setattr(baselines, "CHUNK_ELEMENTS", 1)
    torch.testing.assert_close(baselines.node_means(series), expected)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("beside", [True, False], ids=["second file", "working file"])
def test_windows_of_some_nodes_are_those_of_the_series_in_memory(in_memory, mapped, index, beside):
    if not beside:
        for file in mapped.path.glob("*/series_by_node.npy"):
            file.unlink()
    needs, batches = SeasonalMLP(lags=("1d", "1w"), network=True).needs, []
    for stream in (in_memory, mapped):
        data = PeriodData(stream, period=index, scaling=PerNode(), **BY_NODE).prepared(needs)
        tensors = data.ready.tested.tensors
        for starts in (torch.tensor([0, 5, 38, 220]), torch.tensor([200, 210, 250, 330])):
            for nodes in (torch.tensor([[1], [0], [1], [1]]), torch.tensor([1, 0]), None):
                batches.append(tensors.batch(starts, None, nodes))
    half = len(batches) // 2
    for one, other in zip(batches[:half], batches[half:], strict=True):
        for name in INPUTS:
            expected, found = getattr(one.inputs, name), getattr(other.inputs, name)
            assert (expected is None and found is None) or torch.equal(expected, found)
        assert torch.equal(one.y, other.y)
        assert torch.equal(one.mask, other.mask)


def test_a_series_is_held_in_files_alone(mapped):
    needs = SeasonalMLP(lags=("1d", "1w"), network=True).needs
    tensors = PeriodData(mapped, period=1, **BY_NODE).prepared(needs).ready.tested.tensors
    for held in (tensors.readings.raw, tensors.readings.filled, tensors.neighbour_x):
        assert isinstance(held, MappedSeries)


def test_gaps_are_not_filled_along_time_where_steps_are_read(mapped):
    with pytest.raises(ConfigError, match=r"Set data\.nodes_per_window"):
        _ = PeriodData(mapped, carry=0.5).full


def test_a_second_file_of_other_readings_is_refused(mapped):
    file = mapped.path / "1" / "series_by_node.npy"
    np.save(file, np.load(file) + 1)
    with pytest.raises(StreamError, match="Remove it"):
        mapped.load(0)
    file.unlink()
    assert mapped.load(0).by_node is None


def test_a_second_file_that_is_older_is_not_read(mapped):
    file, first = (mapped.path / "1" / name for name in ("series_by_node.npy", "series.npy"))
    assert mapped.load(0).by_node is not None
    np.save(first, np.load(first) + 1)
    assert mapped.load(0).by_node is None
    assert file.is_file()


def test_a_file_of_other_numbers_is_refused(mapped):
    np.save(mapped.path / "1" / "series.npy", np.zeros((STEPS, 3)))
    with pytest.raises(StreamError, match="holds float64 of shape"):
        mapped.load(0)


def test_a_series_without_a_clock_is_refused(mapped):
    (mapped.path / "1" / "clock.yaml").write_text("start: 2024-01-01\n")
    with pytest.raises(StreamError, match="gives no frequency"):
        mapped.load(0)


def test_columns_that_are_no_nodes_are_refused_before_anything_is_read(in_memory, tmp_path):
    (in_memory.path / "1" / "nodes.csv").write_text("node_id\nnorth\nsouth\n")
    with pytest.raises(StreamError, match=r"not in nodes\.csv, first 'east'"):
        convert(in_memory, tmp_path / "mapped", "npy")
