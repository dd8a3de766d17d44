"""Sensors that need attention: what is wrong with each, how badly, and why it is listed."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from eac.records.details import PeriodDetails, SensorFacts
from eac.records.record import PeriodRecord
from eac.report.common.skill import percent
from eac.report.common.summary import BASELINES, format_error
from eac.report.sections.view import RunView, duration, spoken

EARLIER = 6
"""Earlier periods that a sensor is compared with."""
WORSE = (0.0, 0.05)
"""Skill below 0: medium; a loss of more than 5 % against the naive forecast: high."""
LOST = (0.15, 0.30)
"""Skill lost since the earlier periods."""
GROWN = (1.25, 1.5)
"""Error beside that of the earlier periods, divided by what is usual among the sensors."""
HARDER = 0.05
"""A larger error counts only where at least this much skill was lost."""
MISSING = (0.2, 0.5)
"""Share of the readings missing."""
SILENT_DAYS = 1
"""Days without a reading at the end of the period."""


@dataclass(frozen=True)
class Attention:
    """One sensor and what is wrong with it.

    Attributes:
        node: The sensor.
        level: 2 for high, 1 for medium.
        score: Greater is worse, among sensors of one level.
        reasons: Why it is listed, the heaviest first.

    Example:
        >>> Attention("a", level=2, score=1.5, reasons=("silent for 2 days",)).reasons
        ('silent for 2 days',)
    """

    node: str
    level: int
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class SensorState:
    """What is known of one sensor in the latest period; None where it is not known.

    Attributes:
        node: The sensor.
        error: MAE of the model.
        naive: MAE of the best naive forecast.
        missing: Share of the readings missing.
        silent: Missing readings after the last one that is present.
        earlier_skill: Mean skill in earlier periods.
        earlier_error: Mean error in earlier periods.
        silent_seconds: Time since the last reading that is present.

    Example:
        >>> SensorState("a", error=5.0, naive=10.0).skill
        0.5
    """

    node: str
    error: float | None
    naive: float | None = None
    missing: float | None = None
    silent: int = 0
    earlier_skill: float | None = None
    earlier_error: float | None = None
    silent_seconds: float | None = None

    @property
    def skill(self) -> float | None:
        """Share of the naive forecast's error that the model saves."""
        return _skill(self.error, self.naive)


def sensor_states(view: RunView) -> list[SensorState]:
    """What the records and details say of each sensor of the latest period.

    Example:
        >>> from eac.records.sample import sample_run
        >>> states = sensor_states(RunView(sample_run((8.0, 12.0)), (), "MAE"))
        >>> states[0].error, states[0].earlier_error
        (12.0, 8.0)
    """
    details = {period.name: period.sensors for period in view.details}
    now, facts = _errors(view.last), _facts(details.get(view.last.name))
    earlier = view.run.periods[-1 - EARLIER : -1]
    errors = [_errors(period) for period in earlier]
    naive = [_facts(details.get(period.name)) for period in earlier]
    states = []
    for node in dict.fromkeys([*now, *facts]):
        mine = [found[node] for found in errors if found.get(node) is not None]
        skills = [
            skill
            for found, known in zip(errors, naive, strict=True)
            if (skill := _skill(found.get(node), known.get(node, (None,))[0])) is not None
        ]
        beside, missing, silent, seconds = facts.get(node, (None, None, 0, None))
        states.append(
            SensorState(
                node,
                now.get(node),
                beside,
                missing,
                silent,
                _mean(skills),
                _mean([value for value in mine if value is not None]),
                seconds,
            )
        )
    return states


def attention(view: RunView, states: list[SensorState]) -> list[Attention]:
    """The sensors that need attention, the worst first.

    Example:
        >>> from eac.records.sample import sample_run
        >>> view = RunView(sample_run(), (), "MAE")
        >>> [one.reasons for one in attention(view, [SensorState("a", error=12.0, naive=10.0)])]
        [('worse than the naive: 12.00 against 10.00',)]
    """
    growths = [g for state in states if (g := _growth(state)) is not None]
    usual = statistics.median(growths) if growths else 1.0
    found = (_judged(state, usual, view) for state in states)
    chosen = [one for one in found if one is not None]
    return sorted(chosen, key=lambda one: (-one.level, -one.score, one.node))


def silence(details: PeriodDetails | None, state: SensorState) -> str:
    """How long a sensor was silent for at the end, in words.

    Example:
        >>> silence(None, SensorState("a", error=5.0, silent=3))
        '3 steps'
        >>> silence(None, SensorState("a", error=5.0, silent=3, silent_seconds=5400.0))
        '90 minutes'
    """
    if state.silent_seconds is None:
        return duration(details, state.silent)
    return spoken(timedelta(seconds=state.silent_seconds))


def _judged(state: SensorState, usual: float, view: RunView) -> Attention | None:
    findings = [
        *_silence(state, view.latest),
        *_worse(state, view.latest),
        *_lost(state),
        *_grown(state, usual),
        *_missing(state),
    ]
    if not findings:
        return None
    level = max(level for level, _, _ in findings)
    reasons = [reason for _, _, reason in sorted(findings, key=lambda f: (-f[0], -f[1]))]
    return Attention(state.node, level, sum(score for _, score, _ in findings), tuple(reasons))


def _silence(state: SensorState, details: PeriodDetails | None) -> list[tuple[int, float, str]]:
    if state.missing is not None and state.missing >= 1:
        return [(2, 2.0, "no reading in this period")]
    day = None if details is None else details.steps_per_day
    if day is None or state.silent < SILENT_DAYS * day:
        return []
    return [(2, 1.0, f"silent for the last {silence(details, state)}")]


def _worse(state: SensorState, details: PeriodDetails | None) -> list[tuple[int, float, str]]:
    skill = state.skill
    if skill is None or skill >= -WORSE[0]:
        return []
    facts = None if details is None else details.sensors
    name = "naive" if facts is None else BASELINES.get(facts.naive, facts.naive)
    told = f"worse than the {name}: {format_error(state.error)} against {format_error(state.naive)}"
    return [(2 if skill < -WORSE[1] else 1, min(-skill, 2.0), told)]


def _lost(state: SensorState) -> list[tuple[int, float, str]]:
    if state.skill is None or state.earlier_skill is None:
        return []
    lost = state.earlier_skill - state.skill
    if lost < LOST[0]:
        return []
    told = f"skill fell from {percent(state.earlier_skill, 0)} to {percent(state.skill, 0)}"
    return [(2 if lost >= LOST[1] else 1, min(lost, 2.0), told)]


def _grown(state: SensorState, usual: float) -> list[tuple[int, float, str]]:
    growth = _growth(state)
    if growth is None or usual == 0 or growth / usual < GROWN[0] or growth < 1:
        return []
    known = state.skill is not None and state.earlier_skill is not None
    if known and (state.earlier_skill or 0.0) - (state.skill or 0.0) < HARDER:
        return []  # the naive error grew as much: the sensor is harder now, for all forecasts
    told = f"error {growth:.1f} times that of earlier periods (usual now: {usual:.1f})"
    beyond = growth / usual
    return [(2 if beyond >= GROWN[1] else 1, min(beyond - 1, 2.0), told)]


def _missing(state: SensorState) -> list[tuple[int, float, str]]:
    share = state.missing
    if share is None or share < MISSING[0] or share >= 1:
        return []
    return [
        (2 if share >= MISSING[1] else 1, share, f"{percent(share, 0)} of the readings missing")
    ]


def _growth(state: SensorState) -> float | None:
    if state.error is None or not state.earlier_error:
        return None
    return state.error / state.earlier_error


def _skill(error: float | None, naive: float | None) -> float | None:
    return None if error is None or not naive else 1 - error / naive


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _errors(period: PeriodRecord) -> Mapping[str, float | None]:
    if period.sensors is None:
        return {}
    return dict(zip(period.sensors.node_ids, period.sensors.mae, strict=True))


def _facts(
    facts: SensorFacts | None,
) -> Mapping[str, tuple[float | None, float, int, float | None]]:
    if facts is None:
        return {}
    silent = facts.silent_seconds or (None,) * len(facts.node_ids)
    rows = zip(facts.naive_mae, facts.missing, facts.silent_steps, silent, strict=True)
    return dict(zip(facts.node_ids, rows, strict=True))
