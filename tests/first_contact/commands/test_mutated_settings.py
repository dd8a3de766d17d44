"""Configurations with mistakes, drawn from seeds: each is built, or refused in one sentence."""

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from eac.cli.dry_run import mistake
from eac.data.manage.convert import convert
from eac.recipes import packaged
from tests.streams import tiny_stream

CORPUS = 80
BASES = [config.path for config in packaged(["recipes", "strategies", "backbones", "loggers"])]
ODD: list[Any] = [
    *(None, True, False, 0, -1, -3, 2, 10**12, 0.5, -0.5, 1e30, 1e-30),
    *(float("nan"), float("inf"), "", " ", "abc", "null", "EAC", "eac.EAC", "os.system"),
    *("a.b.C", "\x1b[31m", "ä", "${x}", "*a", "1,5", "../x", [], [1], [None], {}, {"a": 1}),
    *({"class_path": "Nope"}, {"class_path": "EAC"}, {"class_path": None}, {"init_args": {}}),
    *([{"class_path": "EAC"}], {"class_path": "eac.Shorter", "init_args": {"epochs": "x"}}),
]
EXTRA = {
    "data": "window horizon batch_size eval_batch_size train_fraction val_fraction rehearsal "
    "disguise level_shift carry refit_epochs val_windows nodes_per_window steps_per_epoch holidays "
    "scaling seed stream period",
    "model": "backbone strategy optimizer lr_scheduler loss loss_steps loss_units revin null_value",
    "trainer": "max_epochs min_epochs max_steps precision accelerator devices strategy callbacks "
    "logger plugins profiler gradient_clip_val gradient_clip_algorithm fast_dev_run "
    "limit_train_batches limit_val_batches accumulate_grad_batches deterministic max_time "
    "check_val_every_n_epoch num_sanity_val_steps barebones default_root_dir",
    "metrics": "null_value",
}
"""Keys that a recipe leaves out."""
NEVER = ("devices", "num_nodes")
"""Settings that may start other processes are not drawn as large numbers."""


def mutated(seed: int) -> str:
    """The text of a configuration with one to three mistakes."""
    drawn = random.Random(seed)
    content = yaml.safe_load(drawn.choice(BASES).read_text(encoding="utf-8"))
    for _ in range(drawn.randint(1, 3)):
        _mistake(content, drawn)
    text = yaml.safe_dump(content, allow_unicode=True)
    return _cut(text, drawn) if drawn.random() < 0.1 else text


def _mistake(content: dict[Any, Any], drawn: random.Random) -> None:
    value = copy.deepcopy(drawn.choice(ODD))
    how = drawn.random()
    if how < 0.3:
        group = drawn.choice(list(EXTRA))
        place, key = content.setdefault(group, {}), drawn.choice(EXTRA[group].split())
        if not isinstance(place, dict):
            return
    else:
        place, key = drawn.choice([*_places(content)] or [({}, "")])
    if key in NEVER:
        return
    if how < 0.75:
        place[key] = value
    elif how < 0.83:
        place.pop(key, None) if isinstance(place, dict) else place.pop(key)
    elif how < 0.91 and isinstance(place, dict):
        place[drawn.choice([f"{key}s", 7, "x y", "", None, "class_path"])] = place.pop(key, None)
    else:
        place[key] = [place.get(key) if isinstance(place, dict) else place[key]]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder of a value, and the key of the value in it."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list) and value[key]:
            yield from _places(value[key])


def _cut(text: str, drawn: random.Random) -> str:
    at = drawn.randrange(len(text))
    return text[:at] + drawn.choice(["", "\t", ": ", "[", "\n\n  x", "\x00", '"']) + text[at + 1 :]


@pytest.fixture(scope="module")
def stream(tmp_path_factory) -> Path:
    return convert(tiny_stream(["abcd", "abcde"]), tmp_path_factory.mktemp("s") / "stream", "npz")


def check(seed: int, stream: Path, folder: Path) -> None:
    path = folder / "mutated.yaml"
    path.write_text(mutated(seed), encoding="utf-8")
    said = mistake(["-c", "eac", "-c", str(path), "--stream", str(stream)])
    assert len(said.splitlines()) <= 1, said
    assert "Traceback" not in said
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize("seed", range(CORPUS))
def test_a_mutated_configuration_is_built_or_answered_in_a_sentence(
    seed, stream, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    check(seed, stream, tmp_path)


@pytest.mark.slow
def test_a_thousand_mutated_configurations(stream, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed in range(CORPUS, CORPUS + 1000):
        check(seed, stream, tmp_path)
