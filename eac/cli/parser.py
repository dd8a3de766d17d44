"""The parser of configurations, whose errors are one sentence and name the nearest right key."""

import re
import sys
from difflib import get_close_matches
from typing import Any, NoReturn

from jsonargparse import get_loader, set_loader
from lightning.pytorch.cli import LightningArgumentParser
from yaml import YAMLError

from eac.class_paths import current_paths
from eac.cli.answers import answer
from eac.records.yamlfile import check_aliases

_WRONG_KEY = re.compile(
    r"unrecognized arguments: --(?P<flag>[\w.]+)"
    r"|Group '(?P<group>[\w.]+)' does not accept option '(?P<option>[\w.]+)'"
    r"|Key '(?P<key>[\w.]+)' is not expected"
    r"|Option '(?P<top>[\w.]+)' is not accepted"
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


def _load_yaml(text: str) -> Any:
    """What YAML says, within bounds, with every class path as it is now."""
    check_aliases(text, "the configuration")
    return current_paths(_YAML(text))


_YAML = get_loader("yaml")
set_loader("yaml", _load_yaml, (YAMLError,))


class SuggestingParser(LightningArgumentParser):
    """Exact keys only; a key that does not exist is answered with the nearest one that does."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})
        self.sources: dict[str, str] = {}

    def link_arguments(self, source: str, target: str, *args, **kwargs) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Notes where a key is taken from, for what is said when it is given."""
        self.sources[target] = source
        super().link_arguments(source, target, *args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Prints the message, without the usage of two hundred options, and exits with 2.

        Parsers of nested classes raise instead; the outer one prints what they raised.
        """
        if not self.exit_on_error:
            super().error(message, ex)
        missing = _NOT_GIVEN.search(message)
        advice = missing and _ADVICE.get(missing["required"] or missing["empty"])
        said = advice or answer(message, self.sources)
        hint = "" if advice or "Did you mean" in (said or message) else self._hint(message)
        print(
            f"{self.prog}: error: {said or message.strip().rstrip('.') + '.'}{hint}",
            file=sys.stderr,
        )
        raise SystemExit(2)

    def _hint(self, message: str) -> str:
        wrong = _WRONG_KEY.search(message)
        if wrong is None:
            return ""
        parts = wrong.groupdict()
        prefix = f"{parts['group']}." if parts["group"] else ""
        given = parts["flag"] or parts["option"] or parts["key"] or parts["top"] or ""
        near = self._near(prefix + given)
        return f" Did you mean {near[0]!r}?" if near else ""

    def _near(self, key: str) -> list[str]:
        known = {action.dest for action in self._actions if action.dest} - set(self.sources)
        near = sorted(name for name in known if name.startswith(f"{key}_"))
        near = near or get_close_matches(key, known, n=1)
        while not near and "." in key:
            key = key.rsplit(".", 1)[0]
            near = [] if key in known else get_close_matches(key, known, n=1)
        return near
