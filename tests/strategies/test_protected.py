"""EAC with protected prompts and measured cold starts, as a strategy."""

import torch

from eac.artifacts.checkpoint import SavedState
from eac.backbones.stgnn import STGNN
from eac.continual.cold_start import MeasuredStart, UnknownStart
from eac.continual.null_space import Protection
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from tests.strategies.contexts import begin, contexts, forecasts, shake
from tests.streams import tiny_stream


def model_with(**settings) -> Forecaster:
    torch.manual_seed(2)
    return Forecaster(STGNN(hidden=8), EAC(seed=1, **settings))


def prompts_of(model, ids):
    pool = model.strategy.pool
    return pool(pool.rows(ids)).detach()


def test_the_prompt_of_a_node_that_is_away_outlasts_training():
    model = model_with(rank=2, protect=Protection(energy=1.0))
    first, second, third, _ = contexts(tiny_stream())
    begin(model, first)
    shake(model)
    model.strategy.end_period(first, model.backbone)
    begin(model, second)
    shake(model)
    model.strategy.end_period(second, model.backbone)
    left = prompts_of(model, ["b", "d"])  # both absent in the third period
    begin(model, third)
    shake(model, seed=9)
    model.strategy.end_period(third, model.backbone)
    torch.testing.assert_close(prompts_of(model, ["b", "d"]), left, atol=1e-5, rtol=0)
    assert model.strategy.take_notes()[-1] == (
        "2 absent prompts held; the basis moves in 0 of 2 directions"
    )


def test_without_protection_it_does_not():
    model = model_with(rank=2)
    first, second, third, _ = contexts(tiny_stream())
    for context in (first, second):
        begin(model, context)
        shake(model)
    left = prompts_of(model, ["b"])
    begin(model, third)
    shake(model, seed=9)
    assert (prompts_of(model, ["b"]) - left).abs().max() > 0.01


def test_a_protected_model_is_saved_as_any_other():
    settings = {"rank": 2, "protect": Protection(radius=0.1)}
    model, fresh = model_with(**settings), model_with(**settings)
    periods = list(contexts(tiny_stream()))
    for context in periods:
        begin(model, context)
        shake(model)
        model.strategy.end_period(context, model.backbone)
    SavedState.of(model).restore(fresh)
    fresh.select_nodes(periods[-1].current.period.node_ids)
    assert torch.equal(forecasts(fresh, periods[-1]), forecasts(model, periods[-1]))


def test_new_nodes_start_as_the_cold_start_says_and_old_ones_are_left_alone():
    model = model_with(rank=None, cold_start=UnknownStart())
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    shake(model)
    old = prompts_of(model, list("abcd"))
    begin(model, second)
    torch.testing.assert_close(prompts_of(model, ["e"])[0], old.mean(0))
    assert torch.equal(prompts_of(model, list("abcd")), old)


def test_the_choice_among_starts_is_noted_with_its_figures():
    model = model_with(rank=2, cold_start=MeasuredStart())
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    shake(model)
    begin(model, second)
    (note,) = model.strategy.take_notes()
    assert note.startswith("1 new nodes: first prompts by ")
    listed = [part.split() for part in note.split("week ")[1].split(", ")]
    names = ["RandomStart", "NeighboursStart", "AlikeStart", "UnknownStart"]
    assert [name for _, name in listed] == names
    least = min(float(error) for error, _ in listed)
    assert least in [float(error) for error, name in listed if f"by {name}:" in note]


def test_readings_after_training_change_no_first_prompt():
    rows = []
    for last in (0.0, 1000.0):
        stream = tiny_stream()
        stream.load(1).series[100:] += last
        model = model_with(rank=2, cold_start=MeasuredStart())
        first, second, *_ = contexts(stream)
        begin(model, first)
        shake(model)
        begin(model, second)
        rows.append(prompts_of(model, ["e"]))
    assert torch.equal(*rows)
