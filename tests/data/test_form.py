"""What may be said of a table, up to its limits."""

import pytest

from eac.data.parsing.form import Form
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


def test_as_many_sensors_as_are_allowed_are_taken_and_no_more():
    Form(max_nodes=3).check_nodes(3, "counts.csv")
    with pytest.raises(StreamError, match=r"counts\.csv: 4 columns; the limit is 3 sensors"):
        Form(max_nodes=3).check_nodes(4, "counts.csv")
