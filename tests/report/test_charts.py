"""Numbers behind the figures, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from eac.records.record import RunRecord
from eac.report.common.layout import place_by_edges, project
from eac.report.common.plotly_charts import figure
from eac.report.run import run_charts
from eac.report.run.feature_charts import dispersion, spectrum
from eac.report.run.headline import best_naive, cards
from eac.report.run.page_tables import transfer_grids
from tests.report.runs import details, period, table, with_past


def _run(*periods) -> RunRecord:
    return RunRecord("made", "veh/h", "", "strict", 1, periods=periods)


def test_the_transfer_matrix_holds_the_past_below_the_diagonal():
    run = _run(period("0", 8.0), with_past(period("1", 12.0), p0=9.0))
    matrix = run_charts.transfer_matrix(run, "MAE")
    assert matrix[0, 0] == 8.0
    assert np.isnan(matrix[0, 1])
    assert matrix[1].tolist() == [9.0, 12.0]
    rows = {row[0].text: row[1].text for row in transfer_grids(run, "MAE")[1].rows}
    assert rows == {"forgetting": "1.00", "backward transfer": "-1.00", "forward transfer": "-"}


def test_without_tests_on_the_past_there_is_no_transfer_matrix():
    assert run_charts.transfer(_run(period("0", 8.0)), "MAE") is None


def test_the_best_naive_forecast_is_that_with_the_smallest_error():
    assert best_naive(period("0", 8.0), "MAE") == ("week", 10.0)
    better = cards(_run(period("0", 8.0)), "MAE")[1]
    assert (better.value, better.mood) == ("20.0 % lower", "good")


def test_gone_sensors_stand_below_zero():
    bars = {bar.name: bar.y for bar in run_charts.node_changes(_run(period("0", 8.0))).marks}
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
    chart = run_charts.error_by_period(_run(period("0", 8.0)), "MAE")
    assert chart.top is None  # naive errors of 10 and 20
    chart = run_charts.error_by_period(_run(period("0", 3.0)), "MAE")
    assert chart.top is None
    worse = replace(period("0", 8.0), baselines={"last": table(26.0), "week": table(10.0)})
    chart = run_charts.error_by_period(_run(worse), "MAE")
    assert chart.top == pytest.approx(11.0)
    assert chart.alt.endswith(" Off the scale: last value.")
    assert figure(chart)["layout"]["yaxis"]["range"] == [0, chart.top]


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
    chart = run_charts.sensor_map(record, sensors, places, "MAE")
    edges, measured, hollow, _ = figure(chart)["data"]
    assert measured["text"] == ["a: 8", "b: 9"]
    assert hollow["text"] == ["c"]
    assert edges["x"][2] is None
