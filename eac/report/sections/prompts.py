"""Charts of what a model made of its sensors: the prompt pool and the features."""

from collections.abc import Sequence

import numpy as np

from eac.records.details import Dispersion, PeriodDetails
from eac.report.common.charts import Bars, Line, Role, SeriesChart
from eac.report.common.page_parts import Section, slots_of
from eac.report.common.summary import format_error
from eac.report.sections.view import RunView

BEYOND = 2
"""Components that are drawn after the last one that counts."""
TEXT = (
    "Few components with most of the energy mean that the prompts can be compressed. Dispersion is "
    "the mean squared distance of features, averaged over the last test windows, from their "
    "centre: within a period between sensors, across periods between the periods' centres."
)


def section(view: RunView) -> Section | None:
    """None where no details were kept.

    Example:
        >>> from eac.records.sample import sample_details, sample_run
        >>> view = RunView(sample_run((8.0,)), (sample_details("0"),), "MAE")
        >>> [slot.key for slot in section(view).slots]
        ['spectrum', 'energy', 'dispersion']
    """
    slots = slots_of(*(spectrum(view.details) or ()), dispersion(view.details))
    return (
        Section("prompts", "What was learned of each sensor", (TEXT,), slots=slots)
        if slots
        else None
    )


def spectrum(details: Sequence[PeriodDetails]) -> tuple[SeriesChart, SeriesChart] | None:
    """Singular values of the prompt pool and their cumulative energy; None without a pool.

    Example:
        >>> from eac.records.sample import sample_details
        >>> values, energy = spectrum([sample_details("0")])
        >>> values.marks[0].y, energy.marks[0].y
        ((2.0, 1.0, 0.0), (80.0, 100.0, 100.0))
    """
    having = [period for period in details if period.spectrum]
    if not having:
        return None
    shown = [having[0], having[-1]] if len(having) > 1 else having
    roles: tuple[Role, ...] = ("muted", "model") if len(shown) > 1 else ("model",)
    values, energies = [], []
    for period, role in zip(shown, roles, strict=True):
        singular = np.array(period.spectrum)
        singular = singular[: (singular > 1e-4 * singular[0]).sum() + BEYOND]
        rank = tuple(float(i) for i in range(1, len(singular) + 1))
        energy = (singular**2).cumsum() / max((singular**2).sum(), 1e-30)
        name = f"after period {period.name}"
        values.append(Line(name, rank, tuple(singular.tolist()), role))
        energies.append(Line(name, rank, tuple((100 * energy).round(3).tolist()), role))
    return _spectrum_chart(values), _energy_chart(energies)


def _spectrum_chart(lines: Sequence[Line]) -> SeriesChart:
    values = [value for value in lines[-1].y if value is not None]
    told = ", ".join(format_error(value) for value in values if value > 1e-4 * values[0])
    return SeriesChart(
        key="spectrum",
        title="Singular values of the prompt pool",
        alt=f"Singular values {lines[-1].name}, largest first: {told}.",
        x_label="component",
        y_label="singular value",
        marks=tuple(lines),
    )


def _energy_chart(lines: Sequence[Line]) -> SeriesChart:
    values = [value for value in lines[-1].y if value is not None]
    told = ", ".join(f"{value:.1f} %" for value in values if value < 99.95)
    return SeriesChart(
        key="energy",
        title="Cumulative energy of the prompt pool",
        alt=f"Share of the energy in the first 1, 2, ... components {lines[-1].name}: "
        f"{told or 'all in one'}.",
        x_label="components",
        y_label="energy [%]",
        marks=tuple(lines),
    )


def dispersion(details: Sequence[PeriodDetails]) -> SeriesChart | None:
    """Spread of the sensors' mean features within each period, and of the centres so far.

    Both are mean squared distances; features change their width with the backbone only.

    Example:
        >>> from eac.records.sample import sample_details
        >>> dispersion([sample_details("0"), sample_details("1")]).marks[0].y
        (0.5, 0.5)
    """
    if len({len(period.dispersion.centre) for period in details}) != 1:
        return None
    names = tuple(period.name for period in details)
    spreads = [period.dispersion for period in details]
    counts = [period.map.num_nodes for period in details]
    across = [across_periods(spreads[: i + 1], counts[: i + 1]) for i in range(len(spreads))]
    within = tuple(spread.within for spread in spreads)
    return SeriesChart(
        key="dispersion",
        title="Dispersion of sensor features",
        alt="Mean squared distance of a sensor's mean features from their centre, "
        f"{format_error(within[-1])} in period {names[-1]}.",
        x_label="period",
        y_label="mean squared distance",
        marks=(
            Bars("within the period", names, within, "model"),
            Bars("of the centres of all periods so far", names, tuple(across), "b"),
        ),
    )


def across_periods(spreads: Sequence[Dispersion], counts: Sequence[int]) -> float:
    """Mean squared distance of the periods' centres from the centre of all sensors.

    Example:
        >>> across_periods([Dispersion((0.0,), 1.0), Dispersion((4.0,), 1.0)], [1, 3])
        3.0
    """
    weight = np.array(counts, dtype=float) / sum(counts)
    centres = np.array([spread.centre for spread in spreads])
    middle = weight @ centres
    return float(weight @ ((centres - middle) ** 2).sum(1))
