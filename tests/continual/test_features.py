from dataclasses import replace

import pytest
import torch
from torch import nn

from eac.backbones.stgnn import STGNN
from eac.continual.features import (
    batches,
    evaluating,
    last_week_features,
    last_week_readings,
    last_week_starts,
    mean_day,
    training_starts,
)
from eac.data.batches.batch import Inputs


def test_last_week_windows_do_not_overlap_and_stay_with_their_targets_in_training(
    view_of, period_of
):
    view = view_of(period_of(["a", "b"]))  # 100 steps, 60 of training; a week is 28 steps
    starts = last_week_starts(view)
    assert starts.tolist() == [31, 34, 37, 40, 43, 46, 49, 52, 55]
    assert starts[-1] + 3 + 2 == view.split.train.stop
    assert training_starts(view).tolist() == list(range(56))


def test_a_short_period_gives_the_windows_it_has(view_of, period_of):
    view = view_of(period_of(["a"], steps=30))  # 18 steps of training
    assert last_week_starts(view).tolist() == [1, 4, 7, 10, 13]
    assert last_week_readings(view).shape == (18, 1)


def test_last_week_readings_are_raw_and_of_the_training_part(view_of, period_of):
    period = period_of(["a", "b"])
    assert torch.equal(last_week_readings(view_of(period)), period.series[32:60])


def test_features_are_those_of_the_backbone_with_the_readings_added(view_of, period_of):
    view, backbone = view_of(period_of(["a", "b", "c"])), STGNN(window=3, horizon=2, hidden=4)
    features, present = last_week_features(view, backbone)
    x, _ = view.tensors.windows(last_week_starts(view))
    with torch.no_grad():
        expected = backbone.encode(Inputs(x), view.period.graph) + x
    assert torch.allclose(features, expected, atol=1e-5)
    assert present.all()


def test_a_window_without_a_reading_is_marked(view_of, period_of):
    period = period_of(["a", "b"])
    period.series[31:35, 1] = torch.nan
    _, present = last_week_features(view_of(period), STGNN(window=3, horizon=2))
    assert present[:, 0].all()
    assert present[:, 1].tolist() == [False] + [True] * 8


def test_nothing_after_the_training_part_is_read(view_of, period_of):
    period = period_of(["a", "b"])
    series = period.series.clone()
    series[60:] += 1000
    other = replace(period, series=series)
    backbone = STGNN(window=3, horizon=2)
    for read in (lambda v: last_week_features(v, backbone)[0], last_week_readings, mean_day):
        assert torch.equal(read(view_of(period)), read(view_of(other)))


def test_features_do_not_depend_on_whether_the_graph_was_applied_before(view_of, period_of):
    view, backbone = view_of(period_of(["a", "b", "c"])), STGNN(window=3, horizon=2)
    applied = replace(view, ready=view.tensors.with_neighbours(backbone.needs.neighbours))
    first, second = (last_week_features(v, backbone)[0] for v in (view, applied))
    assert torch.equal(first, second)


def test_the_mean_day_averages_the_readings_present_by_slot(view_of, period_of):
    period = period_of(["a", "b"])
    period.series[:60] = torch.arange(60.0)[:, None] % 4  # four slots a day: 0, 1, 2, 3
    period.series[1, 0] = torch.nan
    period.series[:, 1] = torch.nan
    period.series[[0, 1], [1, 1]] = torch.tensor([5.0, 7.0])
    view = view_of(period)
    raw = mean_day(view) * view.tensors.scaler.scale[:, None] + view.tensors.scaler.mean[:, None]
    assert raw[0].tolist() == pytest.approx([0, 1, 2, 3], abs=1e-4)
    assert raw[1].tolist() == pytest.approx([5, 7, 6, 6], abs=1e-4)


def test_a_node_without_readings_has_no_mean_day(view_of, period_of):
    period = period_of(["a", "b"])
    period.series[:60, 1] = torch.nan
    assert mean_day(view_of(period)).isnan().all(1).tolist() == [False, True]


def test_batches_come_in_chunks_and_in_order(view_of, period_of):
    view = view_of(period_of(["a", "b"]))
    found = list(batches(view, STGNN(window=3, horizon=2), training_starts(view), size=20))
    assert [len(batch.y) for batch in found] == [20, 20, 16]


def test_evaluation_mode_ends_as_it_began():
    model = nn.Sequential(nn.Dropout(), nn.Linear(1, 1))
    model[1].eval()
    with evaluating(model):
        assert not any(part.training for part in model.modules())
    assert [part.training for part in model.modules()] == [True, True, False]
