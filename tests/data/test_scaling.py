"""Scaling, against numpy's mean and deviation of the readings present."""

import numpy as np
import pytest
import torch

from eac.data.core import pieces
from eac.data.series import scaling
from eac.data.series.scaling import PerNode, Robust, Scaler, fit_scaler


@pytest.fixture
def series() -> torch.Tensor:
    values = torch.randn(60, 3) * torch.tensor([1.0, 10.0, 0.1]) + torch.tensor([0.0, 50.0, -3.0])
    values[::7, 0] = torch.nan
    return values


def test_each_node_takes_the_statistics_of_its_readings_present(series):
    scaler = fit_scaler(series, per_node=True)

    np.testing.assert_allclose(scaler.mean, np.nanmean(series, axis=0), rtol=1e-5)
    np.testing.assert_allclose(scaler.scale, np.nanstd(series, axis=0), rtol=1e-5)


def test_one_scale_for_all_takes_the_statistics_of_everything(series):
    scaler = fit_scaler(series, per_node=False)

    np.testing.assert_allclose(scaler.mean, np.full(3, np.nanmean(series)), rtol=1e-5)
    np.testing.assert_allclose(scaler.scale, np.full(3, np.nanstd(series)), rtol=1e-5)


def test_a_node_with_few_readings_takes_the_statistics_of_all(series):
    series[20:, 2] = torch.nan
    scaler = fit_scaler(series, per_node=True, min_readings=24)

    np.testing.assert_allclose(scaler.mean[2], np.nanmean(series), rtol=1e-5)
    np.testing.assert_allclose(scaler.scale[2], np.nanstd(series), rtol=1e-5)


def test_a_constant_node_is_only_shifted():
    scaler = fit_scaler(torch.full((30, 1), 1234.5), per_node=True)

    assert scaler.scale.tolist() == [1.0]
    assert scaler.transform(torch.full((1, 1), 1234.5)).tolist() == [[0.0]]


def test_a_series_without_any_reading_is_left_as_it_is():
    scaler = fit_scaler(torch.full((30, 2), torch.nan), per_node=True)

    assert scaler.mean.tolist() == [0.0, 0.0]
    assert scaler.scale.tolist() == [1.0, 1.0]


def test_step_weights_count_steps_as_often_as_windows_hold_them():
    values = torch.arange(40.0)[:, None]
    weight = torch.ones(40)
    weight[10] = 3
    repeated = np.r_[np.arange(40.0), 10.0, 10.0]
    scaler = fit_scaler(values, per_node=True, step_weight=weight)

    np.testing.assert_allclose(scaler.mean, [repeated.mean()], rtol=1e-6)
    np.testing.assert_allclose(scaler.scale, [repeated.std()], rtol=1e-6)


def test_a_large_offset_costs_no_precision():
    noise = np.random.default_rng(0).normal(size=(500, 1))
    series = torch.from_numpy(noise + 1e5).float()

    np.testing.assert_allclose(
        fit_scaler(series, per_node=True).scale, series.double().numpy().std(axis=0), rtol=1e-5
    )


def test_missing_readings_stay_missing(series):
    scaled = fit_scaler(series, per_node=True).transform(series)

    assert torch.equal(scaled.isnan(), series.isnan())


def test_scaling_targets_and_back_gives_the_targets():
    scaler = Scaler(torch.tensor([1.0, -5.0]), torch.tensor([2.0, 0.5]))
    target = torch.randn(4, 2, 3)

    np.testing.assert_allclose(scaler.inverse(scaler.scale_target(target)), target, atol=1e-6)
    np.testing.assert_array_equal(scaler.scale_target(target)[:, 1], (target[:, 1] + 5) / 0.5)


def test_a_subset_scales_its_nodes_as_the_whole_does(series):
    scaler = fit_scaler(series, per_node=True)
    nodes = torch.tensor([2, 0])

    assert torch.equal(
        scaler.subset(nodes).transform(series[:, nodes]).nan_to_num(),
        scaler.transform(series)[:, nodes].nan_to_num(),
    )


def test_the_identity_changes_nothing():
    target = torch.randn(2, 3, 4)

    assert torch.equal(Scaler.identity(3).inverse(target), target)


def test_scaling_in_chunks_of_nodes_changes_nothing(series, monkeypatch):
    whole = fit_scaler(series, per_node=True), fit_scaler(series, per_node=False)
    monkeypatch.setattr("eac.data.series.scaling.CHUNK_ELEMENTS", 1)
    parts = fit_scaler(series, per_node=True), fit_scaler(series, per_node=False)

    for one, other in zip(whole, parts, strict=True):
        assert torch.equal(one.mean, other.mean)
        assert torch.equal(one.scale, other.scale)


@pytest.mark.parametrize("per_node", [True, False])
def test_a_walk_along_time_gives_the_statistics_of_columns(monkeypatch, per_node):
    series = torch.randn(90, 4) * 3 + 100
    series[::5, 2] = torch.nan
    weight = torch.arange(90.0)
    expected = fit_scaler(series, per_node=per_node, step_weight=weight)
    monkeypatch.setattr(scaling, "LARGE", 1)
    monkeypatch.setattr(pieces, "ELEMENTS", 28)
    found = fit_scaler(series, per_node=per_node, step_weight=weight)

    torch.testing.assert_close(found.mean, expected.mean)
    torch.testing.assert_close(found.scale, expected.scale)


@pytest.mark.parametrize("kind", [PerNode, Robust])
@pytest.mark.parametrize("times", [1e5, 1e9, -1e7])
def test_a_sensor_of_another_size_altogether_moves_no_other(kind, times):
    generator = torch.Generator().manual_seed(0)
    usual = 50 + 20 * torch.randn(300, 3, generator=generator)
    odd = usual.clone()
    odd[:, 0] *= times
    alone, beside = kind().fit(usual[:, 1:]), kind().fit(odd)
    torch.testing.assert_close(beside.mean[1:], alone.mean)
    torch.testing.assert_close(beside.scale[1:], alone.scale)
    scaled = (odd[:, 0] - beside.mean[0]) / beside.scale[0]
    assert scaled.abs().mean() < 2  # and it is scaled by what it reads itself
