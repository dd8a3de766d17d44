"""What every section of a run's page is made from."""

from dataclasses import dataclass
from datetime import timedelta

from eac.records.details import PeriodDetails
from eac.records.record import PeriodRecord, RunRecord

DAY = timedelta(days=1)
SHOWN_PERIODS = 12
"""Maps and forecasts are shown of at most this many of the latest periods."""


@dataclass(frozen=True)
class RunView:
    """A run as its page shows it.

    Attributes:
        run: The records of its finished periods.
        details: What is kept beside them, of the periods that have it.
        metric: Metric of headline and figures.

    Example:
        >>> from eac.records.sample import sample_details, sample_run
        >>> view = RunView(sample_run(), (sample_details("1"),), "MAE")
        >>> view.last.name, view.latest.name
        ('1', '1')
    """

    run: RunRecord
    details: tuple[PeriodDetails, ...]
    metric: str

    @property
    def last(self) -> PeriodRecord:
        """The latest period."""
        return self.run.periods[-1]

    @property
    def latest(self) -> PeriodDetails | None:
        """Details of the latest period; None where it kept none."""
        found = [period for period in self.details if period.name == self.last.name]
        return found[-1] if found else None


def duration(details: PeriodDetails | None, steps: int) -> str:
    """A number of steps in hours or days where the length of a step is known.

    Where only open hours are steps, as many as are in a day take a day.

    Example:
        >>> duration(None, 12), duration(None, 1)
        ('12 steps', '1 step')
    """
    step = None if details is None else _step_of(details)
    if step is None:
        return f"{steps} step" if steps == 1 else f"{steps} steps"
    a_day = None if details is None else details.steps_per_day
    if a_day is not None and a_day * step < DAY:
        days, rest = divmod(steps, a_day)
        return spoken(days * DAY + rest * step)
    return spoken(steps * step)


def _step_of(details: PeriodDetails) -> timedelta | None:
    """Time between two steps, from the clock or from the steps of a day; None when unknown."""
    if details.traces.step_seconds is not None:
        return timedelta(seconds=details.traces.step_seconds)
    if details.steps_per_day is not None and details.steps_per_day > 1:
        return DAY / details.steps_per_day
    return None


def spoken(length: timedelta) -> str:
    """A length of time in its largest fitting unit.

    Example:
        >>> spoken(timedelta(hours=12)), spoken(timedelta(minutes=90)), spoken(timedelta(days=3))
        ('12 hours', '90 minutes', '3 days')
    """
    seconds = length.total_seconds()
    for name, unit, from_on in (
        ("day", 86400, 2),
        ("hour", 3600, 1),
        ("minute", 60, 1),
        ("second", 1, 0),
    ):
        count = seconds / unit
        if count >= from_on and (count == round(count) or count >= 10 or name == "second"):
            return f"{count:.4g} {name}{'' if count == 1 else 's'}"
    return f"{seconds:.4g} seconds"
