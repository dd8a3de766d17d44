"""Text from data made harmless: what a terminal would obey is written out instead."""

import logging
import re
import unicodedata

_ORDERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters save tab and newline, marks that turn the direction of writing, and halves
of characters, which cannot be written at all."""


def plain(text: str) -> str:
    r"""The text with every character that steers a terminal written as its escape.

    Line breaks and tabs stay; a name that must stay on one line goes through ``one_line``.

    Example:
        >>> plain("sensor \x1b[2J")
        'sensor \\x1b[2J'
    """
    return _ORDERS.sub(lambda found: _written(found.group()), text)


def one_line(text: str) -> str:
    r"""``plain`` without line breaks and tabs: a name or a cell of a table.

    Example:
        >>> one_line("a\nb")
        'a\\nb'
    """
    return plain(text.replace("\n", "\\n").replace("\t", "\\t"))


def logger() -> logging.Logger:
    r"""The log of this package, whose lines hold nothing that a terminal would obey.

    Example:
        >>> import io
        >>> log, written = logger(), io.StringIO()
        >>> handler = logging.StreamHandler(written)
        >>> log.addHandler(handler)
        >>> log.warning("period %s", "\x1b[2J")
        >>> log.removeHandler(handler)
        >>> written.getvalue()
        'period \\x1b[2J\n'
    """
    log = logging.getLogger("eac")
    if not any(isinstance(found, _PlainLines) for found in log.filters):
        log.addFilter(_PlainLines())
    return log


class _PlainLines(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(map(_harmless, record.args))
        return True


def _harmless(part: object) -> object:
    if isinstance(part, int | float):
        return part
    return one_line(part) if isinstance(part, str) else plain(str(part))


def cells_wide(text: str) -> int:
    """Columns of a terminal that a text takes; wide characters take two.

    Example:
        >>> cells_wide("NO2"), cells_wide("東京")
        (3, 4)
    """
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _written(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
