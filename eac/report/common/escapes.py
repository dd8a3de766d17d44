# ruff: noqa: RUF001 - signs that look like others are what this module maps
"""Names and other text from data, made harmless for each form in which a report shows them."""

import re
import unicodedata

from eac.plain import one_line

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "_": r"\_",
    "#": r"\#",
    "$": r"\$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "\u00a0": "~",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "°": r"$^{\circ}$",
    "²": r"$^{2}$",
    "³": r"$^{3}$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "–": "--",
    "—": "---",
    "’": "'",
    "…": r"\ldots{}",
}
"""``*`` and ``[`` would be read as options of a line break before them."""
_MARKDOWN = re.compile(r"([\\|`]|\](?=\())")
_ORDERS_OF_A_SHEET = ("=", "+", "-", "@")
_NUMBER = re.compile(r"[+-]?[\d.,]+(e[+-]?\d+)?(\s*%)?", re.IGNORECASE)


def latex(text: str) -> str:
    r"""Text for a LaTeX document, under every engine and without further packages.

    Letters that the default fonts lack are written as their code point.

    Example:
        >>> latex("PM_10 [5%] \\input{x} 東")
        'PM\\_10 {[}5\\%{]} \\textbackslash{}input\\{x\\} U+6771'
    """
    return "".join(_latex_character(c) for c in one_line(text).replace("<=", "≤ "))


def latex_label(text: str) -> str:
    r"""A key for ``\label``: letters, digits and hyphens only.

    Example:
        >>> latex_label("Period 2020: 5 nodes (3 kept)")
        'period-2020-5-nodes-3-kept'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "table"


def markdown(text: str) -> str:
    r"""Text for one cell or line of a Markdown page: no markup, no link and no HTML.

    Example:
        >>> markdown("a|b <script> [x](y)")
        'a\\|b &lt;script> [x\\](y)'
    """
    return _MARKDOWN.sub(r"\\\1", one_line(text)).replace("&", "&amp;").replace("<", "&lt;")


def csv_cell(text: str) -> str:
    """Text for a cell of CSV that no spreadsheet takes for a formula; numbers stay as they are.

    Example:
        >>> [csv_cell(text) for text in ("=1+1", "-1.5", "-", "@a", "PM10")]
        ["'=1+1", '-1.5', '-', "'@a", 'PM10']
    """
    shown = one_line(text)
    begins = shown.lstrip().startswith(_ORDERS_OF_A_SHEET)
    if begins and len(shown) > 1 and not _NUMBER.fullmatch(shown.strip()):
        return f"'{shown}"
    return shown


def json_text(text: str) -> str:
    r"""JSON whose strings hold no character that steers a terminal; it reads as the same data.

    Example:
        >>> json_text('["\x9b2J"]')
        '["\\u009b2J"]'
    """
    return "".join(f"\\u{ord(c):04x}" if not c.isascii() and one_line(c) != c else c for c in text)


def _latex_character(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    if character.isascii():
        return character
    known = "\u00c0" <= character <= "\u017f" and character not in "ĦħĿŀŉſŦŧĸ"
    return character if known else f"U+{ord(character):04X}"
