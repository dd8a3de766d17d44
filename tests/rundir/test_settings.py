"""Settings are compared by what they mean, and named key by key where they differ."""

import pytest

from eac.data.batches.datamodule import PeriodData
from eac.rundir.settings import differences, read_settings


@pytest.mark.parametrize(
    "given",
    [
        "data: {window: 12}\nmodel: {strategy: {class_path: eac.EAC, init_args: {rank: 6}}}",
        "# lightning.pytorch==9.9\nmodel:\n  strategy: {class_path: eac.strategies.eac.EAC}\n"
        "data:\n  window: 12  # steps\n",
        "data: {window: 12, carry: 0.0, null_value: null}\nmodel: {strategy: {class_path: "
        "eac.moved.EAC, init_args: {rank: 6}}}",
    ],
)
def test_comments_order_defaults_and_moved_classes_do_not_count(given):
    kept = read_settings(
        "# lightning.pytorch==2.5.5\ndata:\n  window: 12\nmodel:\n  strategy:\n"
        "    class_path: eac.strategies.eac.EAC\n    init_args:\n      rank: 6\n"
    )
    assert differences(kept, read_settings(given), {"data": PeriodData}) == []


def test_what_differs_is_named_key_by_key():
    kept = {
        "data": {"window": 12, "horizon": 12},
        "model": {"strategy": {"class_path": "eac.EAC", "init_args": {"rank": 6}}},
        "seed_everything": 42,
    }
    given = {
        "data": {"window": 24, "horizon": 12, "carry": 0.5},
        "model": {"strategy": {"class_path": "eac.EAC", "init_args": {"rank": 3}}},
        "seed_everything": 42,
    }
    assert differences(kept, given, {"data": PeriodData}) == [
        "data.window: 12 in the run, 24 given",
        "data.carry: 0.0 in the run, 0.5 given",
        "model.strategy.rank: 6 in the run, 3 given",
    ]


def test_another_class_is_named_once():
    kept = {"model": {"strategy": {"class_path": "eac.EAC", "init_args": {"rank": 6}}}}
    given = {"model": {"strategy": {"class_path": "eac.Retrain"}}}
    assert differences(kept, given) == ["model.strategy: EAC in the run, Retrain given"]


@pytest.mark.parametrize("key", ["stream", "trainer.accelerator", "trainer.enable_progress_bar"])
def test_where_a_run_is_computed_and_read_does_not_count(key):
    def nested(value):
        group, _, name = key.partition(".")
        return {group: {name: value}} if name else {group: value}

    assert differences(nested("a"), nested("b")) == []


def test_a_key_that_the_run_is_too_old_to_have_does_not_count():
    assert differences({"window": 12}, {"window": 12, "loss": {"class_path": "eac.MAE"}}) == []
