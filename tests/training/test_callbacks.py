"""How many epochs a period takes: the recipe's own number, and one that a person gives."""

import pytest
import yaml

from eac.backbones.stgnn import STGNN
from eac.cli.main import main
from eac.data.batches.datamodule import PeriodData
from eac.data.manage.convert import convert
from eac.records.record import read_run
from eac.strategies.eac import EAC
from eac.training.callbacks import Shorter
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.contracts.discovered import default_strategy, small_backbone
from tests.streams import tiny_stream


@pytest.mark.parametrize(
    ("of_trainer", "epochs", "expected"), [(3, 2, [3, 2]), (1, 3, [1, 1]), (3, None, [3, 3])]
)
def test_later_periods_take_the_smaller_number(of_trainer, epochs, expected, tmp_path):
    class Trainers(DefaultTrainer):
        def __call__(self, directory, callbacks):
            return super().__call__(directory, [Shorter(epochs), *callbacks])

    model = Forecaster(small_backbone(STGNN), default_strategy(EAC))
    data = PeriodData(tiny_stream(["abcd", "abcde"]), window=6, horizon=3)
    runner = StreamRunner(model, data, run_dir=tmp_path, make_trainer=Trainers(of_trainer))
    assert [period.epochs for period in runner.run().periods] == expected


def test_without_a_rate_later_periods_learn_as_the_first():
    assert Shorter(3).rate_of(5) == 1.0


@pytest.fixture
def arguments(tmp_path, monkeypatch) -> list[str]:
    """A run of the practical recipe, as small as it can be."""
    stream = convert(tiny_stream(["abcd", "abcde"]), tmp_path / "stream", "npz")
    small = ["model.backbone.init_args.hidden=8", "model.backbone.init_args.lags=[1d]"]
    small += ["data.steps_per_epoch=2", "data.batch_size=16", "data.window=6", "data.horizon=3"]
    given = ["-c", "practical", "--stream", str(stream), *(f"--{setting}" for setting in small)]
    return ["run", *given, "--run.dir", str(tmp_path / "r")]


def test_a_number_on_the_command_line_holds_in_every_period_also_when_resumed(arguments, tmp_path):
    assert main([*arguments, "--trainer.max_epochs", "2"]) == 0
    assert [period.epochs for period in read_run(tmp_path / "r").periods] == [2, 2]
    config = yaml.safe_load((tmp_path / "r" / "config.yaml").read_text())
    assert config["trainer"]["callbacks"][0]["init_args"].get("epochs") is None


def test_a_number_in_a_file_is_only_lowered(arguments, tmp_path):
    (tmp_path / "few.yaml").write_text("trainer: {max_epochs: 1}\n")
    assert main([*arguments, "-c", str(tmp_path / "few.yaml")]) == 0
    assert [period.epochs for period in read_run(tmp_path / "r").periods] == [1, 1]
