"""Every kind of file that a newcomer gave: understood, or refused in a sentence that helps."""

import gzip

import numpy as np
import pandas as pd
import pytest

from eac.data.parsing.form import Form
from eac.data.readers.open import open_stream
from tests.first_contact.conftest import readings

HOURS = pd.date_range("2024-01-01", periods=1008, freq="h")


def save(frame, path, **options):
    frame.to_csv(path, index=False, **options)
    return path


def test_jitter_is_rounded_and_counted(tmp_path, check):
    frame = readings(HOURS)
    late = np.random.default_rng(0).integers(0, 50, len(frame))
    frame["ds"] += pd.to_timedelta(late, unit="s")
    status, text = check(save(frame, tmp_path / "late.csv"))

    assert status == 0
    assert f"warning: period '0': {(late > 0).sum():,} of 3,024 time stamps were off" in text
    assert "grid of 1 h by at most 49 s" in text
    assert open_stream(tmp_path / "late.csv")[0].num_steps == 1008


def test_a_grid_that_would_be_nearly_empty_is_refused_with_both_steps(tmp_path, check):
    frame = readings(HOURS[:200])
    frame["ds"] += pd.to_timedelta(np.arange(len(frame)) * 7919 % 3600, unit="s")
    status, text = check(save(frame, tmp_path / "wild.csv"))

    assert status == 1
    assert "not on the grid" in text
    assert "Correct" in text


def test_one_stamp_far_away_is_refused_before_memory_is_taken(tmp_path, check):
    frame = readings(HOURS)
    frame.loc[3, "ds"] = pd.Timestamp("2204-01-01")
    status, text = check(save(frame, tmp_path / "far.csv"))

    assert status == 1
    assert "99.94% of the 1,577,833 steps" in text
    assert "longest gap is from 2024-02-11 23:00:00 to 2204-01-01 00:00:00" in text


def test_ambiguous_dates_are_asked_for(tmp_path, check):
    frame = readings(HOURS[:288])
    frame["ds"] = frame["ds"].dt.strftime("%d/%m/%Y %H:%M")
    path = save(frame, tmp_path / "days.csv")
    status, text = check(path)

    assert status == 1
    assert "01/01/2024 may be day first or month first" in text
    assert check(path, "--dayfirst", "true")[0] == 0
    assert check(path, "--date-format", "%d/%m/%Y %H:%M")[0] == 0
    assert "2024-01-12 23:00" in check(path, "--dayfirst", "true")[1]
    (tmp_path / "days.yaml").write_text("dayfirst: true\n")
    assert check(path)[0] == 0


def test_a_date_that_proves_the_order_decides_it(tmp_path, check):
    frame = readings(HOURS)
    frame["ds"] = frame["ds"].dt.strftime("%d.%m.%Y %H:%M")
    status, text = check(save(frame, tmp_path / "days.csv"))

    assert status == 0
    assert "2024-02-11 23:00" in text
    assert check(tmp_path / "days.csv", "--dayfirst", "false")[0] == 1


def test_suspicious_values_are_named_with_counts(tmp_path, check):
    frame = readings(HOURS).astype({"y": float})
    frame.loc[5:39, "y"] = -999
    frame.loc[1008 + 3 : 1008 + 5, "y"] = -4
    frame.loc[2016 : 2016 + 400, "y"] = 77
    status, text = check(save(frame, tmp_path / "odd.csv"))

    assert status == 0
    assert "1 node with 35 readings of -999" in text
    assert "missing_values: [-999]" in text
    assert "1 node with 3 negative readings among counts of at least 0: s1" in text
    assert "1 node with one value most of the time, up to 40% 77: s2" in text
    assert "-999" not in check(tmp_path / "odd.csv", "--missing-values", "-999")[1]


@pytest.mark.parametrize("fill", [-9999.0, 9.96921e36, 1e20, 65535.0])
def test_fill_values_are_named(tmp_path, check, fill):
    frame = readings(HOURS[:300]).astype({"y": float})
    frame.loc[7, "y"] = fill
    status, text = check(save(frame, tmp_path / "fill.csv"))

    assert status == 0
    assert "often stands for a missing one" in text


def test_one_negative_value_among_counts_is_named_however_frequent(tmp_path, check):
    frame = readings(HOURS)
    frame.loc[frame.index % 10 == 3, "y"] = -1
    _, text = check(save(frame, tmp_path / "x.csv"))

    assert "readings of -1 among counts of at least 0 (missing_values: [-1]): s0, s1, s2" in text


def test_readings_that_cannot_be_meant_are_named_however_frequent(tmp_path, check):
    frame = readings(HOURS).astype({"y": float})
    frame.loc[3:1007:7, "y"] = 1e30
    _, text = check(save(frame, tmp_path / "x.csv"))
    assert "1 node with readings up to 1e+30, where" in text, text
    assert "s0" in text.partition("1e+30")[2].partition("\n")[0]


def test_another_unit_is_named(tmp_path, check):
    frame = readings(HOURS).astype({"y": float})
    frame.loc[500:1007, "y"] *= 1000
    text = check(save(frame, tmp_path / "unit.csv"))[1]

    assert "1 node whose level changes for good" in text


def test_operating_hours_are_recognised_and_can_be_switched_off(tmp_path, check):
    frame = readings(HOURS)
    frame = frame[(frame["ds"].dt.hour >= 5) & (frame["ds"].dt.hour < 22)]
    path = save(frame, tmp_path / "bus.csv")
    status, text = check(path)

    assert status == 0
    assert "nothing is ever read outside 05:00 to 22:00: only these 17 slots of a day" in text
    assert " 0.0% " in text
    assert "outside" not in check(path, "--hours", "all")[1]
    assert open_stream(path)[0].calendar.steps_per_day == 17


def test_steps_without_clock_time_are_counted(tmp_path, check):
    path = save(readings(np.arange(360)), tmp_path / "steps.csv")
    status, text = check(path)

    assert status == 1
    assert "steps_per_day" in text
    assert check(path, "--steps-per-day", "18")[0] == 0


def test_an_unknown_key_is_an_error_with_the_nearest(tmp_path, check):
    path = save(readings(HOURS[:100]), tmp_path / "counts.csv")
    (tmp_path / "counts.yaml").write_text("hour: auto\n")
    status, text = check(path)

    assert status == 1
    assert "unknown key 'hour'. Did you mean 'hours'?" in text


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_zones_follow_the_local_clock_across_a_change(tmp_path, check, kind):
    stamps = pd.date_range("2024-03-25", periods=400, freq="h", tz="Europe/Oslo")
    frame = readings(stamps, 1)
    frame["y"] = [float(stamp.hour) for stamp in stamps]
    path = tmp_path / f"zone.{kind}"
    if kind == "csv":
        save(frame.assign(ds=[stamp.isoformat() for stamp in stamps]), path)
    else:
        frame.to_parquet(path)
    assert check(path)[0] == 0
    period = open_stream(path)[0]
    read = ~period.series[:, 0].isnan()
    steps = read.nonzero().flatten()

    assert int(read.sum()) == 400
    assert period.calendar.slot_of_day(steps).tolist() == period.series[read, 0].tolist()


def test_naive_beside_zoned_stamps_is_one_sentence(tmp_path, check):
    frame = readings(HOURS[:100]).astype({"ds": str})
    frame.loc[5, "ds"] = "2024-01-01 05:00:00+01:00"
    status, text = check(save(frame, tmp_path / "mixed.csv"))

    assert status == 1
    assert "1 time stamps name a time zone" in text
    assert "and 299 name none" in text


@pytest.mark.parametrize(
    ("stamps", "said"),
    [
        (pd.date_range("2015-01-05", periods=300, freq="7D"), "7 d repeat with the year, of 52"),
        (
            pd.date_range("1990-01-01", periods=300, freq="MS"),
            "a month repeat with the year",
        ),
        (
            pd.date_range("1990-01-01", periods=300, freq="ME"),
            "a month repeat with the year",
        ),
        (pd.date_range("2024-01-01", periods=300, freq="7h"), "not a whole number of steps of 7 h"),
    ],
)
def test_seasons_are_those_of_the_data(tmp_path, check, stamps, said):
    status, text = check(save(readings(stamps), tmp_path / "rare.csv"))

    assert status == 0
    assert said in text
    assert open_stream(tmp_path / "rare.csv")[0].num_steps == 300


def test_other_columns_are_suggested_and_taken(tmp_path, check):
    frame = readings(HOURS[:300]).set_axis(["sensor", "time", "value"], axis=1)
    path = save(frame, tmp_path / "named.csv")
    status, text = check(path)

    assert status == 1
    assert "--id-col sensor --time-col time --target-col value" in text
    flags = ["--id-col", "sensor", "--time-col", "time", "--target-col", "value"]
    assert check(path, *flags)[0] == 0
    (tmp_path / "named.yaml").write_text("id_col: sensor\ntime_col: time\ntarget_col: value\n")
    assert check(path)[0] == 0


def forms(folder, frame):
    """The same readings in every form that is read."""
    wide = frame.pivot(index="ds", columns="unique_id", values="y").reset_index()
    save(frame, folder / "semicolon.csv", sep=";")
    save(frame, folder / "tab.tsv", sep="\t")
    save(frame.astype({"y": float}), folder / "comma.csv", sep=";", decimal=",")
    save(wide, folder / "wide.csv")
    frame.to_parquet(folder / "long.parquet")
    wide.set_index("ds").to_parquet(folder / "indexed.parquet")
    with gzip.open(folder / "packed.csv.gz", "wt") as file:
        frame.to_csv(file, index=False)
    frame.to_excel(folder / "sheet.xlsx", index=False)
    for kind in ("parquet", "csv"):
        parts = folder / f"parts.{kind}" if kind == "parquet" else folder / "parts"
        parts.mkdir()
        for number, rows in enumerate(np.array_split(np.arange(len(frame)), 3)):
            part = frame.iloc[rows]
            name = parts / f"{number}.{kind}"
            part.to_parquet(name) if kind == "parquet" else save(part, name)


def test_every_form_gives_the_same_readings(tmp_path):
    frame = readings(HOURS[:100])
    forms(tmp_path, frame)
    wanted = frame["y"].to_numpy().reshape(3, 100).T

    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 10
    for name in names:
        np.testing.assert_array_equal(open_stream(tmp_path / name)[0].series, wanted, name)


def test_a_sensor_without_any_reading_is_named(tmp_path, check):
    frame = readings(HOURS[:300]).astype({"y": float})
    frame.loc[frame["unique_id"] == "s1", "y"] = np.nan

    assert "1 node without any reading: s1" in check(save(frame, tmp_path / "silent.csv"))[1]


def test_repeated_pairs_are_counted(tmp_path, check):
    frame = readings(HOURS[:100])
    text = check(save(pd.concat([frame, frame.iloc[:30]]), tmp_path / "twice.csv"))[1]

    assert "again in row 300; 30 rows repeat a pair" in text


def damaged(folder):
    frame = readings(HOURS[:100])
    save(frame, folder / "utf16.csv", encoding="utf-16")
    (folder / "empty.parquet").write_bytes(b"")
    (folder / "broken.parquet").write_bytes(b"PAR1" + b"x" * 20)
    (folder / "folder.csv").mkdir()
    (folder / "header.csv").write_text("a" * 200_000 + ",b\n1,2\n")
    (folder / "dangling.csv").symlink_to(folder / "nowhere.csv")
    (folder / "empty.csv").write_text("")
    (folder / "broken.csv.gz").write_bytes(b"\x1f\x8b" + b"x" * 30)
    (folder / "broken.xlsx").write_bytes(b"PK\x03\x04 not really")
    save(frame.astype({"y": object}).replace({"y": {50: "many"}}), folder / "text.csv")
    save(frame.astype({"y": float}).assign(y=np.inf), folder / "infinite.csv")
    columns = ",".join(f"c{i}" for i in range(150_000))
    (folder / "columns.csv").write_text(f"ds,{columns}\n")
    save(frame.assign(ds="0" * 3000), folder / "stamps.csv")


def test_damaged_files_are_one_sentence_each(tmp_path, check):
    damaged(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())

    assert len(names) == 13
    for name in names:
        status, text = check(tmp_path / name)
        assert (status, "error: " in text) == (1, True), (name, text)


def test_a_key_that_is_given_twice_is_refused_with_its_lines(tmp_path, check):
    path = save(readings(HOURS[:100]), tmp_path / "counts.csv")
    (tmp_path / "counts.yaml").write_text("period: MS\nunit: h\nperiod: YS\n")
    status, text = check(path)

    assert status == 1
    assert "counts.yaml: 'period' is given twice, in line 1 and in line 3. Give it once." in text


@pytest.mark.parametrize(
    "settings",
    ["covariates: 5", "period: 7", "frequency: [1]", "hours: 3", "- a", "a: [", "max_empty: yes"],
)
def test_settings_of_the_wrong_kind_are_one_sentence(tmp_path, check, settings):
    path = save(readings(HOURS[:100]), tmp_path / "counts.csv")
    (tmp_path / "counts.yaml").write_text(settings + "\n")
    status, text = check(path)

    assert status == 1
    assert "counts.yaml" in text


@pytest.mark.parametrize("weight", ["-1", "nan", "inf", "1e39", "much", ""])
def test_a_wrong_weight_is_one_sentence(tmp_path, check, weight):
    path = save(readings(HOURS[:100]), tmp_path / "counts.csv")
    (tmp_path / "edges.csv").write_text(f"source,target,weight\ns0,s1,{weight}\n")
    status, text = check(path)

    assert status == 1
    assert "'s0'" in text or "'weight'" in text


def in_euros(value):
    """1234.5 as it is written in half of Europe."""
    return f"{value:,.1f}".replace(",", " ").replace(".", ",").replace(" ", ".")


NUMBERS = {
    "decimal commas after whole numbers": (";", lambda y: f"{y}" if y < 40 else f"{y},5", []),
    "points for thousands": (";", lambda y: in_euros(1000.0 * y + 0.5), []),
    "commas in quotes": (",", lambda y: f"{y},5", []),
    "commas for thousands": (",", lambda y: f"{1000 * y:,}.5", []),
    "doubt, and commas said": (",", lambda y: f"{y + 1},250", ["--decimal", ","]),
    "doubt, and points said": (",", lambda y: f"{y + 1},250", ["--decimal", "."]),
    "doubt in a file with semicolons": (";", lambda y: f"{y + 1}.250", ["--decimal", ","]),
}


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("wide", [False, True])
def test_decimal_signs_are_found_or_asked_for(tmp_path, check, kind, wide):
    separator, write, said = NUMBERS[kind]
    frame = readings(HOURS[:200])
    expected = frame["y"] + 0.5
    if "thousands" in kind:
        expected = 1000 * frame["y"] + 0.5
    elif kind.startswith("decimal"):
        expected = frame["y"] + np.where(frame["y"] < 40, 0, 0.5)
    elif said:
        point = (said[1] == ",") == (separator == ",")
        expected = frame["y"] + 1.25 if point else 1000 * frame["y"] + 1250
    frame = frame.assign(y=frame["y"].map(write))
    if wide:
        frame = frame.pivot(index="ds", columns="unique_id", values="y").reset_index()
    path = save(frame, tmp_path / "x.csv", sep=separator)
    status, text = check(path, "--window", "2", "--horizon", "2", *said)

    assert status == 0, text
    form = Form(decimal=said[1]) if said else None
    series = open_stream(path, form)[0].series
    np.testing.assert_allclose(series.T.flatten(), expected, rtol=1e-6)
    if said:
        assert "Say which: --decimal" in check(path)[1]


def test_sheets_that_are_alike_are_joined_and_others_asked_for(tmp_path, check):
    frame = readings(HOURS[:200])
    path = tmp_path / "book.xlsx"
    with pd.ExcelWriter(path) as book:
        frame[:300].to_excel(book, sheet_name="first", index=False)
        frame[300:].to_excel(book, sheet_name="second", index=False)
    whole = open_stream(path)[0]
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"about": ["counts"]}).to_excel(book, sheet_name="info", index=False)
        frame.to_excel(book, sheet_name="counts", index=False)
    status, text = check(path)

    assert (whole.num_nodes, whole.num_steps) == (3, 200)
    assert (status, "holds the sheets 'info', 'counts'" in text) == (1, True)
    assert check(path, "--sheet", "counts")[0] == 0
    assert "It has: 'info', 'counts'" in check(path, "--sheet", "count")[1]


def test_a_row_per_sensor_and_a_column_per_time_are_turned(tmp_path):
    frame = readings(HOURS[:100])
    turned = frame.pivot(index="unique_id", columns="ds", values="y").reset_index()
    period = open_stream(save(turned, tmp_path / "turned.csv"))[0]

    assert period.node_ids == ("s0", "s1", "s2")
    np.testing.assert_array_equal(period.series.T.flatten(), frame["y"])


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
@pytest.mark.parametrize("said", [None, "sensor"])
def test_ids_of_rows_stay_as_they_are_written(tmp_path, suffix, said):
    ids = ["007", "0012", "1.10", "NA", *["12345678901234567890"] * (suffix == "csv")]
    frame = pd.DataFrame(1.5, index=ids, columns=HOURS[:5].astype(str)).rename_axis("sensor")
    path = tmp_path / f"turned.{suffix}"
    frame.iloc[0, 1:2] = None
    (frame.to_csv if suffix == "csv" else frame.to_excel)(path)
    period = open_stream(path, Form(id_col=said))[0]

    assert period.node_ids == tuple(ids)
    assert int(period.series.isnan().sum()) == 1


def test_signs_are_those_that_any_sensor_proves(tmp_path):
    rows = "".join(f"{hour};1.100;2,125;2,5\n" for hour in HOURS[:5])
    (tmp_path / "wide.csv").write_text("ds;a;b;c\n" + rows)
    frame = pd.DataFrame({"ds": HOURS[:5], "a": "1.100", "b": 2.125, "c": "2,5"})
    frame.to_excel(tmp_path / "wide.xlsx", index=False)

    for name in ("wide.csv", "wide.xlsx"):
        assert open_stream(tmp_path / name)[0].series[0].tolist() == [1100, 2.125, 2.5], name


def test_a_column_that_is_named_twice_is_named(tmp_path, check):
    twice = pd.DataFrame([[hour, 1, 2] for hour in HOURS[:5].astype(str)], columns=["ds", "a", "a"])
    twice.to_excel(tmp_path / "twice.xlsx", index=False)
    for path in (save(twice, tmp_path / "twice.csv"), tmp_path / "twice.xlsx"):
        status, text = check(path)
        assert (status, "has column 'a' twice. Give each id once." in text) == (1, True), text


@pytest.mark.parametrize("more", [",", ",3"])
def test_rows_with_more_cells_than_the_header_are_refused(tmp_path, check, more):
    (tmp_path / "x.csv").write_text("ds,a\n" + "".join(f"{t},1{more}\n" for t in HOURS[:5]))
    assert (
        "names 2 columns, but its first row has 3 cells. Name every" in check(tmp_path / "x.csv")[1]
    )


def test_rows_may_be_numbered_in_a_column_without_a_name(tmp_path):
    lines = "".join(f"{row},a,{hour},5\n" for row, hour in enumerate(HOURS[:5], 1))
    (tmp_path / "x.csv").write_text("unique_id,ds,y\n" + lines)
    assert open_stream(tmp_path / "x.csv")[0].series.tolist() == [[5.0]] * 5


def test_an_index_of_ids_or_times_in_parquet_is_a_column(tmp_path):
    frame = readings(HOURS[:50])
    wide = frame.pivot(index="ds", columns="unique_id", values="y")
    tables = {
        "both": frame.set_index(["unique_id", "ds"]),
        "ids": frame.set_index("unique_id"),
        "ids, which stay a column": frame.set_index("unique_id", drop=False),
        "no names": frame.set_axis(frame.index.to_numpy()),
        "times as text": wide.set_axis(wide.index.astype(str)).rename_axis("at"),
        "a row per sensor": wide.T.set_axis(wide.index.astype(str), axis=1),
    }
    for name, table in tables.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
        period = open_stream(tmp_path / f"{name}.parquet")[0]
        np.testing.assert_array_equal(period.series.T.flatten(), frame["y"], name)


def test_date_and_time_in_two_columns_are_joined(tmp_path, check):
    frame = readings(HOURS[:200])
    stamps = frame["ds"].dt
    days, times = stamps.strftime("%d.%m.%Y"), stamps.strftime("%H:%M")
    frame = frame.assign(Date=days, Time=times).drop(columns="ds")
    path = save(frame, tmp_path / "two.csv")
    wide = frame.pivot(index=["Date", "Time"], columns="unique_id", values="y").reset_index()
    flags = ["--time-col", "Date+Time", "--dayfirst", "true"]

    assert "--time-col Date+Time" in check(path)[1]
    assert check(path, *flags)[0] == 0
    assert check(save(wide, tmp_path / "wide.csv"), *flags)[0] == 0


HEADS = {
    "the line of a spreadsheet": lambda text: "sep=;\n" + text.replace(",", ";"),
    "spaces": lambda text: text.replace("unique_id,ds,y", " unique_id, ds , y"),
    "a mark of the byte order": lambda text: "\ufeff" + text,
    "quotes": lambda text: text.replace("unique_id,ds,y", '"unique_id","ds","y"'),
}


@pytest.mark.parametrize("kind", HEADS)
def test_headers_as_programs_write_them(tmp_path, check, kind):
    path = tmp_path / "x.csv"
    path.write_text(HEADS[kind](readings(HOURS[:200]).to_csv(index=False)), encoding="utf-8")

    assert check(path)[0] == 0


def test_files_that_hold_no_table_say_why(tmp_path, check):
    packed = tmp_path / "packed.csv"
    packed.write_bytes(gzip.compress(b"unique_id,ds,y\n"))
    (tmp_path / "empty.csv").write_text("")

    assert "is compressed. Rename it to end in .csv.gz" in check(packed)[1]
    assert "is empty. Give a header line" in check(tmp_path / "empty.csv")[1]


def test_the_hour_that_a_clock_change_repeats_is_one_step_of_a_named_zone(tmp_path, check):
    oslo = pd.date_range("2024-10-20", periods=480, freq="h", tz="Europe/Oslo")
    path = save(readings(oslo.tz_localize(None)), tmp_path / "naive.csv")
    status, text = check(path)

    assert (status, "--time-zone Europe/Oslo" in text) == (1, True)
    assert check(path, "--time-zone", "Europe/Oslo")[0] == 0


def test_steps_that_no_clock_change_keeps_follow_a_fixed_offset(tmp_path, check):
    stamps = pd.date_range("2024-03-20", periods=240, freq="6h", tz="UTC").tz_convert("Europe/Oslo")
    path = save(readings(stamps), tmp_path / "six.csv")
    status, text = check(path)

    assert (status, "steps of 6 h keep no place" in text) == (0, True)
    assert open_stream(path)[0].calendar.steps_per_day == 4


@pytest.mark.parametrize("hours", ["25:00-26:00", "05:70-22:00", "05:00-05:00", "5-22", "night"])
def test_hours_that_no_clock_shows_are_refused(tmp_path, check, hours):
    path = save(readings(HOURS[:200]), tmp_path / "x.csv")

    assert f"hours is '{hours}'. Give auto, all, or a span" in check(path, "--hours", hours)[1]
