"""Windows at other levels: one affine map of all that was read, taken back by the scaler."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from eac.data.batches.datamodule import PeriodData
from eac.data.batches.drawing import READ, at_other_levels
from eac.data.batches.needs import Needs
from eac.data.series.scaling import PerNode
from eac.data.simulator.synthetic import SyntheticStream
from eac.errors import ConfigError
from eac.nn.message_passing import propagate_series

NEEDS = Needs(("1d", "1w"), hops=1, neighbours=propagate_series, network=True)


def batch_of(nodes: int | None = None, windows: int = 40, first: int = 200):
    stream = SyntheticStream(num_nodes=5, num_periods=1, steps_per_period=400, steps_per_day=24)
    data = PeriodData(stream, scaling=PerNode(), nodes_per_window=nodes)
    tensors = data.prepared(NEEDS).view.tensors
    at = torch.arange(first, first + windows)
    return tensors.batch(at, None, None if nodes is None else torch.randint(5, (windows, nodes)))


@pytest.mark.parametrize("nodes", [None, 1])
def test_one_map_moves_all_that_was_read_and_the_scaler_takes_it_back(nodes):
    torch.manual_seed(0)
    batch = batch_of(nodes)
    moved = at_other_levels(batch, 1.0)

    factor = batch.scaler.scale / moved.scaler.scale
    shift = (batch.scaler.mean - moved.scaler.mean) / moved.scaler.scale
    assert_close(factor, factor[:, :1].expand_as(factor), rtol=1e-3, atol=1e-3)
    assert factor.std() > 0.05
    assert shift.std() > 0.2
    for name in READ:
        read, seen = getattr(batch.inputs, name), getattr(moved.inputs, name)
        wide = (len(read), *(1,) * (read.dim() - 1))
        wanted = read * factor[:, 0].view(wide) + shift[:, 0].view(wide)
        assert_close(seen, torch.where(read == 0, 0.0, wanted), rtol=1e-3, atol=1e-3)
    assert torch.equal(moved.y, batch.y)
    assert_close(
        moved.scaler.inverse(moved.scaler.scale_target(batch.y)), batch.y, rtol=1e-3, atol=1e-3
    )
    assert moved.inputs.clock is batch.inputs.clock


def test_the_share_is_as_asked_and_none_draws_nothing():
    batch = batch_of(windows=150)
    torch.manual_seed(1)
    changed = (at_other_levels(batch, 0.5).inputs.x != batch.inputs.x).any(2).any(1)
    assert 0.35 < changed.float().mean() < 0.65
    state = torch.get_rng_state()
    assert at_other_levels(batch, 0.0) is batch
    assert torch.equal(torch.get_rng_state(), state)


def test_what_is_unknown_stays_zero():
    torch.manual_seed(2)
    batch = batch_of(first=0)
    assert not batch.inputs.history_observed.all()
    moved = at_other_levels(batch, 1.0)
    assert moved.inputs.history[~batch.inputs.history_observed].eq(0).all()


def test_a_reading_that_is_the_mean_itself_moves_too():
    torch.manual_seed(3)
    batch = batch_of(first=0)
    zero = replace(batch.inputs, x=torch.zeros_like(batch.inputs.x))
    assert at_other_levels(replace(batch, gathered=zero), 1.0).inputs.x.ne(0).all()
    gap = replace(zero, observed=torch.zeros_like(zero.x, dtype=torch.bool))
    assert at_other_levels(replace(batch, gathered=gap), 1.0).inputs.x.eq(0).all()


def test_raw_targets_are_refused():
    stream = SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200)
    with pytest.raises(ConfigError, match="raw units under --protocol published"):
        PeriodData(stream, protocol="published", level_shift=0.5)
    PeriodData(stream, protocol="published", level_shift=0.5, scaling=PerNode())
