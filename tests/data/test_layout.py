"""From files as people have them to the long frame."""

from decimal import Decimal
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from openpyxl import Workbook

from eac.data.parsing.form import Form
from eac.data.readers.layout import read_long
from eac.errors import StreamError

CLOCK = ["2024-01-31 00:00", "2024-01-31 01:00", "2024-01-31 02:00"]


def readings(path, **form):
    return [float(y) for y in read_long(path, "x", Form(**form))["y"]]


def written(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("by_comma", "lines"),
    [
        ([1.234], ("unique_id;ds;y", "1.1;2024-01-31 00:00;1,234")),
        ([1.1], ("unique_id;ds;y;firmware", "a;2024-01-31 00:00;1,100;2.5")),
        (
            [4800, 4850],
            ("unique_id;ds;y", "1,5;2024-01-31 00:00;4.800", "1,5;2024-01-31 01:00;4.850"),
        ),
        ([1.234, 1.235, 1.236], (f"id;{';'.join(CLOCK)}", "1.1;1,234;1,235;1,236")),
    ],
)
def test_ids_and_other_columns_say_nothing_of_the_decimal_sign_of_readings(
    tmp_path, by_comma, lines
):
    path = written(tmp_path / "x.csv", *lines)
    with pytest.raises(StreamError, match="Say which: --decimal"):
        readings(path)
    assert readings(path, decimal=",") == by_comma


def test_readings_that_prove_the_comma_are_read_by_it(tmp_path):
    path = written(
        tmp_path / "x.csv", "unique_id;ds;y", *(f"1.1;{CLOCK[0]};{y}" for y in ("4,5", "1.200"))
    )
    assert readings(path) == [4.5, 1200]


@pytest.mark.parametrize("decimal", [None, ","])
@pytest.mark.parametrize("wide", [False, True])
def test_numbers_of_a_spreadsheet_are_numbers_and_its_texts_are_read(tmp_path, wide, decimal):
    given = [4.125, 5.001, "3,5"]
    frame = pd.DataFrame({"unique_id": "a", "ds": CLOCK, "y": given})
    if wide:
        frame = pd.DataFrame({"time": CLOCK, "a": given})
    frame.to_excel(tmp_path / "x.xlsx", index=False)
    form = {} if decimal is None else {"decimal": decimal}
    assert readings(tmp_path / "x.xlsx", **form) == [4.125, 5.001, 3.5]


UNKNOWN = "<f>1+1</f><v />"


@pytest.mark.parametrize(
    ("cell", "given"),
    [
        (f'<c r="C3">{UNKNOWN}</c>', None),
        ('<c r="C3" s="4"><f t="shared" si="0"/></c>', None),
        ('<c r="C3"><f>1+1</f><v>2</v></c>', 2),
        ('<c r="C3" t="str"><f>IF(1=1,"",1)</f><v></v></c>', float("nan")),
    ],
)
def test_a_formula_without_a_result_is_no_missing_reading(tmp_path, cell, given):
    book = Workbook()
    for row in (["unique_id", "ds", "y"], ["a", CLOCK[0], 1], ["a", CLOCK[1], "=1+1"]):
        book.active.append(row)
    book.save(tmp_path / "made.xlsx")
    with ZipFile(tmp_path / "made.xlsx") as made, ZipFile(tmp_path / "x.xlsx", "w") as changed:
        for name in made.namelist():
            text = made.read(name).decode()
            assert name != "xl/worksheets/sheet1.xml" or f'<c r="C3">{UNKNOWN}</c>' in text
            changed.writestr(name, text.replace(f'<c r="C3">{UNKNOWN}</c>', cell))
    if given is None:
        with pytest.raises(StreamError, match="cell C3 of sheet 1 holds a formula whose result"):
            readings(tmp_path / "x.xlsx")
    else:
        np.testing.assert_equal(readings(tmp_path / "x.xlsx"), [1, given])


def test_decimal_numbers_of_parquet_are_numbers(tmp_path):
    y = [Decimal("4.125"), Decimal("1.234"), Decimal("7.000")]
    pd.DataFrame({"unique_id": "a", "ds": CLOCK, "y": y}).to_parquet(tmp_path / "x.parquet")
    assert readings(tmp_path / "x.parquet", decimal=",") == [4.125, 1.234, 7]


@pytest.mark.parametrize(
    "lines",
    [
        ("unique_id,date,time,y", "a,2024-01-01,0100,1", "a,2024-01-01,0900,9"),
        ("date,time,a", "2024-01-01,0100,1", "2024-01-01,0900,9", "2024-01-01,1000,9"),
    ],
)
def test_a_clock_in_two_columns_stays_as_it_is_written(tmp_path, lines):
    form = Form(time_col="date+time", date_format="%Y-%m-%d %H%M")
    frame = read_long(written(tmp_path / "x.csv", *lines), "x", form)
    assert frame["ds"][:2].tolist() == ["2024-01-01 0100", "2024-01-01 0900"]


def test_a_column_that_is_named_counts_though_one_of_the_usual_name_is_there_too(tmp_path):
    lines = "unique_id,ds,y,speed,name,time", f"a,x,1,50,n,{CLOCK[0]}"
    form = Form(target_col="speed", id_col="name", time_col="time")
    frame = read_long(written(tmp_path / "x.csv", *lines), "x", form)
    assert frame[["unique_id", "ds", "y"]].to_numpy().tolist() == [["n", CLOCK[0], 50]]


@pytest.mark.parametrize("form", [{"target_col": "ds"}, {"id_col": "y"}, {"time_col": "unique_id"}])
def test_one_column_for_two_things_is_refused(tmp_path, form):
    path = written(tmp_path / "x.csv", "unique_id,ds,y", f"a,{CLOCK[0]},1")
    with pytest.raises(StreamError, match="cannot hold both"):
        read_long(path, "x", Form(**form))
