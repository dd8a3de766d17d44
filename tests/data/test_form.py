"""What may be said of a table, up to its limits."""

import json
from argparse import ArgumentParser

import pytest

from eac.cli.reading_flags import add_reading_flags, form_of, with_own_stream
from eac.data.parsing.form import Form
from eac.data.readers.open import OwnStream, open_stream
from eac.errors import StreamError

WRONG = [
    {"max_empty": 0.0},
    {"max_empty": 1.1},
    {"memory_gib": 0.0},
    {"max_nodes": 0},
    {"hours": "05:00-24:30"},
    {"hours": "24:00-05:00"},
    {"hours": "05:00-05:00"},
    {"steps_per_day": 0},
    {"days_per_week": 0},
    {"decimal": ";"},
    {"missing_values": (float("nan"),)},
]
RIGHT = [
    {"max_empty": 0.01},
    {"max_empty": 1.0},
    {"memory_gib": 0.5},
    {"max_nodes": 1},
    {"hours": "05:00-24:00"},
    {"hours": "22:00-05:00"},
    {"steps_per_day": 1},
    {"days_per_week": 1},
]


@pytest.mark.parametrize("said", WRONG, ids=str)
def test_what_cannot_be_is_refused_by_name(said):
    [key] = said
    with pytest.raises(StreamError, match=key):
        Form(**said)


@pytest.mark.parametrize("said", RIGHT, ids=str)
def test_the_limits_themselves_are_taken(said):
    [(key, value)] = said.items()
    assert getattr(Form(**said), key) == value


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hours": "all"}, {"hours": "auto"}),
        ({"max_nodes": 1}, {"max_nodes": 100_000}),
        ({"memory_gib": "0.0000001"}, {"memory_gib": 2.0}),
        ({"max_empty": 0.1}, {"max_empty": 0.9}),
    ],
)
def test_a_flag_goes_before_the_settings_whatever_its_value(tmp_path, settings, said):
    [(key, value)] = said.items()
    path = tmp_path / "counts.csv"
    rows = [f"a,2024-01-{1 + hour // 24:02d} {hour % 24:02d}:00,{hour}" for hour in range(48)]
    path.write_text("\n".join(["unique_id,ds,y", *rows]) + "\n")
    (tmp_path / "stream.yaml").write_text("".join(f"{k}: {v}\n" for k, v in settings.items()))
    flag = f"--{key.replace('_', '-')}={value}"
    parser = ArgumentParser()
    add_reading_flags(parser)

    assert getattr(open_stream(path, form_of(parser.parse_args([flag]))).form, key) == value
    [_, given] = with_own_stream([f"--stream={path}", flag])[0].split("=", 1)
    own = OwnStream(**json.loads(given)["init_args"])
    assert getattr(own.stream.form, key) == value


def test_as_many_sensors_as_are_allowed_are_taken_and_no_more():
    Form(max_nodes=3).check_nodes(3, "counts.csv")
    with pytest.raises(StreamError, match=r"counts\.csv: 4 columns; the limit is 3 sensors"):
        Form(max_nodes=3).check_nodes(4, "counts.csv")


def test_defaults_that_a_run_of_before_wrote_down_do_not_go_before_the_settings(tmp_path):
    open_hours = [i for i in range(24 * 28) if 6 <= i % 24 < 20]
    rows = [f"a,2024-01-{1 + i // 24:02d} {i % 24:02d}:00,{i}" for i in open_hours]
    (tmp_path / "series.csv").write_text("\n".join(["unique_id,ds,y", *rows]) + "\n")
    (tmp_path / "stream.yaml").write_text("hours: all\n")
    once = {"hours": "auto", "max_empty": 0.9, "memory_gib": 2.0, "max_nodes": 100_000}
    steps = [
        OwnStream(str(tmp_path), **said)[0].num_steps
        for said in ({}, once, {"hours": "auto"}, {**once, "hours": "06:00-20:00"})
    ]
    assert steps == [662, 662, 392, 392]
