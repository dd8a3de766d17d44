"""The mean of all sensors at each step."""

from dataclasses import replace

import numpy as np
import torch

from eac.backbones.seasonal import SeasonalMLP
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.needs import Needs
from eac.data.batches.share import Share
from eac.data.simulator.synthetic import SyntheticStream


def period_data(**settings):
    stream = SyntheticStream(num_nodes=7, num_periods=2, steps_per_period=300, missing=0.1)
    return PeriodData(stream, period=1, **settings)


def test_each_window_holds_the_mean_of_what_all_sensors_show_in_it():
    data = period_data(carry=0.9).prepared(Needs(lags=("1d",), network=True))
    starts = torch.tensor([0, 40, 200])
    inputs = data.full.batch(starts).inputs
    expected = inputs.x.numpy().astype(np.float64).mean(1)
    assert inputs.network.shape == inputs.x.shape
    for sensor in range(7):
        np.testing.assert_allclose(inputs.network[:, sensor], expected, atol=1e-6)


def test_a_window_of_one_sensor_holds_the_mean_of_all():
    data = period_data(nodes_per_window=1).prepared(Needs(hops=0, network=True))
    starts, nodes = torch.tensor([5, 90]), torch.tensor([[6], [0]])
    every = data.full.batch(starts).inputs.network
    alone = data.full.batch(starts, nodes=nodes).inputs.network
    assert torch.equal(alone, every[:, :1])


def test_shares_add_up_to_the_mean_of_all():
    data, needs = period_data(), Needs(network=True)
    whole = data.prepared(needs).full.network
    sums = []

    def kept(values):
        sums.append(values)  # of scales, then of the network
        return values

    for rank in range(2):
        share = Share.of(data.stream, data.index, turn=(rank, 2))
        data.of_share(replace(share, summed=kept)).prepared(needs)
    total = sum(values for values in sums if values.dim() and len(values) > 300)
    torch.testing.assert_close((total[:-1] / total[-1]).float(), whole, atol=1e-4, rtol=1e-4)


def test_nothing_is_gathered_where_it_is_not_asked_for():
    assert period_data().prepared(Needs()).full.batch(torch.tensor([0])).inputs.network is None


def test_the_backbone_hears_the_network_only_where_it_is_told_to():
    torch.manual_seed(0)
    data = period_data()
    for network in (False, True):
        backbone = SeasonalMLP(hidden=8, lags=("1d",), network=network).eval()
        ready = data.prepared(backbone.needs).full
        seen = []
        for more in (0.0, 5.0):
            inputs = ready.batch(torch.tensor([50])).inputs
            if inputs.network is not None:
                inputs = replace(inputs, network=inputs.network + more)
            seen.append(backbone.encode(inputs, ready.graph))
        assert torch.equal(*seen) != network
