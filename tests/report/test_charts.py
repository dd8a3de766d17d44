"""Numbers behind the figures, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from eac.records.naive import best_naive
from eac.records.record import RunRecord
from eac.report.common.charts import Bars, SeriesChart
from eac.report.common.drawing import drawing
from eac.report.common.layout import place_by_edges, project
from eac.report.common.skill import losing, skill
from eac.report.common.tables import grids
from eac.report.run.headline import Card, about, banners, cards, verdict, what
from eac.report.sections.errors import error_by_period, skill_by_period
from eac.report.sections.nodes import node_changes
from eac.report.sections.prompts import dispersion, spectrum
from eac.report.sections.sensor_map import sensor_map, sensor_slot
from eac.report.sections.transfer import CELLS, transfer, transfer_grids, transfer_matrix
from eac.report.sections.view import RunView
from tests.report.runs import details, period, table, with_past


def _run(*periods) -> RunRecord:
    return RunRecord("made", "veh/h", "", "strict", 1, periods=periods)


def test_the_transfer_matrix_holds_the_past_below_the_diagonal():
    run = _run(period("0", 8.0), with_past(period("1", 12.0), p0=9.0))
    matrix = transfer_matrix(run, "MAE")
    assert matrix[0, 0] == 8.0
    assert np.isnan(matrix[0, 1])
    assert matrix[1].tolist() == [9.0, 12.0]
    rows = {row[0].text: row[1].text for row in transfer_grids(run, "MAE")[1].rows}
    assert rows == {"forgetting": "1.00", "backward transfer": "-1.00", "forward transfer": "-"}


def test_without_tests_on_the_past_there_is_no_transfer_matrix():
    assert transfer(_run(period("0", 8.0)), "MAE") is None


def test_the_best_naive_forecast_is_that_with_the_smallest_error():
    assert best_naive(period("0", 8.0), "MAE") == ("week", 10.0)
    assert skill(period("0", 8.0), "MAE") == pytest.approx(0.2)


def _cards(*periods, seen=()) -> dict[str, Card]:
    return {card.label: card for card in cards(RunView(_run(*periods), tuple(seen), "MAE"))}


def test_an_error_that_fell_no_more_than_the_naive_one_is_no_improvement():
    halved = {"last": table(10.0), "week": table(5.0)}
    found = _cards(period("0", 8.0), replace(period("1", 4.0), baselines=halved))
    since = found["Skill since period 0"]
    assert (since.value, since.mood) == ("+0.0 points", "")
    assert since.remark == "error 50.0 % lower, best naive forecast 50.0 % lower"
    assert (found["Skill now"].value, found["Skill now"].mood) == ("20.0 %", "good")


def test_every_period_that_loses_is_named_and_marked():
    run = _run(period("0", 8.0), period("1", 12.0), period("2", 11.0), period("3", 9.0))
    assert losing(run, "MAE") == ["1", "2"]
    assert banners(run, "MAE") == ["Worse than the best naive forecast in 2 of 4 periods: 1, 2."]
    bars = skill_by_period(run, "MAE").marks[0]
    assert bars.marked == (1, 2)
    assert bars.y == pytest.approx((20.0, -20.0, -10.0, 10.0))
    over = _cards(*run.periods)["Skill, mean of periods"]
    assert (over.value, over.mood) == ("0.0 %", "bad")
    assert over.remark == "better than the best naive forecast in 2 of 4 periods; worse in 1, 2"


def test_the_skill_of_a_run_is_the_mean_of_its_periods_in_tables_and_page():
    # 1 - 8/10 = 20 % and 1 - 60/100 = 40 %; of the mean errors, 1 - 88/110 = 20 %
    large = replace(period("1", 60.0), baselines={"week": table(100.0)})
    unmeasured = replace(period("2", 20.0), baselines={"week": table(0.0)})
    run = _run(period("0", 8.0), large, unmeasured)
    overview = next(grids(run, "MAE"))
    column = [row[overview.header.index("skill")].text for row in overview.rows]
    assert column == ["20.0 %", "40.0 %", "-", "30.0 %"]
    assert _cards(*run.periods)["Skill, mean of periods"].value == "30.0 %"


def test_a_trained_peer_is_no_naive_forecast():
    known = period("0", 8.0)
    peer = replace(known, baselines={**known.baselines, "lightgbm": table(1.0)})
    assert best_naive(peer, "MAE") == ("week", 10.0)


def test_what_is_forecast_is_said_in_words():
    run = replace(_run(period("0", 8.0)), stream="PM10")
    assert what(RunView(run, (), "MAE")) == "PM10, 3 sensors, 4 steps ahead"
    assert what(RunView(run, (details("0"),), "MAE")) == "PM10, 3 sensors, 4 hours ahead"
    named = replace(run, stream="oslo", target="PM10")
    assert what(RunView(named, (), "MAE")) == "PM10, 3 sensors, 4 steps ahead"
    assert about(named).startswith("oslo: ")
    without = details("0")
    slots = replace(without, traces=replace(without.traces, step_seconds=None, start=None))
    by_slots = replace(slots, steps_per_day=48)
    assert what(RunView(run, (by_slots,), "MAE")) == "PM10, 3 sensors, 2 hours ahead"
    assert "better than every naive forecast" in verdict(run, "MAE")
    missing = _cards(period("0", 8.0), seen=[details("0")])["Missing"]
    assert (missing.value, missing.mood) == ("12.5 %", "")


def test_gone_sensors_stand_below_zero():
    bars = {bar.name: bar.y for bar in node_changes(_run(period("0", 8.0))).marks}
    assert bars == {"kept": (2,), "new": (1,), "gone": (-1,)}


def test_energy_accumulates_the_squares_of_singular_values():
    charts = spectrum([details("0")])
    assert charts is not None
    energy = charts[1]
    assert energy.marks[0].y == (80.0, 100.0, 100.0)  # 4 of 5, then 5 of 5


def test_components_that_do_not_count_are_not_drawn():
    charts = spectrum([replace(details("0"), spectrum=(2.0, 1.0, *[1e-9] * 90))])
    assert charts is not None
    assert charts[0].marks[0].x == (1.0, 2.0, 3.0, 4.0)


def test_a_naive_forecast_far_above_the_rest_leaves_the_picture():
    chart = error_by_period(_run(period("0", 8.0)), "MAE")
    assert chart.top is None  # naive errors of 10 and 20
    chart = error_by_period(_run(period("0", 3.0)), "MAE")
    assert chart.top is None
    worse = replace(period("0", 8.0), baselines={"last": table(26.0), "week": table(10.0)})
    chart = error_by_period(_run(worse), "MAE")
    assert chart.top == pytest.approx(11.0)
    assert chart.alt.endswith(" Off the scale: last value.")
    assert drawing(chart)["top"] == chart.top


def test_dispersion_across_periods_is_that_of_their_centres():
    chart = dispersion([details("0"), details("1")])
    assert chart is not None
    within, across = chart.marks
    assert within.y == (0.5, 0.5)
    assert across.y == (0.0, 0.25)  # centres 0 and 1, equally many sensors


def test_edges_pull_their_sensors_together():
    ring = [(i, (i + 1) % 12) for i in range(12)]
    places = place_by_edges(12, ring)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    near = np.mean([apart[a, b] for a, b in ring])
    assert near < 0.6 * apart[~np.eye(12, dtype=bool)].mean()
    assert np.isfinite(place_by_edges(5, [])).all()
    assert len({tuple(place) for place in place_by_edges(5, []).round(3).tolist()}) == 5


def test_a_degree_of_longitude_shrinks_with_latitude():
    places = project([(10.0, 60.0), (12.0, 60.0)])
    assert places[1, 0] - places[0, 0] == pytest.approx(2 * 111.2 * 0.5)


def test_a_sensor_without_an_error_is_drawn_hollow():
    record, sensors = period("0", 8.0, "ab"), details("0", "abc").map
    places = project(sensors.positions or ())
    chart = sensor_map(record, sensors, places, "MAE")
    assert chart.values == (8.0, 9.0, None)
    drawn = drawing(chart)
    assert (drawn["kind"], drawn["values"], drawn["edges"]) == ("map", [8.0, 9.0, None], ((0, 1),))


def test_without_coordinates_the_edges_say_where_and_without_edges_a_list_does():
    run = _run(period("0", 8.0))
    linked = details("0", placed=False)
    slot = sensor_slot(run, [linked], ["c"])
    assert slot is not None
    assert slot.title == "Sensors by error, neighbours near each other"
    assert slot.charts[0].marked == (2,)
    alone = replace(linked, map=replace(linked.map, edges=()))
    slot = sensor_slot(run, [alone], [])
    assert slot is not None
    bars = slot.charts[0].marks[0]
    assert (bars.x, bars.y) == (("c", "b", "a"), (10.0, 9.0, 8.0))


def test_of_a_long_run_the_matrix_shows_the_latest_periods():
    periods = [with_past(period(str(i), 8.0), p0=9.0) for i in range(CELLS + 5)]
    chart = transfer(_run(*periods), "MAE")
    assert chart is not None
    assert len(chart.rows) == len(chart.cells) == len(chart.cells[0]) == CELLS
    assert chart.rows[-1] == str(CELLS + 4)


def test_counts_are_drawn_whole_and_errors_rounded():
    bars = Bars("parameters", ("0", "1"), (224628, 98388.7512), "model")
    drawn = drawing(SeriesChart("k", "t", "alt", "period", "parameters", (bars,)))
    assert drawn["marks"][0]["y"] == [224628, 98389.0]
