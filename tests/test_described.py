"""How things were made, in the words of a configuration."""

import copy

import pytest
from jsonargparse import ArgumentParser
from torch import nn

from eac.backbones.base import Backbone
from eac.backbones.revin import RevIN
from eac.backbones.stgnn import STGNN
from eac.backbones.universal import Universal
from eac.continual.cold_start import ColdStart, NeighboursStart
from eac.continual.null_space import Protection
from eac.described import Described, description
from eac.errors import ConfigError
from eac.nn.chebyshev import ChebyshevLinear
from eac.strategies.base import Strategy
from eac.strategies.eac import EAC
from eac.strategies.online_all import OnlineAll
from eac.strategies.st_ttc import STTTC


def test_a_thing_says_its_class_and_what_was_given_by_name():
    assert description(STGNN(6, hidden=8)) == {
        "class_path": "eac.backbones.stgnn.STGNN",
        "init_args": {"window": 6, "hidden": 8},
    }
    assert description(OnlineAll()) == {"class_path": "eac.strategies.online_all.OnlineAll"}


def test_things_inside_things_and_classes_are_said_too():
    said = description(STTTC(EAC(rank=2), groups=3))["init_args"]
    assert said["strategy"]["init_args"] == {"rank": 2}
    assert said["groups"] == 3
    layer = description(Universal(graph_layer=ChebyshevLinear))["init_args"]["graph_layer"]
    assert layer == {"class_path": "eac.nn.chebyshev.ChebyshevLinear"}


@pytest.mark.parametrize(
    "made",
    [
        STTTC(EAC(rank=None, cold_start=NeighboursStart(), protect=Protection())),
        RevIN(STGNN(hidden=8), least=0.2),
        Universal(graph_layer=ChebyshevLinear),
    ],
    ids=lambda made: type(made).__name__,
)
def test_a_configuration_makes_the_same_again(made):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--it", type=Strategy if isinstance(made, Strategy) else Backbone)
    again = parser.instantiate_classes(parser.parse_object({"it": description(made)}))["it"]
    assert type(again) is type(made)
    assert [*again.state_dict()] == [*made.state_dict()]
    assert again.made_with.keys() >= made.made_with.keys()


def test_a_copy_says_the_same():
    made = STTTC(EAC(rank=2))
    copied = copy.deepcopy(made)
    assert description(copied) == description(made)
    assert copied.made_with["strategy"] is copied.strategy


def test_what_a_configuration_cannot_name_is_refused_by_name():
    class Own(Described):
        def __init__(self, part: object):
            self.part = part

    with pytest.raises(ConfigError, match="Own is not in a module that can be imported"):
        description(Own(1))
    with pytest.raises(ConfigError, match="a Linear was given"):
        description(_with(nn.Linear(1, 1)))


def _with(value: object) -> ColdStart:
    made = NeighboursStart()
    made.made_with["odd"] = value
    return made


def test_a_wrong_argument_is_refused_as_ever():
    with pytest.raises(TypeError, match="rang"):
        EAC(rang=2)  # pyright: ignore[reportCallIssue]
