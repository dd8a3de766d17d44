"""Errors by node and horizon, against hand calculations and an independent numpy twin."""

import json

import numpy as np
import pytest
import torch

from eac.errors import CheckpointError
from eac.metrics.horizon import HorizonErrors
from eac.records.horizon_table import HorizonTable


def _batches(count: int = 3, batch: int = 5, nodes: int = 4, horizon: int = 6):
    generator = torch.Generator().manual_seed(3)
    shape = (count, batch, nodes, horizon)
    y = (torch.rand(shape, generator=generator) * 50).round()
    y = torch.where(torch.rand(shape, generator=generator) < 0.1, 0.0, y)
    y_hat = y + torch.randn(shape, generator=generator) * 5
    mask = torch.rand(shape, generator=generator) > 0.2
    return y_hat, y, mask


def _errors(y_hat, y, mask, null_value: float | None = None) -> HorizonErrors:
    errors = HorizonErrors(y.shape[2], y.shape[3], null_value)
    for batch in zip(y_hat, y, mask, strict=True):
        errors.update(*batch)
    return errors


def _numpy_metrics(y_hat, y, keep) -> dict[str, float]:
    y_hat, y = y_hat.double().numpy()[keep], y.double().numpy()[keep]
    error = np.abs(y_hat - y)
    nonzero = y != 0
    return {
        "MAE": error.mean(),
        "RMSE": np.sqrt((error**2).mean()),
        "MAPE": 100 * (error[nonzero] / np.abs(y[nonzero])).mean(),
        "WAPE": 100 * error.sum() / np.abs(y).sum(),
    }


def _assert_equals_numpy(table: HorizonTable, y_hat, y, keep) -> None:
    horizon = y.shape[-1]
    point = [_numpy_metrics(y_hat[..., h], y[..., h], keep[..., h]) for h in range(horizon)]
    upto = [
        _numpy_metrics(y_hat[..., :h], y[..., :h], keep[..., :h]) for h in range(1, 1 + horizon)
    ]
    for metric in ("MAE", "RMSE", "MAPE", "WAPE"):
        expected = {str(h + 1): point[h][metric] for h in range(horizon)}
        expected["mean"] = float(np.mean([values[metric] for values in point]))
        assert table.point[metric] == pytest.approx(expected, rel=1e-5)
        expected = {str(h + 1): upto[h][metric] for h in range(horizon)}
        expected["avg"] = float(np.mean([values[metric] for values in upto]))
        assert table.cumulative[metric] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("null_value", [None, 0.0])
def test_all_metrics_equal_a_numpy_twin(null_value):
    y_hat, y, mask = _batches()
    keep = mask.numpy() if null_value is None else (mask & (y != null_value)).numpy()
    _assert_equals_numpy(_errors(y_hat, y, mask, null_value).summary(), y_hat, y, keep)


@pytest.mark.parametrize("nodes", [torch.tensor([2, 0]), torch.tensor([True, False, True, False])])
def test_a_group_of_nodes_counts_only_its_own_readings(nodes):
    y_hat, y, mask = _batches()
    table = _errors(y_hat, y, mask).summary(nodes)
    chosen = [0, 2]
    keep = mask[:, :, chosen].numpy()
    _assert_equals_numpy(table, y_hat[:, :, chosen], y[:, :, chosen], keep)


def test_sums_are_divided_once_over_uneven_batches():
    errors = HorizonErrors(num_nodes=1, horizon=1)
    for error, batch in ((1.0, 3), (5.0, 1)):
        y = torch.full((batch, 1, 1), 10.0)
        errors.update(y + error, y, torch.ones(batch, 1, 1, dtype=torch.bool))
    assert errors.summary().point["MAE"]["1"] == (3 * 1.0 + 1 * 5.0) / 4


def test_memory_order_of_the_targets_does_not_matter():
    y_hat, y, mask = _batches(batch=3, nodes=2000, horizon=40)
    gathered = y.transpose(2, 3).contiguous().transpose(2, 3)
    plain, strided = _errors(y_hat, y, mask), _errors(y_hat, gathered, mask)
    torch.testing.assert_close(plain.state(), strided.state(), rtol=1e-6, atol=0.0)


def test_what_stands_where_the_mask_is_false_never_counts():
    y_hat, y, mask = _batches()
    table = _errors(y_hat, y, mask).summary()
    spoiled = _errors(y_hat.masked_fill(~mask, torch.inf), y.masked_fill(~mask, torch.nan), mask)
    assert spoiled.summary() == table


def test_a_target_of_zero_counts_for_mae_but_not_for_mape():
    errors = HorizonErrors(num_nodes=1, horizon=1)
    y = torch.tensor([[[0.0]], [[10.0]]])
    errors.update(y + 2.0, y, torch.ones(2, 1, 1, dtype=torch.bool))
    table = errors.summary()
    assert table.point["MAE"]["1"] == 2.0
    assert table.point["MAPE"]["1"] == pytest.approx(20.0)
    assert table.point["WAPE"]["1"] == pytest.approx(100 * 4 / 10)


def test_null_value_masks_equal_targets_and_no_others():
    errors = HorizonErrors(num_nodes=1, horizon=1, null_value=0.0)
    y = torch.tensor([[[0.0]], [[1e-5]]])
    errors.update(y + 1.0, y, torch.ones(2, 1, 1, dtype=torch.bool))
    assert errors.state()[-1].item() == 1.0


def test_nothing_observed_is_null_in_json_and_not_nan():
    errors = HorizonErrors(num_nodes=2, horizon=2)
    y = torch.ones(1, 2, 2)
    errors.update(y, y, torch.tensor([[[True, False], [False, False]]]))
    table = errors.summary()
    assert table.point["MAE"] == {"1": 0.0, "2": None, "mean": 0.0}
    assert table.cumulative["MAE"] == {"1": 0.0, "2": 0.0, "avg": 0.0}
    empty = errors.summary(torch.tensor([1]))
    assert empty.point["WAPE"] == {"1": None, "2": None, "mean": None}
    assert "NaN" not in json.dumps(empty.to_json())
    assert errors.node_mae().isnan().tolist() == [False, True]


def test_a_forecast_that_is_not_finite_leaves_null_and_not_a_small_error():
    errors = HorizonErrors(num_nodes=1, horizon=1)
    y = torch.ones(2, 1, 1)
    errors.update(torch.tensor([[[1.0]], [[torch.nan]]]), y, torch.ones(2, 1, 1, dtype=torch.bool))
    assert errors.summary().point["MAE"]["1"] is None


def test_batches_of_some_nodes_are_counted_in_their_rows():
    y_hat, y, mask = _batches()
    whole, parts = _errors(y_hat, y, mask), HorizonErrors(4, 6)
    for nodes in (torch.tensor([3, 1]), torch.tensor([0, 2])):
        for batch in zip(y_hat, y, mask, strict=True):
            parts.update(*(tensor[:, nodes] for tensor in batch), nodes=nodes)
    torch.testing.assert_close(parts.state(), whole.state())


def test_merged_and_added_states_equal_one_pass():
    y_hat, y, mask = _batches(count=4)
    whole = _errors(y_hat, y, mask)
    first, second = _errors(y_hat[:1], y[:1], mask[:1]), _errors(y_hat[1:], y[1:], mask[1:])
    added = HorizonErrors(4, 6)
    added.load_state(first.state() + second.state())
    first.merge(second)
    for errors in (first, added):
        torch.testing.assert_close(errors.state(), whole.state())


def test_reset_forgets_and_leaves_the_saved_state_alone():
    errors = _errors(*_batches())
    state = errors.state()
    errors.reset()
    assert errors.state().sum() == 0
    assert state.sum() > 0


def test_state_of_another_size_is_refused():
    with pytest.raises(CheckpointError, match="2 nodes and 3 steps"):
        HorizonErrors(2, 3).load_state(HorizonErrors(2, 4).state())


def test_mae_and_node_mae_are_those_of_the_summary():
    errors = _errors(*_batches())
    assert errors.mae().item() == pytest.approx(errors.summary().cumulative["MAE"]["6"])
    by_node = [errors.summary(torch.tensor([n])).cumulative["MAE"]["6"] for n in range(4)]
    assert errors.node_mae().tolist() == pytest.approx(by_node)


def test_arguments_are_left_as_they_were():
    y_hat, y, mask = _batches()
    copies = [tensor.clone() for tensor in (y_hat, y, mask)]
    _errors(y_hat, y, mask, null_value=0.0)
    assert all(torch.equal(a, b) for a, b in zip((y_hat, y, mask), copies, strict=True))


def test_forecasts_that_require_grad_and_of_half_precision_are_accepted():
    errors = HorizonErrors(1, 1)
    y = torch.tensor([[[4.0]]])
    y_hat = torch.tensor([[[3.0]]], dtype=torch.bfloat16, requires_grad=True)
    errors.update(y_hat, y, torch.ones(1, 1, 1, dtype=torch.bool))
    assert not errors.state().requires_grad
    assert errors.mae().item() == 1.0


def test_without_a_mask_every_target_counts():
    y, y_hat = torch.randn(2, 3, 4, 5).unbind()
    y[0, 0, 0] = 0
    for null_value in (None, 0.0):
        masked, plain = HorizonErrors(4, 5, null_value), HorizonErrors(4, 5, null_value)
        masked.update(y_hat, y, torch.ones_like(y, dtype=torch.bool))
        plain.update(y_hat, y)
        assert torch.equal(masked.state(), plain.state())


@pytest.mark.parametrize("node_last_in_memory", [False, True])
def test_errors_of_a_window_larger_than_the_cache_are_the_same(node_last_in_memory, monkeypatch):
    y, y_hat = torch.randn(2, 3, 9, 5).unbind()
    if node_last_in_memory:
        y, y_hat = (t.mT.contiguous().mT for t in (y, y_hat))
    whole, parts = HorizonErrors(9, 5), HorizonErrors(9, 5)
    whole.update(y_hat, y)
    monkeypatch.setattr("eac.metrics.horizon.CACHED_ELEMENTS", 7)
    parts.update(y_hat, y)
    torch.testing.assert_close(parts.state(), whole.state())
