"""What the parser of configurations says of a mistake, as one sentence that names key and value."""

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "list": "a list, such as [a, b]",
    "dict": "a group of settings",
    "NoneType": "null",
}
LONGEST = 60
OF_KEY = {
    "backbone": "Backbone",
    "cold_start": "ColdStart",
    "loss": "Loss",
    "scaling": "Scaling",
    "strategy": "Strategy",
    "stream": "GraphStream",
}
"""The class below which a setting of this name is looked for."""

_KEY = re.compile(r'Parser key "([\w.]+)"')
_LINKED = re.compile(r'argument \S+ --> (\S+): |Linked "([\w.]+)" must be given via')
_CLASS = re.compile(r"Problem with given class_path '([\w.]+)'")
_NO_OPTION = re.compile(r"Option '([^']+)' is not accepted")
_NO_CLASS = re.compile(
    r"Expected a dot import path string: (?P<path>\S+)"
    r"|class_path '(?P<module>[\w.]+)':\s+No module named"
    r"|Import path (?P<other>[\w.]+) does not correspond to a subclass"
    r"|module '(?P<holder>[\w.]+)' has no attribute '(?P<name>\w+)'"
)
_BASE = re.compile(r"subclass of (\w+)|<class 'eac[\w.]*\.(\w+)'>|torch\.optim\.optimizer\.(Optim)")
_KIND = re.compile(r"Expected an? <class '(\w+)'>")
_CHOICES = re.compile(r"Expected an? typing\.Literal\[([^\]]+)\]")
_REQUIRED = re.compile(r"following arguments are required: ([\w, ]+)")
_ABSTRACT = re.compile(r"Expected an instantiatable class, but ([\w.]+) is abstract")
_NESTED = re.compile(r"NestedArg\(key='(\w+)', val='([^']*)'\)")
_GIVEN = re.compile(r"(?:Given value|Got value): ((?:(?!\. Got value).)*)")


def answer(message: str, sources: Mapping[str, str]) -> str | None:
    r"""The message in one sentence, or None where it is one already.

    Args:
        message: Of the parser, over many lines.
        sources: The key from which each key that cannot be given is taken.

    Example:
        >>> answer("Parser key \"data.window\":\n  Expected a <class 'int'>. Got value: x", {})
        "data.window: 'x' is not a whole number."
    """
    linked = _LINKED.search(message)
    if linked is not None:
        key = linked[1] or linked[2]
        return f"{key} cannot be given by itself: it is that of --{sources.get(key, 'stream')}."
    keys, top = _KEY.findall(message), _NO_OPTION.match(message)
    if top is not None:
        return f"there is no setting {top[1]!r}."
    if not keys:
        return None
    key = ".".join([sources.get(keys[0], keys[0]), *keys[1:]])
    last = message[message.rindex("Parser key") :]
    for explain in (_option, _choice, _value, _class, _missing):
        said = explain(key, message if explain is _option else last)
        if said is not None:
            return said
    return f"{key}: {_short(' '.join(message.split()).partition(': ')[2], 3 * LONGEST)}"


def _option(key: str, message: str) -> str | None:
    wrong, owner = _NO_OPTION.search(message), _CLASS.findall(message)
    if wrong is None or not owner:
        return None
    taken = _settings(owner[-1])
    hint = _hint(wrong[1], taken)
    if not hint and key == "model.strategy" and "strategy" in taken:
        inside = f"--{key}.init_args.strategy.init_args.{wrong[1]}"
        hint = f" One of the strategy inside is given by {inside}."
    return f"{key}: {owner[-1].rpartition('.')[2]} has no setting {wrong[1]!r}.{hint}"


def _choice(key: str, message: str) -> str | None:
    known = ", ".join(_CHOICES.findall(message))
    if not known:
        return None
    given = _given(message)
    hint = _hint(given, re.findall(r"'([\w-]+)'", known))
    return f"{key}: {given!r} is none of {known}.{hint}"


def _value(key: str, message: str) -> str | None:
    """A value of the wrong kind, where numbers, text or lists are expected."""
    kinds = list(dict.fromkeys(kind for kind in _KIND.findall(message) if kind in KINDS))
    if not kinds or kinds == ["NoneType"] or _BASE.search(message.partition("Subtypes")[2]):
        return None
    return f"{key}: {_given(message)!r} is not {' or '.join(KINDS[kind] for kind in kinds)}."


def _class(key: str, message: str) -> str | None:
    """A class that does not exist, is of another kind, or cannot be made."""
    nested = _NESTED.search(message)
    if nested is not None:
        return f"{key}.{nested[1]}: give --{key} with a class before its setting {nested[1]!r}."
    abstract = _ABSTRACT.search(message)
    if abstract is not None:
        return f"{key}: {abstract[1]} is abstract. Give a class below it."
    wrong, bases = _NO_CLASS.search(message), [part for m in _BASE.findall(message) for part in m]
    of_key = OF_KEY.get(key.rpartition(".")[2], "")
    known = _classes(next((base for base in bases if base), of_key))
    if wrong is None:
        if not re.search("Not a valid subclass|is not iterable|unhashable type", message):
            return None
        few = f", such as {', '.join(known[:3])}" if known else ""
        given = _given(message) if _GIVEN.search(message) else "class_path"
        return f"{key}: {given!r} names no class. Give one{few}."
    path = wrong["path"] or wrong["module"] or wrong["other"]
    path = path or f"{wrong['holder']}.{wrong['name']}"
    other = " of the kind that is needed" if wrong["other"] else ""
    hint = _hint(path.rpartition(".")[2], known, cutoff=0.4)
    if "." in path and not path.startswith("eac.") and not other:
        hint = " Is its module in this directory?"
    elif not hint and known:
        hint = f" Known: {', '.join(sorted(known))}."
    return f"{key}: there is no class {path!r}{other}.{hint}"


def _missing(key: str, message: str) -> str | None:
    needed = _REQUIRED.search(message)
    return needed and f"{key}: {needed[1]} must be given too, as in --{key}.{needed[1]}."


def _hint(given: str, known: list[str], cutoff: float = 0.6) -> str:
    near = get_close_matches(given, known, n=1, cutoff=cutoff)
    return f" Did you mean {near[0]!r}?" if near else ""


def _given(message: str) -> str:
    """The value that was given: the first that the message quotes."""
    found = _GIVEN.search(message)
    return _short(" ".join(found[1].split()), LONGEST) if found else "that"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def _settings(class_path: str) -> list[str]:
    module, _, name = class_path.rpartition(".")
    return list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)


def _classes(base: str) -> list[str]:
    """Names of the classes below a class of this name."""
    from eac.backbones.base import Backbone
    from eac.continual.cold_start import ColdStart
    from eac.data.core.stream import GraphStream
    from eac.data.series.scaling import Scaling
    from eac.metrics.losses import Loss
    from eac.strategies.base import Strategy

    bases = (Backbone, ColdStart, GraphStream, Loss, Scaling, Strategy)
    return [c.__name__ for kind in bases if kind.__name__ == base for c in _below(kind)]


def _below(base: type) -> Iterator[type]:
    for direct in base.__subclasses__():
        if not inspect.isabstract(direct):
            yield direct
        yield from _below(direct)
