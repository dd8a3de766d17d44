"""A period made ready: what is shared, what is copied, what a complete series may skip."""

import numpy as np
import torch

from eac.data.batches.needs import Needs
from eac.data.batches.preparation import Layout, fit_scales, prepare
from eac.data.batches.tensors import PeriodTensors
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.windows import Split
from eac.protocols.protocol import PUBLISHED, STRICT


def tensors(series, protocol=STRICT, carry=0.0) -> PeriodTensors:
    ids = tuple(str(i) for i in range(series.shape[1]))
    period = Period("p", series, ids, Graph.empty(len(ids)), Calendar(24))
    split = Split.by_fraction(len(series), (0.6, 0.2))
    layout = Layout(window=4, horizon=3, protocol=protocol, carry=carry)
    return prepare(period, None, fit_scales(period, split, layout), layout, Needs())


def test_the_series_is_kept_once_and_raw():
    series = torch.randn(100, 3)
    made = tensors(series)

    assert made.readings.complete
    assert made.readings.raw is series
    assert made.readings.filled is None
    assert made.batch(torch.tensor([5, 9])).mask.all()
    assert made.batch(torch.tensor([5, 9])).mask.shape == (2, 3, 3)


def test_one_missing_reading_makes_the_masks_count():
    series = torch.randn(100, 3)
    series[10, 1] = torch.nan
    made = tensors(series)
    batch = made.batch(torch.tensor([5]))

    assert not batch.complete
    assert batch.mask.tolist() == [[[True] * 3, [True, False, True], [True] * 3]]
    assert batch.y[0, 1, 1] == 0
    assert series[10, 1].isnan()


def test_preparing_leaves_the_readings_as_they_were():
    series = torch.randn(100, 3)
    series[3, 0] = torch.nan
    before = series.clone()
    for protocol in (STRICT, PUBLISHED):
        tensors(series, protocol)

    np.testing.assert_array_equal(series, before)


def test_published_targets_pass_through_the_scaler_untouched():
    batch = tensors(torch.randn(100, 3), PUBLISHED).batch(torch.tensor([5]))

    assert batch.scaler.inverse(batch.y) is batch.y
    assert batch.scaler.scale_target(batch.y) is batch.y


def test_each_part_is_scaled_by_its_own_windows_as_published():
    series = torch.randn(100, 3) * 5 + 7
    made = tensors(series, PUBLISHED)
    for part in (range(60), range(60, 80), range(80, 100)):
        raw = series[part.start : part.stop].double().numpy()
        windows = np.stack([raw[i : i + 4] for i in range(len(raw) - 7)])
        expected = (raw - windows.mean()) / windows.std()
        np.testing.assert_allclose(made.scaled(part), expected, rtol=1e-4, atol=1e-5)


def test_a_gathered_window_is_bitwise_what_scaling_the_whole_series_gives():
    series = torch.randn(100, 3) * 5 + 7
    series[::7, 1] = torch.nan
    for protocol in (STRICT, PUBLISHED):
        made = tensors(series, protocol)
        starts = torch.tensor([0, 58, 79, 93])  # across both borders between parts
        x, observed = made.windows(starts)
        whole = made.scaled(range(100))
        for i, start in enumerate(starts.tolist()):
            assert torch.equal(x[i].T, whole[start : start + 4])
            assert torch.equal(observed[i].T, ~series[start : start + 4].isnan())


def test_each_side_of_a_border_is_scaled_by_its_own_part():
    series = torch.arange(100.0)[:, None]
    made = tensors(series, PUBLISHED)
    before, after = made.scaled(range(59, 60)), made.scaled(range(60, 61))

    own = [fit_by_windows(series[part.start : part.stop]) for part in (range(60), range(60, 80))]
    np.testing.assert_allclose(before, (59 - own[0][0]) / own[0][1], rtol=1e-5)
    np.testing.assert_allclose(after, (60 - own[1][0]) / own[1][1], rtol=1e-5)


def test_windows_of_chosen_nodes_are_columns_of_those_of_all():
    series = torch.randn(100, 3)
    for protocol in (STRICT, PUBLISHED):
        made = tensors(series, protocol)
        starts, nodes = torch.tensor([57, 20]), torch.tensor([[2, 0], [1, 1]])
        whole, _ = made.windows(starts)
        some, _ = made.windows(starts, nodes)
        assert torch.equal(some[0], whole[0, [2, 0]])
        assert torch.equal(some[1], whole[1, [1, 1]])


def test_a_batch_knows_its_nodes_and_one_that_may_be_cut_names_none():
    made, starts, nodes = tensors(torch.randn(100, 3)), torch.tensor([57]), torch.tensor([[2, 0]])
    assert torch.equal(made.batch(starts, nodes=nodes).nodes, nodes)
    assert made.in_parts(starts).nodes is None


def test_filled_gaps_are_stored_only_where_a_gap_keeps_something():
    series = torch.randn(100, 1)
    series[50] = torch.nan
    made = tensors(series, carry=0.5)
    assert made.readings.filled is not None
    filled = made.scaled(range(49, 51)).flatten()
    assert filled[1] == filled[0] * 0.5
    assert tensors(torch.randn(100, 1), carry=0.5).readings.filled is None


def test_laid_out_by_node_batches_are_the_same():
    series = torch.randn(100, 3)
    series[10, 1] = torch.nan
    made = tensors(series, carry=0.5).with_neighbours(lambda x, graph: 2 * x)
    laid = made.by_node()
    nodes = torch.tensor([[1], [2]])

    for chosen in (None, nodes):
        one, other = (t.batch(torch.tensor([5, 9]), None, chosen) for t in (made, laid))
        assert torch.equal(one.inputs.x, other.inputs.x)
        assert torch.equal(one.inputs.neighbour_x, other.inputs.neighbour_x)
        assert torch.equal(one.y, other.y)
        assert torch.equal(one.mask, other.mask)


def fit_by_windows(part):
    """Mean and deviation of all input windows of a part, as the published code takes them."""
    windows = np.stack([part[i : i + 4].double().numpy() for i in range(len(part) - 7)])
    return windows.mean(), windows.std()
