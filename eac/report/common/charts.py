"""Charts as plain values: what is drawn, in words that no drawing library owns.

A page draws them as SVG, a paper with matplotlib; both get the same numbers and words.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["model", "a", "b", "c", "d", "e", "muted"]
"""Colour of a series: the model's own, one of five others, or grey."""
Number: TypeAlias = float | None


@dataclass(frozen=True)
class Line:
    """A line through points; None leaves a gap.

    Example:
        >>> Line("EAC", x=("2023", "2024"), y=(8.0, None), role="model").dash
        False
    """

    name: str
    x: tuple[str | float, ...]
    y: tuple[Number, ...]
    role: Role
    dash: bool = False


@dataclass(frozen=True)
class Bars:
    """Bars of one colour; those at the positions ``marked`` have the colour of bad news.

    Example:
        >>> Bars("skill", ("2023", "2024"), (12.0, -3.0), role="model", marked=(1,)).y
        (12.0, -3.0)
    """

    name: str
    x: tuple[str, ...]
    y: tuple[Number, ...]
    role: Role
    marked: tuple[int, ...] = ()


@dataclass(frozen=True)
class Band:
    """The area between two lines, such as an interval; None leaves a gap.

    Example:
        >>> Band("90 %", x=(1.0, 2.0), low=(3.0, 2.5), high=(5.0, 6.0), role="model").high
        (5.0, 6.0)
    """

    name: str
    x: tuple[str | float, ...]
    low: tuple[Number, ...]
    high: tuple[Number, ...]
    role: Role


@dataclass(frozen=True)
class SeriesChart:
    """Lines or bars on common axes.

    Attributes:
        key: Name of the figure in files and in the page.
        title: One line above the figure.
        alt: What the figure shows, for those who cannot see it.
        x_label: Title of the horizontal axis.
        y_label: Title of the vertical axis.
        marks: What is drawn.
        stacked: Bars stand on each other instead of side by side.
        from_zero: The vertical axis begins at zero.
        top: Where the vertical axis ends; None shows everything.

    Example:
        >>> line = Line("EAC", ("2023", "2024"), (8.0, 7.5), "model")
        >>> chart = SeriesChart("error", "Error", "It falls.", "period", "MAE", marks=(line,))
        >>> chart.from_zero
        True
    """

    key: str
    title: str
    alt: str
    x_label: str
    y_label: str
    marks: tuple[Line | Bars | Band, ...]
    stacked: bool = False
    from_zero: bool = True
    top: Number = None


@dataclass(frozen=True)
class HeatChart:
    """A matrix as coloured cells with their numbers; None leaves a cell empty.

    Example:
        >>> names, cells = ("2023", "2024"), ((8.0, None), (8.5, 7.0))
        >>> HeatChart("m", "Errors", "", "tested", "trained", names, names, cells, "MAE").cells[1]
        (8.5, 7.0)
    """

    key: str
    title: str
    alt: str
    x_label: str
    y_label: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: tuple[tuple[Number, ...], ...]
    value_label: str


@dataclass(frozen=True)
class MapChart:
    """Sensors coloured by a value, with the edges among them.

    Attributes:
        key: Name of the figure.
        title: One line above the figure.
        alt: What the figure shows, for those who cannot see it.
        names: Text of each sensor.
        x: Horizontal place of each sensor.
        y: Vertical place.
        values: Value of each sensor; None is drawn hollow.
        edges: Pairs of positions in ``names``.
        value_label: What the colours mean.
        marked: Positions of the sensors to ring.

    Example:
        >>> places = {"x": (0.0, 1.0), "y": (0.0, 2.0), "edges": ((0, 1),)}
        >>> said = {"values": (8.0, 9.0), "value_label": "MAE"}
        >>> MapChart("map", "Errors", "", ("a", "b"), **places, **said).edges
        ((0, 1),)
    """

    key: str
    title: str
    alt: str
    names: tuple[str, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    values: tuple[Number, ...]
    edges: tuple[tuple[int, int], ...]
    value_label: str
    marked: tuple[int, ...] = ()


Chart: TypeAlias = SeriesChart | HeatChart | MapChart
