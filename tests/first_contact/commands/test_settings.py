"""Settings that cannot work end in one sentence that names key and value; nothing is written."""

from pathlib import Path

import pytest
import yaml

from eac.cli.limits import LAUNCHED
from eac.records.record import read_run

WRONG = [
    ("--seed", "abc", "Did you mean 'seed_everything'?"),
    ("--seed_everything", "abc", "seed_everything: 'abc' is not true or false or a whole number."),
    ("--seed_everything", "-1", "seed_everything: -1 is not a whole number from 0 to 4294967295."),
    ("--data.seed", "3", "data.seed cannot be given by itself: it is that of --seed_everything."),
    ("--data.stream", "x", "data.stream cannot be given by itself: it is that of --stream."),
    ("--data.window", "1.5", "data.window: '1.5' is not a whole number."),
    ("--data.window", "-1", "window=-1: give at least 1."),
    ("--data.window", "1000000000000", "data.window: 1000000000000 cannot be."),
    ("--data.train_fraction", ".nan", "data.train_fraction: nan cannot be."),
    ("--data.train_fraction", "-0.1", "train_fraction=-0.1 and val_fraction=0.2"),
    ("--data.val_fraction", "nan", "data.val_fraction: 'nan' is not a number."),
    ("--data.rehearsal", "-1", "rehearsal=-1.0: give a share between 0 and 1."),
    ("--data.disguise", "2", "disguise=2.0: give a share between 0 and 1."),
    ("--data.level_shift", "2", "level_shift=2.0: give a share between 0 and 1."),
    ("--data.carry", "-0.5", "carry=-0.5: give a share between 0 and 1."),
    ("--data.refit_epochs", "-1", "refit_epochs=-1: give at least 0."),
    ("--data.scaling", "Nope", "data.scaling: there is no class 'Nope'. Did you mean 'PerNode'?"),
    ("--model.loss", "Nope", "there is no class 'Nope'. Known: Huber, MAE, MSE, Quantile"),
    ("--model.strategy", "null", "model.strategy: 'None' names no class. Give one, such as "),
    ("--model.backbone", "mine.Net", "no class 'mine.Net'. Is its module in this directory?"),
    ("--model.backbone.hidden", "0", "hidden=0: give at least 1."),
    ("--model.revin", "true", "model.revin: 'True' is not a number or null."),
    ("--model.lr_scheduler", "StepLR", "step_size must be given too"),
    ("--model.optimizer.lr", "-1", "Invalid learning rate: -1.0."),
    ("--model.optimizer.lr", "nan", "model.optimizer.lr: 'nan' is not a number."),
    ("--model.optimizer.lr", ".inf", "model.optimizer.lr: inf cannot be."),
    ("--model.optimizer.weight_decay", "-1", "Invalid weight_decay value: -1.0."),
    ("--metrics.null_value", "nan", "metrics.null_value: 'nan' is not a number or null."),
    ("--run.watch_interval", "-1", "run.watch_interval: -1.0 cannot be."),
    ("--trainer.max_epochs", "0", "trainer.max_epochs: 0 cannot be. Give 1 or more."),
    ("--trainer.max_epochs", "-3", "trainer.max_epochs: -3 cannot be. Give 1 or more."),
    ("--trainer.fast_dev_run", "true", "For a quick look give --trainer.max_epochs 1"),
    ("--trainer.check_val_every_n_epoch", "2", "trainer.check_val_every_n_epoch: 2 cannot be."),
    ("--trainer.limit_val_batches", "0", "trainer.limit_val_batches: 0"),
    ("--trainer.limit_test_batches", "0", "trainer.limit_test_batches: 0"),
    ("--trainer.overfit_batches", "1", "trainer.overfit_batches: 1 cannot be."),
    ("--trainer.accumulate_grad_batches", "0", "trainer.accumulate_grad_batches: 0 cannot be."),
    ("--trainer.enable_checkpointing", "false", "trainer.enable_checkpointing: False cannot be."),
    ("--trainer.max_time", "00:00:00:00", "give trainer.max_epochs"),
    ("--trainer.precision", "64", "trainer.precision: 64 cannot be. Weights are kept in 32 bits."),
    ("--trainer.precision", "16-true", "trainer.precision: 16-true cannot be."),
    ("--trainer.precision", "bf16-true", "trainer.precision: bf16-true cannot be."),
    ("--trainer.accelerator", "banana", "trainer: You selected an invalid accelerator name"),
    ("--trainer.devices", "0", "trainer: `Trainer(devices='0')` value is not a valid input"),
    ("--trainer.strategy", "nonsense", "trainer: You selected an invalid strategy name"),
]


@pytest.mark.parametrize(("key", "value", "words"), WRONG, ids=lambda text: text[:40])
def test_a_setting_that_cannot_be_is_answered_in_one_sentence(run, key, value, words):
    said = run(key, value)
    assert said.status in (1, 2)
    assert words in said.sentence
    assert len([line for line in said.err.splitlines() if "error:" in line]) == 1
    assert not Path("r").exists()


def test_a_gpu_where_there_is_none(run, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    said = run("--trainer.accelerator", "gpu")
    assert (said.status, said.sentence.endswith("give --trainer.accelerator cpu.")) == (1, True)


def test_more_processes_than_cores_are_not_started(run, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "trainer.devices: 5000 cannot be" in run("--trainer.devices", "5000").sentence


def test_machines_that_nobody_started_are_not_waited_for(run, monkeypatch):
    for name in LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    said = run("--trainer.num_nodes", "2")
    assert "trainer.num_nodes: 2 cannot be: nothing has started this run" in said.sentence


@pytest.mark.parametrize("setting", ["max_steps=3", "precision=bf16-mixed"])
def test_settings_that_look_odd_and_can_work_do(run, setting):
    said = run(f"--trainer.{setting}", "--trainer.limit_train_batches=1")
    assert said.status == 0, said.err
    assert [period.name for period in read_run("r").periods] == ["p0", "p1"]


def test_a_share_of_less_than_one_batch_is_answered_when_the_batches_are_known(run):
    said = run("--trainer.limit_val_batches", "1e-9")
    assert said.status == 1
    assert "trainer: You requested to check 1e-09 of the `val_dataloader`" in said.sentence


def test_a_training_that_diverges_says_where_and_keeps_what_was_good(run):
    said = run("--model.optimizer.lr", "1e30")
    assert said.status == 1
    assert "training diverged in period 'p0': " in said.sentence
    assert "at a learning rate of 1e+30" in said.sentence
    assert not list(Path("r").rglob("*.ckpt"))


FILES = {
    "no YAML": (b"a: [1, 2\nb: }", "this is no YAML: expected ',' or ']', but got ':' in line 2."),
    "text": (b"hello world", "settings are lines such as 'protocol: strict'"),
    "nothing": (b"# only a comment\n", "found nothing"),
    "binary": (b"\xff\xfe\x00\x80" * 9, "cannot be read: 'utf-8' codec"),
    "a group that is none": (b"trainer: 3", "trainer is a group of settings, found trainer: 3."),
    "a key that is none": (b"banana: 1", "there is no setting 'banana'."),
    "a list for a class": (b"model: {strategy: [1]}", "model.strategy: '[1]' names no class."),
    "a number for a class": (b"model: {strategy: {class_path: 3}}", "names no class."),
    "far too deep": (b"model: " + b"[" * 3000 + b"]" * 3000, "this is no YAML: maximum recursion"),
    "far too many": (
        b"a: &a [1,1,1,1,1,1,1,1,1]\n"
        + b"".join(
            b"%c: &%c [%s]\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 9)) for n in b"bcdefgh"
        ),
        "more than 100000 entries are no settings.",
    ),
    "far too large": (b"protocol: strict\n" * 100_000, "bytes are no file of settings."),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_holds_no_settings_is_named(run, what):
    content, words = FILES[what]
    Path("mine.yaml").write_bytes(content)
    said = run("-c", "mine.yaml")
    assert said.status in (1, 2)
    assert words in said.sentence
    assert "mine.yaml" in said.sentence or what in ("a key that is none",) or "class" in what


@pytest.mark.parametrize("command", [("run",), ("benchmark", "--out", "o"), ("fit",)])
def test_readings_given_as_settings_are_answered_at_once(ask, command):
    said = ask(*command, "-c", "counts.csv")
    assert said.status == 1
    assert "give them as --stream counts.csv" in said.sentence


def test_a_class_of_ones_own_beside_the_configuration_is_found(run, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", [p for p in __import__("sys").path if p])
    (tmp_path / "mine_first_contact.py").write_text(
        "from eac.strategies.online_all import OnlineAll as Base\n\n\nclass Mine(Base):\n    pass\n"
    )
    said = run("--model.strategy", "mine_first_contact.Mine")
    assert said.status == 0, said.err
    config = yaml.safe_load(Path("r/config.yaml").read_text())
    assert config["model"]["strategy"]["class_path"] == "mine_first_contact.Mine"
