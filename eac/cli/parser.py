"""The parser of configurations, whose errors are one sentence and name the nearest right key."""

import importlib
import inspect
import re
import sys
from difflib import get_close_matches
from typing import NoReturn

from lightning.pytorch.cli import LightningArgumentParser

_WRONG_KEY = re.compile(
    r"unrecognized arguments: --(?P<flag>[\w.]+)"
    r"|Group '(?P<group>[\w.]+)' does not accept option '(?P<option>[\w.]+)'"
    r"|Key '(?P<key>[\w.]+)' is not expected"
    r"|(?:import path string|Expected a path but|class_path '?)[: ]*(?P<name>[A-Za-z_]\w*)\b"
)

_WRONG_SETTING = re.compile(r"class_path '(?P<path>[\w.]+)'.*Option '(?P<setting>\w+)'", re.DOTALL)

_WRONG_CHOICE = re.compile(
    r'.*Parser key "(?P<key>[\w.]+)".*Expected a typing\.Literal\[(?P<known>[^\]]+)\]\. '
    r"Got value: (?P<given>.*)\Z",
    re.DOTALL,
)

_NOT_GIVEN = re.compile(
    r"arguments are required: (?P<required>\w+)"
    r'|Parser key "(?P<empty>\w+)[\w.]*".*Given value: None\s*$',
    re.DOTALL,
)
_ADVICE = {
    "stream": "--stream is missing. Give the path of a stream, such as datasets/sample; "
    "eac data check PATH says whether your own is one.",
    "model": "there is no model. Give a recipe, such as -c practical; eac recipes lists them.",
    "run": "--run.dir is missing. Give a directory that receives everything, such as runs/first.",
}


class SuggestingParser(LightningArgumentParser):
    """Exact keys only; a key that does not exist is answered with the nearest one that does."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Prints the message, without the usage of two hundred options, and exits with 2.

        Parsers of nested classes raise instead; the outer one prints what they raised.
        """
        if not self.exit_on_error:
            super().error(message, ex)
        missing = _NOT_GIVEN.search(message)
        advice = missing and _ADVICE.get(missing["required"] or missing["empty"])
        choice = _WRONG_CHOICE.search(message)
        if choice is not None:
            advice = _choose(choice["key"], choice["given"].strip(), choice["known"])
        hint = "" if advice or "Did you mean" in message else self._hint(message)
        print(f"{self.prog}: error: {advice or message.strip()}{hint}", file=sys.stderr)
        raise SystemExit(2)

    def _hint(self, message: str) -> str:
        setting = _WRONG_SETTING.search(message)
        if setting is not None:
            near = get_close_matches(setting["setting"], _settings(setting["path"]), n=1)
            return f". Did you mean {near[0]!r}?" if near else ""
        wrong = _WRONG_KEY.search(message)
        if wrong is None:
            return ""
        parts = wrong.groupdict()
        if parts["name"]:
            near = get_close_matches(parts["name"], _class_names(), n=1, cutoff=0.4)
        else:
            prefix = f"{parts['group']}." if parts["group"] else ""
            near = self._near(prefix + (parts["flag"] or parts["option"] or parts["key"] or ""))
        return f". Did you mean {near[0]!r}?" if near else ""

    def _near(self, key: str) -> list[str]:
        known = {action.dest for action in self._actions if action.dest}
        near = get_close_matches(key, known, n=1)
        while not near and "." in key:
            key = key.rsplit(".", 1)[0]
            near = [] if key in known else get_close_matches(key, known, n=1)
        return near


def _choose(key: str, given: str, known: str) -> str:
    near = get_close_matches(given, re.findall(r"'(\w+)'", known), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{key}: {given!r} is none of {known}.{hint}"


def _settings(class_path: str) -> list[str]:
    module, _, name = class_path.rpartition(".")
    return list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)


def _class_names() -> list[str]:
    from eac.backbones.base import Backbone
    from eac.data.core.stream import GraphStream
    from eac.metrics.losses import Loss
    from eac.strategies.base import Strategy

    return [c.__name__ for base in (Backbone, GraphStream, Loss, Strategy) for c in _below(base)]


def _below(base: type) -> list[type]:
    direct = base.__subclasses__()
    found = direct + [deeper for c in direct for deeper in _below(c)]
    return [c for c in found if not inspect.isabstract(c)]
