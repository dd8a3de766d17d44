"""Configurations made at random: run, or refused in a sentence; no hang and no large memory.

What is made depends on the seed alone. ``FOUND`` holds the seeds that once found something.
"""

import random
from pathlib import Path

import pytest
import yaml

from eac.data.manage.convert import convert
from eac.recipes import packaged
from tests.faults.runs import RECIPES
from tests.streams import MemoryStream, tiny_period

FOUND: tuple[int, ...] = (157, 268, 683, 732)
FEW, MANY, SHARES = 12, 1000, 8
SECONDS = 60.0
BIG = (10**9, 2**31, 10**18, 1e30, 2**63, 10**6)
ODD = (
    *(0, -1, 1, 2, 3, 7, 0.5, -0.5, 1.5, 0.0, 1e-9, float("nan"), float("inf"), float("-inf")),
    *(True, False, None, "", "x", "1d", "-1d", "nan", "1e3", "0x10", "../x", "é", "a\x00b", "-"),
    *([], [1], ["1d"], [None], [[]], {}, {"a": 1}, {"class_path": "os.system"}, {"init_args": {}}),
    *({"class_path": "EAC"}, {"class_path": "STGNN", "init_args": {"x": 1}}, "EAC", "STGNN", "MAE"),
)
LONG = ("max_epochs", "min_epochs", "max_steps", "min_steps", "steps_per_epoch", "refit_epochs")
"""Settings of which a large number means a long training, which is no fault."""
TRAINER = (
    *("max_epochs", "min_epochs", "max_steps", "gradient_clip_val", "gradient_clip_algorithm"),
    *("precision", "devices", "accelerator", "strategy", "num_nodes", "accumulate_grad_batches"),
    *("limit_train_batches", "limit_val_batches", "limit_test_batches", "val_check_interval"),
    *("check_val_every_n_epoch", "fast_dev_run", "overfit_batches", "max_time", "deterministic"),
    *(
        "benchmark",
        "inference_mode",
        "callbacks",
        "logger",
        "plugins",
        "detect_anomaly",
        "profiler",
    ),
    *("log_every_n_steps", "enable_checkpointing", "enable_progress_bar", "barebones"),
    *("reload_dataloaders_every_n_epochs", "use_distributed_sampler", "sync_batchnorm"),
)
DATA = (
    *("window", "horizon", "batch_size", "eval_batch_size", "train_fraction", "val_fraction"),
    *("nodes_per_window", "val_windows", "steps_per_epoch", "rehearsal", "disguise", "carry"),
    *(
        "level_shift",
        "refit_epochs",
        "scaling",
        "holidays",
        "null_value",
        "seed",
        "protocol",
        "stream",
        "unknown",
    ),
)
MODEL = ("backbone", "strategy", "optimizer", "lr_scheduler", "loss", "loss_steps", "loss_units")
DEEP = (
    *("backbone.init_args.hidden", "backbone.init_args.num_blocks", "backbone.init_args.lags"),
    *("backbone.init_args.window", "backbone.init_args.horizon", "backbone.init_args.slot_rank"),
    *("strategy.init_args.rank", "strategy.init_args.tune", "strategy.init_args.strategy"),
    *("strategy.init_args.steps", "strategy.init_args.windows", "strategy.init_args.upheaval"),
    *("optimizer.init_args.lr", "optimizer.init_args.weight_decay", "optimizer.init_args.betas"),
    *("backbone.class_path", "strategy.class_path", "optimizer.class_path", "revin"),
)
TOP = (
    *("seed_everything", "protocol", "stream", "metrics.null_value", "run.test_past", "run.peers"),
    *("run.partial", "run.redo", "run.process_timeout", "run.watch_interval", "data", "model"),
    *("trainer", "run", "metrics", "unheard_of", "run.dir.x"),
)
KEYS = (
    *(f"trainer.{key}" for key in TRAINER),
    *(f"data.{key}" for key in DATA),
    *(f"model.{key}" for key in (*MODEL, *DEEP)),
    *TOP,
)
TEXTS = (
    *("a: [", "a: *b", "- a\n- b", "", "null", "5", "a: b: c", "\t", "{", "'", "!!python/none"),
    *(
        "model: !!python/object/apply:os.system ['touch owned']",
        "&a [*a]",
        "? [a]\n: b",
        "---\n---",
    ),
    *("\ufeffprotocol: strict", "protocol: strict\nprotocol: strict", "data: data", "model: []"),
    *(
        "trainer: 1",
        "run: {dir: x}",
        "<<: {protocol: strict}",
        "protocol: !!binary aGk=",
        "a" * 9999,
    ),
)


def small_stream(folder: Path) -> Path:
    """Two periods as short as a run takes."""
    periods = [tiny_period(f"p{i}", "abc", index=i, num_steps=70) for i in range(2)]
    return convert(MemoryStream(periods, name="small"), folder / "stream", "npz")


def make(seed: int, folder: Path) -> list[str]:
    """Arguments of a run with some settings of all kinds."""
    chance = random.Random(seed)
    names = [one.full_name for one in packaged(["recipes", "strategies", "backbones"])]
    first = chance.choice(["eac", "practical", chance.choice(names)])
    small = RECIPES.get(first.rpartition("/")[2], RECIPES["eac"][:-2])
    given = ["-c", first, *small, "--data.steps_per_epoch", "2", "--data.batch_size", "32"]
    if chance.random() < 0.2:
        given += ["-c", chance.choice(names)]
    if chance.random() < 0.15:
        path = folder / "own.yaml"
        path.write_text(chance.choice(TEXTS), encoding="utf-8")
        given += ["-c", str(path)]
    for _ in range(chance.choice([0, 1, 1, 2])):
        key = chance.choice(KEYS)
        is_long = key.rpartition(".")[2] in LONG
        value = chance.choice(ODD if is_long or chance.random() < 0.8 else BIG)
        if chance.random() < 0.3:
            path = folder / f"{len(given)}.yaml"
            path.write_text(yaml.safe_dump(_nested(key, value)), encoding="utf-8")
            given += ["-c", str(path)]
        else:
            text = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
            given.append(f"--{key}={text}")
    return [*given, "--trainer.max_epochs", "1"] if chance.random() < 0.9 else given


def _nested(key: str, value: object) -> object:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def try_all(workshop, stream, folder, seeds) -> int:
    """Each configuration is run or refused; returns how many ran."""
    ran = 0
    for seed in seeds:
        place = folder / str(seed)
        place.mkdir()
        given = make(seed, place)
        given = ["run", *given, "--stream", str(stream), "--run.dir", str(place / "run")]
        done = workshop.run(*given, seconds=SECONDS)
        try:
            done.check(0, 1, 2)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {given}") from error
        if done.status:
            last = done.err.strip().splitlines()[-1]
            assert "error: " in last or "Did you mean" in last, (seed, given, done.err[-2000:])
            assert len(last) < 4000, (seed, given, last[:500])
        ran += not done.status
    assert not list(folder.rglob("owned"))
    return ran


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return small_stream(tmp_path_factory.mktemp("small"))


def test_generated_configurations_are_run_or_refused_in_a_sentence(workshop, small, tmp_path):
    try_all(workshop, small, tmp_path, [*FOUND, *range(FEW)])


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("share", range(SHARES))
def test_very_many_configurations_are_run_or_refused_in_a_sentence(
    workshop, small, tmp_path, share, figure
):
    seeds = range(share, MANY, SHARES)
    ran = try_all(workshop, small, tmp_path, seeds)
    assert ran > len(seeds) / 10
    figure("generated configurations", len(seeds))
    figure("generated configurations that ran, the others were refused", ran)
