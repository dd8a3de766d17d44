"""``eac run`` and Lightning's commands, from the command line to the files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from eac.cli.main import main
from eac.data.manage.convert import convert
from eac.records.record import read_run
from tests.streams import tiny_stream

EAC = "configs/recipes/eac.yaml"
SMALL = ["--trainer.max_epochs", "2", "--model.backbone.init_args.hidden", "8"]


@pytest.fixture
def stream_path(tmp_path) -> Path:
    """The tiny stream, in the published layout, on disk."""
    return convert(tiny_stream(["abcd", "abcde", "abcdef"]), tmp_path / "stream", "npz")


@pytest.fixture
def run(repository, monkeypatch, stream_path):
    """Runs ``eac run`` on the tiny stream with these further arguments."""
    monkeypatch.chdir(repository)

    def call(directory: Path, *more: str) -> int:
        fixed = ["-c", EAC, "--stream", str(stream_path), "--run.dir", str(directory)]
        return main(["run", *fixed, *SMALL, *more])

    return call


def test_run_writes_config_records_and_states_and_prints_the_table(run, tmp_path, capsys):
    assert run(tmp_path / "r") == 0
    names = sorted(path.name for path in (tmp_path / "r").iterdir())
    names_of_periods = ["period-00-p0", "period-01-p1", "period-02-p2"]
    assert names == ["config.yaml", "manifest.json", *names_of_periods, "report.html", "run.json"]
    files = {path.name for path in (tmp_path / "r" / "period-01-p1").iterdir()}
    states = {f"{name}.safetensors" for name in ("graph", "state", "readings", "calibration")}
    states |= {"card.json", "manifest.json"}
    assert files == {"metrics.json", "report.json", "log", *states}
    assert "same slot a week ago" in capsys.readouterr().out


def test_the_saved_config_alone_repeats_the_run_bit_for_bit(run, tmp_path):
    run(tmp_path / "a")
    config = tmp_path / "a" / "config.yaml"
    assert main(["run", "-c", str(config), "--run.dir", str(tmp_path / "b")]) == 0
    first, second = read_run(tmp_path / "a"), read_run(tmp_path / "b")
    assert first.mean() == second.mean()


def test_another_seed_gives_another_model(run, tmp_path):
    run(tmp_path / "a")
    run(tmp_path / "b", "--seed_everything", "1")
    assert read_run(tmp_path / "a").mean() != read_run(tmp_path / "b").mean()


def test_protocol_and_null_value_reach_the_record(run, tmp_path):
    run(tmp_path / "a", "--protocol", "published")
    run(tmp_path / "b", "--metrics.null_value", "0")
    first, second = read_run(tmp_path / "a"), read_run(tmp_path / "b")
    assert (first.protocol, first.null_value) == ("published", 0.0)
    assert (second.protocol, second.null_value) == ("strict", 0.0)


def test_window_and_horizon_given_once_reach_the_backbone(run, tmp_path):
    run(tmp_path / "a", "--data.window", "6", "--data.horizon", "4")
    assert read_run(tmp_path / "a").mean().horizon == 4


def test_resume_finishes_a_run_that_lost_a_period(run, tmp_path, capsys):
    run(tmp_path / "a")
    whole = read_run(tmp_path / "a").mean()
    (tmp_path / "a" / "period-02-p2" / "metrics.json").unlink()
    assert main(["run", "--resume", str(tmp_path / "a")]) == 0
    assert read_run(tmp_path / "a").mean() == whole


def test_resume_goes_on_with_the_peers_and_the_transfer_that_a_run_was_started_with(run, tmp_path):
    run(tmp_path / "a", "--run.peers", "[lightgbm]", "--run.test_past", "true")
    whole = read_run(tmp_path / "a").periods[-1]
    (tmp_path / "a" / "period-02-p2" / "metrics.json").unlink()
    assert main(["run", "--resume", str(tmp_path / "a")]) == 0
    again = read_run(tmp_path / "a").periods[-1]
    assert again.baselines["lightgbm"] == whole.baselines["lightgbm"]
    assert again.past == whole.past
    assert list(again.past) == ["p0", "p1"]


def test_a_resumed_run_measures_less_where_that_is_asked_for(run, tmp_path):
    run(tmp_path / "a", "--run.peers", "[lightgbm]")
    config = tmp_path / "a" / "config.yaml"
    assert yaml.safe_load(config.read_text())["run"] == {"peers": ["lightgbm"]}
    (tmp_path / "a" / "period-02-p2" / "metrics.json").unlink()
    assert main(["run", "--resume", str(tmp_path / "a"), "--run.peers", "[]"]) == 0
    assert "lightgbm" not in read_run(tmp_path / "a").periods[-1].baselines
    assert "run" not in yaml.safe_load(config.read_text())


def test_a_command_on_one_period_takes_the_settings_that_a_run_with_peers_kept(run, tmp_path):
    run(tmp_path / "a", "--run.peers", "[lightgbm]")
    config = tmp_path / "a" / "config.yaml"
    assert main(["validate", "-c", str(config), "--data.period", "1"]) == 0


def test_resume_refuses_an_old_period_that_changed(run, tmp_path, stream_path, capsys):
    run(tmp_path / "a")
    path = stream_path / "RawData" / "p0.npz"
    with np.load(path) as arrays:
        changed = dict(arrays) | {"x": arrays["x"] + 1}
    np.savez(path, **changed)
    assert main(["run", "--resume", str(tmp_path / "a")]) == 1
    assert "period 'p0' changed" in capsys.readouterr().err


def test_watch_trains_a_period_once_it_is_whole(run, tmp_path, stream_path):
    held = tmp_path / "held"
    held.mkdir()
    late = [stream_path / "RawData" / "p2.npz", stream_path / "graph" / "p2_adj.npz"]
    kept = yaml.safe_load((stream_path / "stream.yaml").read_text())
    for path in late:
        path.rename(held / path.name)
    (stream_path / "stream.yaml").write_text(
        yaml.safe_dump(kept | {"periods": kept["periods"][:2]})
    )
    run(tmp_path / "a")
    assert len(read_run(tmp_path / "a").periods) == 2
    for path in late:
        (held / path.name).rename(path)
    (stream_path / "stream.yaml").write_text(yaml.safe_dump(kept))
    pace = {"interval": "0.05", "quiet": "0.1", "timeout": "0.5"}
    run(tmp_path / "a", "--watch", *(f"--run.watch_{key}={pace[key]}" for key in pace))
    assert [period.name for period in read_run(tmp_path / "a").periods] == ["p0", "p1", "p2"]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (["--trainer.max_epoch", "3"], "trainer.max_epochs"),
        (["--model.strategy.init_args.rnk", "3"], "rank"),
        (
            ["-c", "practical", "--model.strategy.init_args.ranks", "[2]"],
            "has no setting 'ranks'. One of the strategy inside is given by "
            "--model.strategy.init_args.strategy.init_args.ranks.",
        ),
        (["--modle.loss", "MSE"], "model"),
        (["--model.strategy", "EAX"], "EAC"),
        (
            ["--protocol", "publishd"],
            "protocol: 'publishd' is none of 'strict', 'published'. Did you",
        ),
        (["--model.strategy.init_args.tune", "most"], "tune: 'most' is none of 'all', 'new'."),
    ],
)
def test_a_misspelt_setting_fails_at_once_and_names_the_nearest(
    run, tmp_path, capsys, wrong, right
):
    with pytest.raises(SystemExit, match="2"):
        run(tmp_path / "a", *wrong)
    error = capsys.readouterr().err
    assert right in error
    assert len(error.splitlines()) <= 8
    assert not (tmp_path / "a").exists()


def test_a_misspelt_key_in_a_file_names_the_nearest(run, tmp_path, capsys):
    (tmp_path / "bad.yaml").write_text("model:\n  bakbone: STGNN\n")
    with pytest.raises(SystemExit, match="2"):
        run(tmp_path / "a", "-c", str(tmp_path / "bad.yaml"))
    assert "Did you mean 'model.backbone'?" in capsys.readouterr().err


def test_print_config_shows_every_setting(run, tmp_path, capsys):
    with pytest.raises(SystemExit, match="0"):
        run(tmp_path / "a", "--print_config")
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["model"]["strategy"]["init_args"]["rank"] == 6


def test_a_missing_stream_is_one_sentence(run, tmp_path, capsys):
    assert run(tmp_path / "a", "--stream", str(tmp_path / "nowhere")) == 1
    assert "nowhere" in capsys.readouterr().err


def test_lightning_commands_work_on_one_period(
    repository, monkeypatch, stream_path, tmp_path, capsys
):
    monkeypatch.chdir(repository)
    fixed = ["-c", EAC, "--stream", str(stream_path), "--data.period", "1", *SMALL[2:]]
    out = ["--trainer.default_root_dir", str(tmp_path), "--trainer.enable_progress_bar", "false"]
    assert main(["fit", *fixed, *out, "--trainer.max_epochs", "1"]) == 0
    checkpoint = next(tmp_path.rglob("*.ckpt"))
    assert main(["test", *fixed, *out, "--ckpt_path", str(checkpoint)]) == 0
    assert "test/MAE" in capsys.readouterr().out


def test_an_unknown_command_names_the_nearest(capsys):
    assert main(["rum"]) == 2
    assert "'run'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [6.0, 7.5, 9.0])
def test_kill_9_and_resume_gives_the_same_numbers(repository, tmp_path, stream_path, seconds):
    def start(directory: Path) -> subprocess.Popen:
        command = ["-c", EAC, "--stream", str(stream_path), "--run.dir", str(directory)]
        epochs = ["--trainer.max_epochs", "30"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "eac", "run", *command, *epochs],
            cwd=repository,
            env=environment,
            stdout=subprocess.DEVNULL,
        )

    assert start(tmp_path / "whole").wait() == 0
    process = start(tmp_path / "cut")
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert start(tmp_path / "cut").wait() == 0
    whole = json.loads((tmp_path / "whole" / "run.json").read_text())
    assert json.loads((tmp_path / "cut" / "run.json").read_text())["mean"] == whole["mean"]


def test_a_stream_is_never_read_as_settings(run, tmp_path, capsys):
    table = tmp_path / "table.csv"
    table.write_text("class_path: eac.data.simulator.synthetic.SyntheticStream\n")
    assert run(tmp_path / "run", "--stream", str(table)) != 0
    assert str(table) in capsys.readouterr().err
