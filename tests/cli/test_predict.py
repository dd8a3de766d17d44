"""``eac predict``, from a run and a file of recent readings to a file of forecasts."""

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml

from eac.cli.main import main
from eac.data.core.calendar import Calendar
from eac.data.core.stream import MemoryStream
from eac.data.manage.convert import convert
from tests.streams import tiny_stream

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1)
STREAM = MemoryStream(
    [
        replace(p, calendar=Calendar.from_timestamps(START + i * 160 * HOUR, HOUR))
        for i, p in enumerate(tiny_stream(["abcd", "abcde"]))
    ]
)
EAC = "configs/recipes/eac.yaml"


@pytest.fixture(scope="module")
def run(repository, tmp_path_factory) -> Path:
    """A short run over hourly waves of a to d, and then of a to e."""
    folder = tmp_path_factory.mktemp("predict")
    convert(STREAM, folder / "stream", "table")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        where = ["--stream", str(folder / "stream"), "--run.dir", str(folder / "run")]
        assert main(["run", "-c", EAC, *where, "--trainer.max_epochs", "1"]) == 0
    return folder / "run"


@pytest.fixture
def recent() -> pd.DataFrame:
    """Two days of the last period, in rows."""
    period = STREAM.load(1)
    stamps = pd.date_range(period.calendar.start, periods=160, freq="h", name="ds")
    wide = pd.DataFrame(period.series.numpy(), stamps, pd.Index(period.node_ids)).tail(48)
    return wide.rename_axis(columns="unique_id").unstack().rename("y").reset_index()


def predict(run: Path, given: Path, output: Path, *more: str) -> int:
    return main(
        ["predict", "--run", str(run), "--input", str(given), "--output", str(output), *more]
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_forecasts_go_from_file_to_file_in_either_format(run, recent, tmp_path, capsys, suffix):
    write, read = getattr(recent, f"to_{suffix}"), getattr(pd, f"read_{suffix}")
    write(tmp_path / f"recent.{suffix}", index=False)
    output = tmp_path / f"forecasts.{suffix}"
    assert predict(run, tmp_path / f"recent.{suffix}", output) == 0
    forecasts = read(output)
    assert list(forecasts.columns) == ["unique_id", "ds", "y_hat", "note"]
    assert len(forecasts) == 5 * 12
    assert pd.Timestamp(forecasts["ds"].min()) == pd.Timestamp("2024-01-14 08:00")
    printed = capsys.readouterr().out
    assert "5 sensors, 2024-01-14 08:00:00 to 2024-01-14 19:00:00" in printed


def test_forecasts_take_the_place_of_no_readings(run, recent, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recent.to_csv("recent.csv", index=False)
    Path("parts").mkdir()
    recent.to_csv("parts/1.csv", index=False)
    before = Path("recent.csv").read_bytes()
    for given, output in (("recent.csv", "./recent.csv"), ("parts", "parts/2.csv")):
        assert predict(run, Path(given), Path(output)) == 1
        said = f"would be written over or among the readings of {given}. Give another file."
        assert said in capsys.readouterr().err
    assert Path("recent.csv").read_bytes() == before
    assert [path.name for path in Path("parts").iterdir()] == ["1.csv"]


def test_a_link_to_itself_is_no_input_and_no_output(run, recent, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recent.to_csv("recent.csv", index=False)
    Path("loop.csv").symlink_to("loop.csv")
    assert predict(run, Path("loop.csv"), Path("out.csv")) == 1
    assert "loop.csv points to loop.csv, which is not there" in capsys.readouterr().err
    assert predict(run, Path("recent.csv"), Path("loop.csv")) == 1
    assert "loop.csv is a symbolic link, which is not followed" in capsys.readouterr().err


def test_sensors_without_a_forecast_are_printed_with_the_reason(run, recent, tmp_path, capsys):
    stranger = recent.iloc[42:48].assign(unique_id="new")
    known = recent[recent["unique_id"] != recent["unique_id"].iloc[0]]
    pd.concat([known, stranger]).to_csv(tmp_path / "recent.csv", index=False)
    assert predict(run, tmp_path / "recent.csv", tmp_path / "out.csv") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "2 sensors without a forecast" in printed
    assert "6 readings; a sensor the run has never seen needs 12" in printed
    assert f"{recent['unique_id'].iloc[0]} not in the input" in printed


def test_a_new_sensor_with_edges_of_its_own_is_flagged(run, recent, tmp_path, capsys):
    stranger = recent.iloc[:48].assign(unique_id="new")
    pd.concat([recent, stranger]).to_csv(tmp_path / "recent.csv", index=False)
    edges = f"source,target,weight\n{recent['unique_id'].iloc[0]},new,1.0\n"
    (tmp_path / "edges.csv").write_text(edges, encoding="utf-8")
    more = ("--edges", str(tmp_path / "edges.csv"))
    assert predict(run, tmp_path / "recent.csv", tmp_path / "out.csv", *more) == 0
    assert "6 sensors, 1 cold start" in capsys.readouterr().out


def test_how_a_run_was_trained_does_not_matter_to_its_forecasts(run, recent, tmp_path):
    """The trainer of the configuration, a device that is not here included, is not asked."""
    other = tmp_path / "run"
    shutil.copytree(run, other)
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["trainer"] |= {"accelerator": "gpu", "devices": 4, "precision": "bf16-mixed"}
    (other / "config.yaml").write_text(yaml.safe_dump(config))
    recent.to_csv(tmp_path / "recent.csv", index=False)
    for each, output in ((run, "a.csv"), (other, "b.csv")):
        assert predict(each, tmp_path / "recent.csv", tmp_path / output) == 0
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


def test_predict_without_a_run_takes_the_options_of_a_trainer(repository, run, monkeypatch):
    monkeypatch.chdir(repository)
    given = ["-c", EAC, "--stream", str(run.parent / "stream"), "--data.period", "1"]
    trainer = ["--trainer.accelerator", "cpu", "--trainer.devices", "1"]
    assert main(["predict", *given, *trainer, "--trainer.precision", "bf16-mixed"]) == 0


def test_help_says_where_forecasts_are_made(capsys):
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    said = capsys.readouterr().out
    assert "on the CPU in full precision" in said
    assert "--trainer.accelerator, --trainer.devices and --trainer.precision" in said


def test_wrong_use_is_one_sentence(run, recent, tmp_path, capsys):
    given = tmp_path / "recent.csv"
    recent.to_csv(given, index=False)
    assert predict(run, given, tmp_path / "out.xlsx") == 1
    assert "ends in .parquet or .csv" in capsys.readouterr().err
    assert predict(tmp_path / "nothing", given, tmp_path / "out.csv") == 1
    assert "holds no finished period" in capsys.readouterr().err
    assert predict(run, tmp_path / "gone.csv", tmp_path / "out.csv") == 1
    assert "gone.csv is missing" in capsys.readouterr().err


def test_help_names_both_ways_to_predict(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["predict", "--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert "--run DIR" in printed
    assert "--help_all" in printed
