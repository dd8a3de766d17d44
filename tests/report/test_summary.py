"""What a report holds and concludes, from records made by hand."""

from dataclasses import replace

import pytest

from eac.errors import RunError
from eac.records.horizon_table import METRICS, HorizonTable
from eac.records.record import NodeCounts, PeriodRecord, RunRecord, write_run
from eac.report.common.summary import compare, read_finished_run, report_json, shown


def _table(value: float | None, horizon: int = 12) -> HorizonTable:
    """Point errors ``value`` + step, cumulative errors twice that."""
    steps = [str(step) for step in range(1, horizon + 1)]
    point = {step: None if value is None else value + int(step) for step in steps}
    cumulative = {step: None if value is None else 2 * (value + int(step)) for step in steps}
    return HorizonTable(
        {metric: point | {"mean": value} for metric in METRICS},
        {metric: cumulative | {"avg": value} for metric in METRICS},
    )


def _period(name: str, model: float | None, naive: float | None, horizon: int = 12) -> PeriodRecord:
    return PeriodRecord(
        name=name,
        num_nodes=5,
        nodes=NodeCounts(kept=3, new=2),
        trainable_parameters=100,
        total_parameters=3408,
        fit_seconds=2.5,
        epochs=7,
        best_epoch=4,
        val_metric=1.0,
        groups={"all": _table(model, horizon), "new": _table(model, horizon)},
        baselines={name: _table(naive, horizon) for name in ("last", "day", "week")},
        strategy="EAC",
    )


def _run(*periods: PeriodRecord) -> RunRecord:
    return RunRecord("s", "veh/h", "", "strict", 1, periods=periods)


def test_json_has_the_documented_shape():
    content = report_json(_run(_period("a", 1.0, 4.0), _period("b", 3.0, 6.0)))
    assert list(content) == ["mean", "periods", "baselines"]
    assert content["mean"]["point"]["MAE"] == {"3": 5.0, "6": 8.0, "12": 14.0, "mean": 2.0}
    assert content["mean"]["cumulative"]["RMSE"] == {"3": 10.0, "6": 16.0, "12": 28.0, "avg": 2.0}
    assert set(content["mean"]["point"]) == {"MAE", "RMSE", "MAPE", "WAPE"}
    assert set(content["baselines"]) == {"last", "day", "week"}
    assert content["baselines"]["week"]["point"]["MAE"]["mean"] == 5.0
    assert [period["name"] for period in content["periods"]] == ["a", "b"]
    assert list(content["periods"][0]) == [
        "name",
        "num_nodes",
        "trainable_parameters",
        "fit_seconds",
        "epochs",
        "point",
        "cumulative",
        "groups",
    ]
    assert content["periods"][1]["point"]["MAE"] == {"3": 6.0, "6": 9.0, "12": 15.0, "mean": 3.0}
    assert set(content["periods"][0]["groups"]) == {"all", "new"}


@pytest.mark.parametrize(
    ("horizon", "keys"),
    [(24, ["3", "6", "12", "24"]), (4, ["3", "4"]), (2, ["2"]), (6, ["3", "6"])],
)
def test_steps_beyond_the_horizon_are_left_out_and_the_last_is_shown(horizon, keys):
    table = shown(_table(1.0, horizon), horizon)
    assert list(table.point["MAE"]) == [*keys, "mean"]
    assert list(table.cumulative["WAPE"]) == [*keys, "avg"]
    content = report_json(_run(_period("a", 1.0, 2.0, horizon)))
    assert list(content["mean"]["point"]["MAE"]) == [*keys, "mean"]


def test_a_comparison_says_plainly_which_is_better():
    run = _run(_period("a", 1.0, 4.0), _period("b", 5.0, 4.0))
    comparison = compare(run)[0]
    assert (comparison.model, comparison.naive, comparison.wins) == (3.0, 4.0, 1)
    assert comparison.sentence("EAC") == (
        "EAC is better than the last value: MAE 3.00 against 4.00 (25.0 % lower), better in 1 of "
        "2 periods."
    )
    worse = compare(_run(_period("a", 6.0, 4.0)))[2]
    assert worse.sentence("EAC") == (
        "EAC is WORSE than the same slot a week ago: MAE 6.00 against 4.00 (50.0 % higher), better "
        "in 0 of 1 period."
    )
    equal = compare(_run(_period("a", 4.0, 4.0)))[1]
    assert equal.sentence("EAC") == "EAC is as good as the same slot a day ago (MAE 4.00)."


def test_only_periods_in_which_both_were_measured_are_compared():
    run = _run(_period("a", 1.0, 4.0), _period("b", None, 9.0), _period("c", 2.0, None))
    assert [(c.model, c.naive, c.num_periods) for c in compare(run)] == [(1.0, 4.0, 1)] * 3
    assert compare(_run(_period("a", None, 1.0))) == []
    assert compare(_run(replace(_period("a", 1.0, 1.0), baselines={}))) == []


def test_a_run_without_a_finished_period_is_refused_with_what_to_do(tmp_path):
    write_run(tmp_path, _run())
    with pytest.raises(RunError, match=r"no finished period yet.*--resume"):
        read_finished_run(tmp_path)
