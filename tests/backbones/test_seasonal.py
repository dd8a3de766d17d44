"""The seasonal network: what it starts from, and what it does where history is missing."""

from dataclasses import replace

import pytest
import torch

from eac.backbones.seasonal import SeasonalMLP
from eac.data.batches.batch import Batch, Inputs
from eac.data.core.graph import Graph
from eac.data.series.clock import Clock
from eac.data.series.scaling import Scaler
from eac.errors import ConfigError

WINDOW, HORIZON, NODES = 4, 3, 5
LAGS = ("1d", "1w", "2w")


@pytest.fixture
def backbone():
    return SeasonalMLP(WINDOW, HORIZON, hidden=8, num_blocks=1, lags=LAGS, slot_rank=2).eval()


def inputs(batch=6):
    """Readings and history at random, everything known."""
    shape = (batch, NODES, len(LAGS), WINDOW + HORIZON)
    slot = torch.arange(WINDOW + HORIZON).expand(batch, -1)
    return Inputs(
        torch.randn(batch, NODES, WINDOW),
        clock=Clock(slot, slot * 0, steps_per_day=24, days_per_week=7),
        history=torch.randn(shape),
        history_observed=torch.ones(shape, dtype=torch.bool),
    )


def only_the_start(backbone):
    """Everything that is learned set to zero but the trust in the profile."""
    for name, parameter in backbone.named_parameters():
        if name != "trust":
            parameter.data.zero_()
    return backbone


def test_untaught_it_forecasts_between_the_last_reading_and_the_mean_of_the_weeks(backbone):
    given = inputs()
    y_hat = only_the_start(backbone)(given, Graph.empty(NODES))

    weeks = given.history[:, :, 1:, WINDOW:].mean(2)
    torch.testing.assert_close(y_hat, (weeks + given.x[..., -1:]) / 2)


def test_where_no_week_is_known_the_day_before_is_the_profile(backbone):
    given = inputs()
    known = given.history_observed.clone()
    known[:, 0, 1:] = False
    y_hat = only_the_start(backbone)(replace(given, history_observed=known), Graph.empty(NODES))

    expected = (given.history[:, 0, 0, WINDOW:] + given.x[:, 0, -1:]) / 2
    torch.testing.assert_close(y_hat[:, 0], expected)


def test_where_nothing_is_known_the_profile_is_the_mean_of_the_node(backbone):
    given = inputs()
    nothing = torch.zeros_like(given.history_observed)
    y_hat = only_the_start(backbone)(replace(given, history_observed=nothing), Graph.empty(NODES))

    torch.testing.assert_close(y_hat, (given.x[..., -1:] / 2).expand_as(y_hat))


def test_what_is_not_known_changes_nothing(backbone):
    given = inputs()
    known = torch.rand(given.history.shape) < 0.6
    spoilt = torch.where(known, given.history, 99.0)
    graph = Graph.empty(NODES)

    torch.testing.assert_close(
        backbone(replace(given, history_observed=known), graph),
        backbone(replace(given, history_observed=known, history=spoilt), graph),
    )


def shown(known):
    """A batch of which windows know lags as given: a share of them for each."""
    given = inputs(batch=20)
    observed = torch.zeros_like(given.history_observed)
    for lag, share in enumerate(known):
        observed[: int(20 * share), 2, lag] = True  # one node that knows is enough
    given = replace(given, history_observed=observed)
    y, scaler = torch.zeros(20, NODES, HORIZON), Scaler(torch.zeros(NODES), torch.ones(NODES))
    return Batch(given, y, y == 0, Graph.empty(NODES), scaler, torch.arange(20))


@pytest.mark.parametrize(
    ("periods", "looked_at"),
    [
        ([(0.9, 0.25, 0.2)], [True, True, False]),
        ([(0.9, 0.2, 0.0), (1.0, 1.0, 0.2)], [True, True, False]),
        ([(1.0, 1.0, 1.0), (0.9, 0.2, 0.0)], [True, True, True]),  # what was learned stays
    ],
)
def test_it_looks_at_a_lag_once_a_quarter_of_the_training_windows_know_it(
    backbone, periods, looked_at
):
    for number, known in enumerate(periods):
        backbone.look_back(shown(known), fresh=number == 0)
    assert backbone.lag_learned.tolist() == looked_at
    backbone.look_back(shown((1.0, 0.0, 0.0)), fresh=True)  # from scratch
    assert backbone.lag_learned.tolist() == [True, False, False]


def test_what_it_does_not_look_at_changes_nothing(backbone):
    given, graph = inputs(), Graph.empty(NODES)
    around = torch.randn_like(given.history)
    given = replace(given, neighbour_history=around)
    moved = torch.tensor([0.0, 0.0, 9.0])[:, None]
    other = replace(given, history=given.history + moved, neighbour_history=around + moved)
    assert not torch.equal(backbone(given, graph), backbone(other, graph))

    backbone.lag_learned[2] = False
    assert torch.equal(backbone(given, graph), backbone(other, graph))


def test_a_state_from_before_the_choice_looks_at_every_lag(backbone):
    state = backbone.state_dict()
    del state["lag_learned"]
    backbone.lag_learned[:] = False
    backbone.load_state_dict(state, strict=True)
    assert backbone.lag_learned.all()


@pytest.mark.parametrize("truth", ["profile", "last"])
def test_it_starts_where_the_data_say_whom_to_trust(backbone, truth):
    given = inputs(batch=50)
    weeks = given.history[:, :, 1:, WINDOW:].mean(2)
    last = given.x[..., -1:].expand_as(weeks)
    y = weeks if truth == "profile" else last
    everything = torch.ones_like(y, dtype=torch.bool)
    scaler = Scaler(torch.full((NODES,), 7.0), torch.full((NODES,), 3.0))
    graph = Graph.empty(NODES)
    backbone.start_from(
        Batch(given, scaler.inverse(y), everything, graph, scaler, torch.arange(50))
    )

    trust = backbone.trust.sigmoid()
    expected = 0.999 if truth == "profile" else 0.001
    torch.testing.assert_close(trust, torch.full_like(trust, expected), rtol=0, atol=1e-5)


def test_what_an_old_run_chose_of_the_correction_counts_until_the_network_is_trained(backbone):
    given, graph = inputs(), Graph.empty(NODES)
    whole = backbone.eval()(given, graph)
    forecasts = []
    for share in (0.5, 0.25):
        backbone.share.fill_(share)
        forecasts.append(backbone(given, graph))
    half, quarter = forecasts
    # forecast = base + share * correction, so equal steps of the share are equal steps of it
    torch.testing.assert_close(half - quarter, (whole - half) / 2)
    assert not torch.equal(half, quarter)

    backbone.requires_grad_(False).train()
    torch.testing.assert_close(backbone.eval()(given, graph), quarter)  # frozen: as it was
    backbone.requires_grad_(True).train()
    torch.testing.assert_close(backbone.eval()(given, graph), whole)


def test_the_neighbours_it_hears_may_come_computed(backbone):
    given, graph = inputs(), Graph.from_dense(torch.rand(NODES, NODES))
    near = backbone.needs.neighbours(torch.randn(30, NODES), graph)

    assert near.shape == (30, NODES)
    assert backbone(given, graph).isfinite().all()


def test_without_a_lag_it_refuses_and_says_what_to_give():
    with pytest.raises(ConfigError, match="such as 1w"):
        SeasonalMLP(lags=())
