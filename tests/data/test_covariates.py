"""Covariates: read, checked, scaled, gathered over window and horizon, and no further."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from eac.data.batches.datamodule import PeriodData
from eac.data.batches.needs import Needs
from eac.data.core.calendar import Calendar
from eac.data.core.covariates import Covariates, CovariateScale
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import MemoryStream
from eac.data.manage.convert import convert
from eac.data.readers.frame import FrameStream
from eac.data.readers.table import TableStream
from eac.errors import StreamError

WINDOW, HORIZON = 3, 2
SPAN = WINDOW + HORIZON


def period(name, nodes, num_steps, *, first=0, names=("rain",), shared=False):
    """Each covariate names its step, its node and its channel: step + 1000 node + 100 channel."""
    step = torch.arange(first, first + num_steps)[:, None, None].float()
    node = torch.tensor([0.0 if shared else ord(node[0]) for node in nodes])[None, :, None]
    values = step + 1000 * node + 100 * torch.arange(len(names))
    values = values[:, :1] if shared else values
    series = torch.rand(num_steps, len(nodes))
    calendar = Calendar(4, 3, start_slot=first)
    graph = Graph.empty(len(nodes))
    ahead = Covariates(tuple(names), values)
    return Period(name, series, tuple(nodes), graph, calendar, covariates=ahead)


def tensors_of(stream, index=0, names=("rain",), lags=("1d",), **settings):
    data = PeriodData(stream, period=index, window=WINDOW, horizon=HORIZON, **settings)
    data = data.prepared(Needs(tuple(lags), tuple(names)))
    return data.full, data


def scale_of(data, names=("rain",)):
    """Mean and deviation over the training part of the first period, by numpy."""
    values = data.stream.load(0).covariates.values.numpy()
    training = values[: int(len(values) * 0.6)].reshape(-1, values.shape[-1])
    return training.mean(0), training.std(0)


def test_a_batch_holds_the_covariates_of_window_and_horizon_of_each_node():
    stream = MemoryStream([period("p", "ab", 40, names=("rain", "closed"))], name="s")
    tensors, data = tensors_of(stream, names=("closed", "rain"))
    given = tensors.batch(torch.tensor([5, 11])).inputs.extras["covariates"]

    assert given.shape == (2, 2, 2, SPAN)
    mean, deviation = scale_of(data)
    expected = torch.arange(11.0, 11 + SPAN) + 1000 * ord("b") + 100
    torch.testing.assert_close(
        given[1, 1, 0] * deviation[1] + mean[1], expected, rtol=1e-4, atol=1e-2
    )


def test_one_column_for_all_serves_every_node():
    stream = MemoryStream([period("p", "abc", 40, shared=True)], name="s")
    tensors, data = tensors_of(stream)
    given = tensors.batch(torch.tensor([7])).inputs.extras["covariates"]
    mean, deviation = scale_of(data)
    expected = torch.from_numpy((np.arange(7, 7 + SPAN) - mean[0]) / deviation[0]).float()
    for node in range(3):
        torch.testing.assert_close(given[0, node, 0], expected)


def test_some_nodes_of_a_window_see_what_they_see_among_all():
    for shared in (False, True):
        stream = MemoryStream([period("p", "abc", 40, shared=shared)], name="s")
        tensors, _ = tensors_of(stream)
        starts = torch.tensor([3, 9])
        full = tensors.batch(starts).inputs.extras["covariates"]
        drawn = tensors.batch(starts, nodes=torch.tensor([[2], [0]])).inputs.extras["covariates"]
        assert torch.equal(drawn, torch.stack([full[0, 2:], full[1, :1]]))
        subset = (
            tensors.subset(torch.tensor([2, 0]), None).batch(starts).inputs.extras["covariates"]
        )
        assert torch.equal(subset, full[:, [2, 0]])


def test_what_is_unknown_is_the_mean_and_a_constant_covariate_is_not_divided_by_nothing():
    given = period("p", "ab", 40, shared=True)
    values = torch.full_like(given.covariates.values, 5.0)
    values[10] = torch.nan
    stream = MemoryStream([replace(given, covariates=Covariates(("rain",), values))], name="s")
    tensors, _ = tensors_of(stream)
    seen = tensors.batch(torch.tensor([9])).inputs.extras["covariates"]
    assert torch.equal(seen, torch.zeros_like(seen))


def test_the_scale_is_that_of_the_first_period_throughout_the_stream():
    stream = MemoryStream([period("p", "ab", 40), period("q", "ab", 40, first=40)], name="s")
    tensors, data = tensors_of(stream, index=1)
    mean, deviation = scale_of(data)
    first = (40 + 1000 * ord("a") - mean[0]) / deviation[0]
    seen = tensors.batch(torch.tensor([0])).inputs.extras["covariates"]
    assert float(seen[0, 0, 0, 0]) == pytest.approx(first, abs=1e-4)


def test_rehearsed_windows_bring_the_covariates_of_their_own_time_by_id():
    stream = MemoryStream([period("p", "abc", 40), period("q", "cxa", 40, first=40)], name="s")
    tensors, data = tensors_of(stream, index=1, rehearsal=0.5)
    seen = tensors.batch(torch.tensor([-30])).inputs.extras["covariates"][0, :, 0]
    mean, deviation = scale_of(data)
    expected = (torch.arange(10.0, 10 + SPAN) + 1000 * ord("c") - mean[0]) / deviation[0]
    torch.testing.assert_close(seen[0], expected.float(), rtol=1e-4, atol=1e-4)
    assert not seen[1].any()


def test_after_the_horizon_nothing_is_seen():
    one, start = period("p", "ab", 40), 24
    values = one.covariates.values.clone()
    values[start + SPAN :] = -7.0
    other = replace(one, covariates=Covariates(("rain",), values))
    tensors = [tensors_of(MemoryStream([p], name="s"))[0] for p in (one, other)]
    seen = [t.batch(torch.tensor([start])).inputs.extras["covariates"] for t in tensors]
    assert torch.equal(seen[0], seen[1])


def test_a_backbone_that_asks_for_none_gets_none():
    tensors, _ = tensors_of(MemoryStream([period("p", "ab", 40)], name="s"), names=())
    assert tensors.batch(torch.tensor([0])).inputs.extras == {}


def test_a_stream_without_the_covariate_is_refused_by_name():
    data = PeriodData(MemoryStream([period("p", "ab", 40)], name="s"), window=3)
    with pytest.raises(StreamError, match=r"period 'p' has no covariate 'snow'. It has: rain"):
        data.prepared(Needs(covariates=("snow",)))


def test_infinite_values_and_wrong_sizes_are_refused():
    good = period("p", "ab", 40)
    values = good.covariates.values.clone()
    values[3, 1] = torch.inf
    with pytest.raises(StreamError, match="'rain' of node 'b' is infinite in row 3"):
        replace(good, covariates=Covariates(("rain",), values))
    with pytest.raises(StreamError, match="39 steps"):
        replace(good, covariates=Covariates(("rain",), values[1:]))


def test_covariates_belong_to_the_fingerprint_and_move_with_their_nodes():
    one = period("p", "ab", 40)
    bare = replace(one, covariates=None)
    assert one.fingerprint() != bare.fingerprint()
    moved = one.permute(torch.tensor([1, 0])).covariates.values
    assert torch.equal(moved, one.covariates.values[:, [1, 0]])


@pytest.fixture
def folder(tmp_path):
    """A table folder of two nodes and ten hours."""
    given = period("p", ("south", "north"), 10)
    plain = replace(given, covariates=None, calendar=Calendar(24))
    return convert(MemoryStream([plain], name="s"), tmp_path / "s", "table")


def write(folder, table):
    stamps = pd.read_parquet(folder / "p" / "series.parquet").index
    frame = pd.DataFrame(table, index=stamps[: len(next(iter(table.values())))])
    frame.to_parquet(folder / "p" / "covariates.parquet")


def test_a_column_of_the_table_holds_for_all_nodes_or_for_the_one_it_names(folder):
    write(folder, {"rain": np.arange(10.0), "open": [1] * 10, "open@north": [0] * 10})
    given = TableStream(folder)[0].covariates
    assert given.names == ("rain", "open")
    assert given.values[4].tolist() == [[4.0, 1.0], [4.0, 0.0]]


def test_a_table_for_all_nodes_keeps_one_column(folder):
    write(folder, {"rain": np.arange(10.0)})
    assert TableStream(folder)[0].covariates.values.shape == (10, 1, 1)


@pytest.mark.parametrize("shared", [False, True])
def test_a_converted_table_keeps_them(shared, tmp_path):
    given = period("p", ("south", "north"), 10, names=("rain", "open"), shared=shared)
    stream = MemoryStream([replace(given, calendar=Calendar(24))], name="s")
    kept = TableStream(convert(stream, tmp_path / "kept", "table"))[0].covariates
    assert kept.names == given.covariates.names
    assert torch.equal(kept.values, given.covariates.values)


def test_a_table_that_does_not_fit_the_series_is_refused(folder):
    write(folder, {"rain": np.arange(9.0)})
    with pytest.raises(StreamError, match=r"covariates.parquet has 9 rows .* its series 10"):
        TableStream(folder).load(0)
    write(folder, {"rain@west": np.arange(10.0)})
    with pytest.raises(StreamError, match="covariates of 'west'"):
        TableStream(folder).load(0)


def test_columns_of_a_long_frame_are_covariates_when_named():
    frame = pd.DataFrame(
        {
            "unique_id": ["a", "a", "b", "b"],
            "ds": pd.to_datetime(["2024-01-01 00:00", "2024-01-01 01:00"] * 2),
            "y": [1.0, 2.0, 3.0, 4.0],
            "rain": [0.5, None, 0.25, 0.125],
        }
    )
    edges = pd.DataFrame({"source": ["a"], "target": ["b"], "weight": [1.0]})
    given = FrameStream(frame, edges, covariates=["rain"])[0].covariates
    assert given.names == ("rain",)
    expected = torch.tensor([[[0.5], [0.25]], [[torch.nan], [0.125]]])
    torch.testing.assert_close(given.values, expected, equal_nan=True)
    with pytest.raises(StreamError, match="no column 'snow'"):
        FrameStream(frame, edges, covariates=["snow"])


def test_the_scale_counts_what_is_known_alone():
    values = torch.tensor([1.0, 3.0, torch.nan])[:, None, None]
    scale = CovariateScale.of(Covariates(("rain",), values))
    assert (scale.mean, scale.scale) == ((2.0,), (1.0,))
    assert scale.apply(values).flatten().tolist() == [-1.0, 1.0, 0.0]
