"""Runs made before there were manifests still report, forecast, compare and go on.

They were made by the code of before, with lightning 2.6 and, ``unfinished-25``, lightning 2.5.
"""

import pandas as pd
import pytest
import torch

from eac.artifacts.artifact import read_artifact
from eac.artifacts.resume_points import is_whole, load_checkpoint, resume_point
from eac.cli.main import main
from eac.errors import CheckpointError
from eac.records.record import read_period, read_run
from eac.serving.predictor import load_run
from tests.artifacts.conftest import OLD_RUNS

MAE = {
    "published": (7.643159, 6.092750, 6.196074),
    "practical": (1.213960, 1.250284, 1.176608),
    "strict": (3.627660, 3.543251, 4.013319),
    "unfinished-refit": (1.211135, 1.244902, 1.155492),
}
"""Mean absolute errors of whole runs, as the code of before measured them."""


@pytest.mark.parametrize("name", ["published", "practical"])
def test_an_old_run_reports_what_it_measured(name, old_run, capsys):
    run = old_run(name)
    mean = [period.errors.point["MAE"]["mean"] for period in read_run(run).periods]
    assert mean == pytest.approx(MAE[name], abs=1e-6)
    assert main(["report", str(run)]) == 0
    assert main(["compare", str(run), str(run)]) in (0, 1)
    assert main(["doctor", str(run)]) == 0
    assert "all is well, 3 periods are done" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["published", "practical"])
def test_an_old_run_forecasts_as_the_code_of_before_did(name, tmp_path):
    run, output = OLD_RUNS / name, tmp_path / "forecasts.csv"
    arguments = ["--input", str(OLD_RUNS / "recent.csv"), "--output", str(output)]
    assert main(["predict", "--run", str(run), *arguments]) == 0
    made, kept = pd.read_csv(output), pd.read_csv(OLD_RUNS / f"forecasts-{name}.csv")
    assert made.y_hat.to_numpy() == pytest.approx(kept.y_hat.to_numpy(), rel=1e-4)
    assert made.unique_id.tolist() == kept.unique_id.tolist()


def test_an_old_artifact_gets_an_id_from_its_content(old_run):
    folder = old_run("published") / "period-01-2001"
    first = read_artifact(folder)
    assert len(first.id) == 64
    assert (first.period, first.window, first.horizon) == ("2001", 6, 3)
    assert first.id == read_artifact(OLD_RUNS / "published" / "period-01-2001").id
    text = (folder / "card.json").read_text().replace('"2001"', '"2002"')
    (folder / "card.json").write_text(text)
    assert read_artifact(folder).id != first.id


def test_an_earlier_period_is_chosen_by_name_or_position():
    run = OLD_RUNS / "published"
    assert load_run(run, period="2000").data.current_ids == tuple("abcdefg")
    assert load_run(run, period=-2).data.node_ids == tuple("bcdefgha")
    last = load_run(run)
    assert last.data.current_ids == tuple("acdfgh")
    assert set(load_run(run, period=0).data.node_ids) == set("abcdefg")
    with pytest.raises(Exception, match="no finished period '1999'"):
        load_run(run, period="1999")


@pytest.mark.parametrize("name", ["unfinished", "unfinished-25"])
def test_an_old_run_that_was_killed_goes_on_to_the_same_errors(name, old_run, monkeypatch):
    run = old_run(name)
    monkeypatch.chdir(OLD_RUNS)  # the run names its stream as "stream"
    assert main(["run", "--resume", str(run)]) == 0
    done = [period.errors.point["MAE"]["mean"] for period in read_run(run).periods]
    assert done == pytest.approx(MAE["strict"], rel=1e-3)
    assert main(["doctor", str(run)]) == 0


def test_an_old_run_that_was_killed_in_its_refit_goes_on_to_the_same_errors(old_run, monkeypatch):
    """The second training of its second period, on both parts together, had begun."""
    run = old_run("unfinished-refit")
    monkeypatch.chdir(OLD_RUNS)
    refit = run / "period-01-2001" / "refit"
    assert resume_point(refit) == refit / "last.ckpt"
    assert main(["run", "--resume", str(run)]) == 0
    done = [period.errors.point["MAE"]["mean"] for period in read_run(run).periods]
    # the third period rehearses from the reservoir, which draws other windows than before
    assert done[:2] == pytest.approx(MAE["unfinished-refit"][:2], rel=1e-3)
    assert done[2] == pytest.approx(MAE["unfinished-refit"][2], rel=1e-2)
    assert not (refit / "last.ckpt").exists()
    assert main(["doctor", str(run)]) == 0


def test_a_checkpoint_of_before_is_checked_by_its_own_sums(old_run):
    folder = old_run("unfinished") / "period-01-2001"
    assert resume_point(folder) == folder / "last.ckpt"
    content = bytearray((folder / "last.ckpt").read_bytes())
    content[len(content) // 2] ^= 4
    (folder / "last.ckpt").write_bytes(content)
    assert not is_whole(folder / "last.ckpt")
    assert resume_point(folder) is None
    with pytest.raises(CheckpointError, match="missing or damaged"):
        load_checkpoint(folder / "last.ckpt")


def test_a_checkpoint_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("ran",)

    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": Evil()}, path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(path)


def test_an_old_record_without_a_manifest_is_read():
    assert read_period(OLD_RUNS / "published" / "period-00-2000").name == "2000"
