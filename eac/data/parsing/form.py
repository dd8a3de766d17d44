"""What a person may say about the form of their files, where it is not found out.

The same words are keys of ``stream.yaml`` and flags of the command line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import isfinite
from pathlib import Path
from typing import Any

from eac.errors import StreamError

GIB = 1 << 30
AUTO, ALL = "auto", "all"
_HOURS = re.compile(r"(\d{1,2}):([0-5]\d)\s*-\s*(\d{1,2}):([0-5]\d)")
_DAY = 24 * 60


@dataclass(frozen=True)
class Form:
    """How the tables of a stream are to be understood; what is None is found out, or not needed.

    Attributes:
        id_col: Column that names the sensor, in place of ``unique_id``.
        time_col: Column of time stamps, in place of ``ds``; two columns as ``date+time``.
        target_col: Column of readings, in place of ``y``.
        dayfirst: Whether 03/04/2024 is the third of April.
        date_format: Format of the time stamps as in Python's ``strptime``, or ``unix`` and
            ``unix_ms`` for seconds and milliseconds since 1970.
        time_zone: Zone whose clock the slots of the day follow, such as ``Europe/Oslo``; time
            stamps that name no zone are read as of this one.
        frequency: Time between two readings, such as ``15min`` or ``MS``.
        steps_per_day: Slots in a day; with whole numbers in the time column they count steps.
        days_per_week: Days after which the week repeats.
        hours: ``auto`` leaves out the slots in which no sensor ever reads, ``all`` keeps them, and
            ``05:00-22:00`` says which there are.
        missing_values: Readings that stand for none, such as -999.
        decimal: ``,`` where 4,5 is four and a half, ``.`` where 4.5 is; the other sign separates
            thousands.
        sheet: Sheet of an Excel file.
        max_empty: Largest share of the steps of a period without a reading of any sensor.
        memory_gib: Largest size of a series in memory, in GiB.
        max_nodes: Largest number of sensors in a table.
        given: What counts as said even where it equals its default; ``of`` fills it.

    Example:
        >>> form = Form(id_col="sensor", hours="05:00-22:00")
        >>> form.span
        (300, 1320)
        >>> form.with_said(Form(dayfirst=True)).id_col
        'sensor'
    """

    id_col: str | None = None
    time_col: str | None = None
    target_col: str | None = None
    dayfirst: bool | None = None
    date_format: str | None = None
    time_zone: str | None = None
    frequency: str | None = None
    steps_per_day: int | None = None
    days_per_week: int = 7
    hours: str = AUTO
    missing_values: tuple[float, ...] = ()
    decimal: str | None = None
    sheet: str | None = None
    max_empty: float = 0.9
    memory_gib: float = 2.0
    max_nodes: int = 100_000
    given: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    def __post_init__(self):
        if self.hours not in (AUTO, ALL) and not _is_span(self.span):
            raise StreamError(
                f"hours is {self.hours!r}. Give auto, all, or a span such as 05:00-22:00."
            )
        if self.decimal not in (None, ".", ","):
            raise StreamError(f"decimal is {self.decimal!r}. Give ',' or '.'.")
        if not (0 < self.max_empty <= 1 and self.memory_gib > 0 and self.max_nodes > 0):
            raise StreamError(
                f"max_empty is {self.max_empty}, memory_gib {self.memory_gib} and max_nodes "
                f"{self.max_nodes}. Give a share above 0 and at most 1, and positive sizes."
            )
        if not all(isfinite(value) for value in self.missing_values):
            raise StreamError("missing_values: give finite numbers; NaN is missing anyway.")
        if any(n is not None and n < 1 for n in (self.steps_per_day, self.days_per_week)):
            raise StreamError(
                f"steps_per_day is {self.steps_per_day} and days_per_week {self.days_per_week}. "
                "Give whole numbers of at least 1."
            )

    @staticmethod
    def of(**given: Any) -> "Form":
        """What is given, each of it said: it goes before settings even where it is the default.

        Example:
            >>> Form(hours="all").with_said(Form.of(hours="auto")).hours
            'auto'
        """
        return Form(**given, given=frozenset(given))

    @staticmethod
    def of_settings(path: Path, settings: Mapping[str, Any]) -> "Form":
        """What the keys of a ``stream.yaml`` say.

        Raises:
            StreamError: If a value is of the wrong kind.
        """
        given = {
            key: _checked(path, key, settings[key])
            for key in FORM_KEYS
            if settings.get(key) is not None
        }
        try:
            return Form(**given)
        except StreamError as error:
            raise StreamError(f"{path}: {error}") from error

    def with_said(self, other: "Form") -> "Form":
        """The same, with what ``other`` says in place of its own."""
        plain = Form()
        said = {key: getattr(other, key) for key in FORM_KEYS}
        changed = {k: v for k, v in said.items() if k in other.given or v != getattr(plain, k)}
        return replace(self, **changed, given=self.given | other.given)

    @property
    def span(self) -> tuple[int, int] | None:
        """Begin and end of the hours that are said, in minutes after midnight."""
        found = _HOURS.fullmatch(self.hours)
        if found is None:
            return None
        first, last = (int(found[i]) * 60 + int(found[i + 1]) for i in (1, 3))
        return first, last

    def check_memory(self, size: float, what: str, why: str) -> None:
        """Raises ``StreamError`` where something would take more memory than is allowed.

        Args:
            size: Bytes that it takes.
            what: Begins the message.
            why: What is that large, and what to do; follows the numbers.
        """
        if size > self.memory_gib * GIB:
            raise StreamError(
                f"{what}: this would take {in_gib(size)} of memory; the limit is "
                f"{self.memory_gib:g} GiB. {why} Where it is meant so, set memory_gib in "
                "stream.yaml."
            )

    def check_nodes(self, count: int, what: str) -> None:
        """Raises ``StreamError`` where a table has more sensors than are allowed."""
        if count > self.max_nodes:
            raise StreamError(
                f"{what}: {count:,} columns; the limit is {self.max_nodes:,} sensors. Check that "
                "rows are steps and columns are sensors. Where it is meant so, set max_nodes in "
                "stream.yaml."
            )


FORM_KEYS = tuple(one.name for one in fields(Form) if one.name != "given")
COLUMN_KEYS = ("id_col", "time_col", "target_col")
_TEXT = (*COLUMN_KEYS, "date_format", "time_zone", "frequency", "hours", "decimal", "sheet")
_WHOLE = ("steps_per_day", "days_per_week", "max_nodes")
_NUMBER = ("max_empty", "memory_gib")


def _is_span(span: tuple[int, int] | None) -> bool:
    """True for two different times of a day, the second of which may be midnight."""
    return span is not None and span[0] != span[1] and span[0] < _DAY and span[1] <= _DAY


def in_gib(size: float) -> str:
    """A size for people.

    Example:
        >>> in_gib(3 * GIB), in_gib(5 << 20)
        ('3.0 GiB', '5 MiB')
    """
    if size < 0.1 * GIB:
        return f"{size / (1 << 20):.3g} MiB"
    return f"{size / GIB:,.1f} GiB" if size < 1000 * GIB else f"{size / GIB / 1024:,.1f} TiB"


def _checked(path: Path, key: str, value: Any) -> Any:
    if key in _TEXT and (isinstance(value, str) or (key == "frequency" and _is_number(value))):
        return str(value)
    if key in _WHOLE and isinstance(value, int) and not isinstance(value, bool):
        return value
    if key in _NUMBER and _is_number(value):
        return float(value)
    if key == "dayfirst" and isinstance(value, bool):
        return value
    if key == "missing_values":
        values = value if isinstance(value, list) else [value]
        if all(_is_number(item) for item in values):
            return tuple(float(item) for item in values)
        raise StreamError(f"{path}: {key} is {value!r}. Give numbers, such as [-999, -9999].")
    kinds = {**dict.fromkeys(_TEXT, "text"), **dict.fromkeys(_WHOLE, "a whole number")}
    kind = kinds.get(key, "true or false" if key == "dayfirst" else "a number")
    raise StreamError(f"{path}: {key} is {value!r}. Give {kind}.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
