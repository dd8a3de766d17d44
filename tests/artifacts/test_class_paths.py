"""A run directory is data: it names classes, and loads none that was not allowed."""

import sys

import pytest
import yaml

from eac.class_paths import MOVED, check_trusted, current_paths, find_class
from eac.data.series.scaling import PerNode, Scaling
from eac.errors import ConfigError
from eac.records.yamlfile import parse_yaml, read_yaml


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A module in the current folder that says when it was loaded."""
    folder = tmp_path / "handed"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "evil.py").write_text("from pathlib import Path\nPath('RAN').write_text('x')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "RAN"
    sys.modules.pop("handed", None)


@pytest.mark.parametrize(
    "config",
    [
        {"model": {"backbone": {"class_path": "handed.evil.X"}}},
        {"model": {"strategy": "handed.evil.X"}},
        {"model": {"strategy": {"init_args": {"strategy": "handed.evil.X"}}}},
        {"trainer": {"callbacks": [{"class_path": "handed.evil.X"}]}},
        {"optimizer": {"class_path": "nowhere.X"}},
        {"trainer": {"callbacks": [{"class_path": "lightning.pytorch.callbacks.ModelCheckpoint"}]}},
    ],
)
def test_a_class_of_a_stranger_is_refused_and_not_loaded(evil, config):
    with pytest.raises(ConfigError, match=r"is not part of eac.*--trust"):
        check_trusted(config, (), "config.yaml")
    assert not evil.exists()


def test_the_advice_to_trust_a_module_works(evil):
    config = {"class_path": "handed.evil.X"}
    with pytest.raises(ConfigError, match=r"--trust handed\.evil,"):
        check_trusted(config, (), "config.yaml")
    check_trusted(config, ["handed.evil"], "config.yaml")
    check_trusted(config, ["handed"], "config.yaml")
    with pytest.raises(ConfigError):
        check_trusted(config, ["hand"], "config.yaml")


def test_ordinary_settings_are_no_classes():
    config = {
        "stream": "sample.npz",
        "a": "1.5",
        "b": "rate 0.1",
        "class_path": "STGNN",
        "c": "no_such_module_1.x",
        "o": {"class_path": "torch.optim.AdamW", "init_args": {"betas": [0.9, 0.99]}},
    }
    check_trusted(config, (), "config.yaml")


def test_a_class_that_moved_is_found_under_its_old_name():
    assert find_class("eac.data.scaling.PerNode", Scaling, where="card.json") is PerNode
    config = {"scaling": [{"class_path": "eac.data.scaling.PerNode"}], "seed": 1}
    assert current_paths(config)["scaling"][0]["class_path"] == "eac.data.series.scaling.PerNode"


@pytest.mark.parametrize("module", sorted(MOVED.values()))
def test_every_module_that_moved_is_where_it_is_said_to_be(module):
    import importlib.util

    if module in {
        "eac.data.batches.intake",
        "eac.data.batches.context",
        "eac.protocols.published_draws",
    }:
        return  # holds no class that a configuration names
    assert importlib.util.find_spec(module) is not None


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("eac.data.nowhere.X", "cannot be loaded"),
        ("eac.data.series.scaling.Nothing", "is no Scaling of this eac"),
        ("eac.backbones.stgnn.STGNN", "is no Scaling of this eac"),
        ("os.path.join", "is not part of eac"),
    ],
)
def test_an_unknown_class_is_a_sentence(path, message):
    with pytest.raises(ConfigError, match=message):
        find_class(path, Scaling, where="card.json")


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


def test_yaml_that_stands_for_far_more_than_it_says_is_refused():
    with pytest.raises(ConfigError, match="repeat more than 100000 values"):
        parse_yaml(BOMB, "config.yaml")
    with pytest.raises(ConfigError, match="contain themselves"):
        parse_yaml("a: &a [*a]", "config.yaml")
    assert parse_yaml("a: &x {b: 1}\nc: {<<: *x, d: 2}", "t") == yaml.safe_load(
        "a: {b: 1}\nc: {b: 1, d: 2}"
    )


def test_yaml_too_deep_too_large_or_no_yaml_is_a_sentence(tmp_path):
    path = tmp_path / "a.yaml"
    for text in ("[" * 5000, "a: [", "!!python/object/apply:os.system [id]", "a: \x00"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="is not valid YAML"):
            read_yaml(path)
    with pytest.raises(ConfigError, match="has 4 bytes; at most 3"):
        read_yaml(path, largest=3)
    with pytest.raises(ConfigError, match="missing or not a file"):
        read_yaml(tmp_path)
