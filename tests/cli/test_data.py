"""`eac data` as a user sees it: exit status, tables, JSON and messages."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from eac.cli.commands.data import main
from eac.data.readers.open import open_stream


def write_period(folder, name, start, values):
    place = folder / name
    place.mkdir(parents=True)
    index = pd.date_range(start, periods=len(next(iter(values.values()))), freq="h")
    pd.DataFrame(values, index=index).to_csv(place / "series.csv")
    (place / "nodes.csv").write_text("node_id\n" + "\n".join(values) + "\n")
    (place / "edges.csv").write_text("source,target,weight\na,b,1\n")


@pytest.fixture
def stream(tmp_path):
    folder = tmp_path / "small"
    wave = np.sin(np.arange(240.0))
    gap = wave.copy()
    gap[20:200] = np.nan
    write_period(folder, "2", "2024-01-01", {"a": wave, "b": wave, "c": wave})
    flat, none = np.full(240, 3.0), np.full(240, np.nan)
    write_period(folder, "10", "2024-01-11", {"a": wave, "b": gap, "d": flat, "e": none})
    write_period(folder, "11", "2024-01-20 12:00", {"a": wave, "b": wave, "c": wave})
    return folder


def test_check_prints_a_row_per_period_and_warns(stream, capsys):
    assert main(["check", str(stream)]) == 0
    out = capsys.readouterr().out

    rows = [line.split() for line in out.splitlines() if " 240 " in line]
    assert [row[:6] for row in rows] == [
        ["2", "3", "0", "3", "0", "0"],
        ["10", "4", "2", "2", "0", "1"],
        ["11", "3", "2", "0", "1", "2"],
    ]
    assert rows[1][6:10] == ["240", "43.8%", "1", "2"]
    assert rows[0][10:] == ["2024-01-01", "00:00", "2024-01-10", "23:00"]
    assert "period '10': 1 node without any reading: e" in out
    assert "period '10': 1 node with one constant reading: d" in out
    assert "period '10': 1 node missing for more than a week on end, at most 180 steps: b" in out
    assert "period '11': starts at 2024-01-20 12:00:00, before period '10' ends" in out
    assert "3 periods valid, 4 warnings" in out


def test_check_of_a_bad_stream_prints_what_is_fine_then_the_error(stream, capsys):
    (stream / "10" / "edges.csv").write_text("source,target,weight\na,z,1\n")

    assert main(["check", str(stream)]) == 1
    captured = capsys.readouterr()
    assert "2024-01-01 00:00" in captured.out
    assert captured.err.startswith("error: period '10': edge in row 0 names node 'z'")
    assert "Traceback" not in captured.err


def test_check_refuses_a_period_too_short_for_one_window(stream, capsys):
    assert main(["check", str(stream), "--window", "48"]) == 1
    assert "period '2': the val part has 48 steps, but one window needs 48 + 12" in (
        capsys.readouterr().err
    )


def test_check_of_a_path_that_does_not_exist_lists_the_layouts(tmp_path, capsys):
    assert main(["check", str(tmp_path / "nowhere")]) == 1
    assert "table folder" in capsys.readouterr().err


def test_describe_json_holds_every_count(stream, capsys):
    assert main(["describe", str(stream), "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    first, second, _ = described["periods"]

    assert described["name"] == "small"
    assert (second["num_nodes"], second["kept"], second["new"], second["gone"]) == (4, 2, 2, 1)
    assert second["missing_share"] == pytest.approx(420 / 960)
    assert first["mean"] == pytest.approx(np.sin(np.arange(240.0)).mean(), rel=1e-5)
    assert first["std"] == pytest.approx(np.sin(np.arange(240.0)).std(), rel=1e-5)
    assert first["zero_share"] == pytest.approx(1 / 240)


def test_describe_prints_readings_for_people(stream, capsys):
    (stream / "stream.yaml").write_text("unit: veh/h\n")

    assert main(["describe", str(stream)]) == 0
    assert "Readings in veh/h" in capsys.readouterr().out


@pytest.mark.parametrize("layout", ["table", "npz", "frame"])
def test_convert_writes_a_stream_with_the_same_periods(stream, tmp_path, capsys, layout):
    destination = tmp_path / "out"

    assert main(["convert", str(stream), str(destination), "--to", layout]) == 0
    assert "wrote 3 periods" in capsys.readouterr().out
    for before, after in zip(open_stream(stream), open_stream(destination), strict=True):
        assert sorted(before.node_ids) == sorted(after.node_ids)
        assert before.missing_share == after.missing_share


def test_convert_refuses_to_overwrite(stream, capsys):
    assert main(["convert", str(stream), str(stream), "--to", "npz"]) == 1
    assert "exists" in capsys.readouterr().err


@pytest.fixture
def closing_hours(tmp_path):
    """A month read from 05 to 22 h, then one read all day, a minute off at one time."""
    hours = pd.date_range("2024-01-01", "2024-02-28 23:00", freq="h")
    hours = hours[(hours.month == 2) | ((hours.hour >= 5) & (hours.hour < 22))]
    off = hours.where(hours != hours[30], hours[30] + pd.Timedelta("1min"))
    folder = tmp_path / "closing"
    folder.mkdir()
    frame = pd.DataFrame({"unique_id": "a", "ds": off, "y": np.arange(len(off)) % 24})
    frame.to_csv(folder / "series.csv", index=False)
    (folder / "stream.yaml").write_text("period: MS\n")
    return folder


@pytest.mark.parametrize("command", [("convert", "--to", "table"), ("subset", "--nodes", "1,1")])
def test_writing_says_what_the_reading_left_out(closing_hours, tmp_path, capsys, command):
    name, *flags = command
    assert main(["check", str(closing_hours)]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "period '" in line]

    assert main([name, str(closing_hours), str(tmp_path / "out"), *flags]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("wrote 2 periods")
    lines = captured.err.splitlines()
    assert any("196 readings outside the hours 05:00 to 22:00" in line for line in lines)
    assert any("nothing is ever read outside" in line for line in lines)
    assert any("rounded" in line for line in lines)
    assert set(lines) <= set(told)


def test_subset_understands_the_flags_of_reading(closing_hours, tmp_path):
    out = tmp_path / "out"
    flags = ["--nodes", "1,1", "--hours", "all"]

    assert main(["subset", str(closing_hours), str(out), *flags]) == 0
    assert open_stream(out)[1].num_steps == 28 * 24


def test_an_unknown_layout_is_refused_with_the_choices(stream, capsys):
    with pytest.raises(SystemExit):
        main(["convert", str(stream), "out", "--to", "excel"])
    assert "table" in capsys.readouterr().err


def test_subset_keeps_the_first_nodes_of_each_period(stream, tmp_path):
    small = tmp_path / "cut"
    assert main(["subset", str(stream), str(small), "--nodes", "1,3,2"]) == 0
    for before, after, count in zip(
        open_stream(stream), open_stream(small), [1, 3, 2], strict=True
    ):
        assert after.node_ids == before.node_ids[:count]
        assert after.series.equal(before.series[:, :count]) or before.missing_share > 0
        assert after.graph.num_edges == (count > 1)  # a is connected to b


@pytest.mark.parametrize("counts", ["1,2", "0,1,1"])
def test_subset_asks_for_one_positive_number_for_each_period(stream, tmp_path, capsys, counts):
    assert main(["subset", str(stream), str(tmp_path / "cut"), "--nodes", counts]) == 1
    assert "one positive number for each period" in capsys.readouterr().err


def test_subset_refuses_words(stream, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["subset", str(stream), str(tmp_path / "cut"), "--nodes", "3,few"])
    assert "give whole numbers, such as 3,10,30" in capsys.readouterr().err


def test_data_commands_do_not_import_lightning():
    code = "import sys, eac.cli.commands.data; sys.exit('lightning' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "path", ["streams/bergen", "streams/pl-pm10", "layout/bergen", "layout/pm10-a"]
)
def test_the_real_streams_are_valid(shared_path, path, capsys):
    assert main(["check", str(shared_path(path))]) == 0
    assert "periods valid" in capsys.readouterr().out


def test_a_stream_without_edges_is_valid_and_told_how_to_get_some(tmp_path, capsys):
    hours = pd.date_range("2024-01-01", periods=240, freq="h")
    frame = pd.DataFrame({"unique_id": "a", "ds": hours, "y": np.sin(np.arange(240.0))})
    folder = tmp_path / "counts"
    folder.mkdir()
    frame.assign(unique_id="b").pipe(lambda b: pd.concat([frame, b])).to_csv(folder / "series.csv")

    assert main(["check", str(folder)]) == 0
    assert "eac data connect PATH" in capsys.readouterr().out
    (folder / "nodes.csv").write_text("node_id,latitude,longitude\na,60,5\nb,60,6\n")
    assert main(["connect", str(folder)]) == 0
    assert main(["check", str(folder)]) == 0
    assert "note" not in capsys.readouterr().out


def test_a_folder_with_one_table_under_another_name_names_it(tmp_path, capsys):
    (tmp_path / "counts.csv").write_text("unique_id,ds,y\n")

    assert main(["check", str(tmp_path)]) == 1
    assert f"Give the file {tmp_path / 'counts.csv'}" in capsys.readouterr().err
