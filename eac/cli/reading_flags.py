"""Flags that say how the columns of own files are to be understood; the same for all commands."""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from eac.data.parsing.form import FORM_KEYS, Form
from eac.errors import ConfigError

OWN_STREAM = "eac.data.readers.open.OwnStream"
FLAGS = {
    "id_col": "column that names the sensor (default: unique_id)",
    "time_col": "column of time stamps (default: ds); date+time where there are two",
    "target_col": "column of readings (default: y)",
    "dayfirst": "true where 03/04/2024 is the third of April, false where it is the 4th of March",
    "date_format": "format of the time stamps, such as '%%d.%%m.%%Y %%H:%%M', or unix",
    "time_zone": "zone whose clock the slots of a day follow, such as Europe/Oslo",
    "frequency": "time between two readings, such as 15min or MS (default: found)",
    "hours": "auto, all, or the hours in which anything is read, such as 05:00-22:00",
    "steps_per_day": "slots in a day, where only some of them are read or steps are counted",
    "missing_values": "readings that stand for none, such as -999,-9999",
    "decimal": "decimal sign of the readings: , or . (default: found)",
    "sheet": "sheet of an Excel file",
    "max_empty": "largest share of the steps without a reading (default: 0.9)",
    "memory_gib": "largest size of a series in memory, in GiB (default: 2)",
    "max_nodes": "largest number of sensors in a table (default: 100000)",
}
_WHOLE, _NUMBER = ("steps_per_day", "max_nodes"), ("max_empty", "memory_gib")


def add_reading_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags in a group of their own."""
    group = parser.add_argument_group("how files are to be understood (also keys of stream.yaml)")
    for key, text in FLAGS.items():
        group.add_argument(_flag(key), dest=key, metavar="X", help=text)


def form_of(arguments: argparse.Namespace) -> Form:
    """What the flags say.

    Raises:
        ConfigError: If a value is of the wrong kind.
    """
    return Form.of(**_typed({key: getattr(arguments, key) for key in FLAGS}))


def with_own_stream(args: Sequence[str]) -> list[str]:
    """The arguments of a run with its reading flags, if any, made settings of its stream.

    Raises:
        ConfigError: If there are flags but no ``--stream PATH`` beside them.
    """
    said, rest = _taken(args)
    if not said:
        return rest
    for at, arg in enumerate(rest):
        name, equals, value = arg.partition("=")
        if name == "--stream":
            path = value if equals else "".join(rest[at + 1 : at + 2])
            typed = _typed(said)
            Form(**typed)
            settings = {"class_path": OWN_STREAM, "init_args": {"path": path, **typed}}
            return [*rest[:at], f"--stream={json.dumps(settings)}", *rest[at + 2 - bool(equals) :]]
    flag = _flag(next(iter(said)))
    raise ConfigError(f"{flag} says how a stream is read: give --stream PATH with it.")


def _taken(args: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The flags with their values, and all other arguments."""
    said, rest, given = dict[str, str](), list[str](), iter(args)
    for arg in given:
        name, equals, value = arg.partition("=")
        key = name.removeprefix("--").replace("-", "_")
        if name.startswith("--") and key in FLAGS:
            said[key] = value if equals else next(given, "")
        else:
            rest.append(arg)
    return said, rest


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def _typed(said: Mapping[str, str | None]) -> dict[str, Any]:
    typed = {}
    for key in FORM_KEYS:
        text = said.get(key)
        if text is None:
            continue
        try:
            typed[key] = _value(key, text)
        except ValueError as error:
            hint = FLAGS[key].replace("%%", "%")
            raise ConfigError(f"{_flag(key)} {text}: {error}. Give {hint}.") from error
    return typed


def _value(key: str, text: str) -> Any:
    if key in _WHOLE:
        return int(text)
    if key in _NUMBER:
        return float(text)
    if key == "missing_values":
        return tuple(float(part) for part in text.strip("[]").split(","))
    if key == "dayfirst":
        if text.lower() not in ("true", "false"):
            raise ValueError("neither true nor false")
        return text.lower() == "true"
    return text
