"""Periods whose data changed after a run was trained on them: said, refused or accepted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from eac.artifacts.artifact import read_artifact
from eac.data.core.calendar import in_words
from eac.data.core.clock_rules import ClockRules
from eac.data.core.period import Period
from eac.errors import RunError
from eac.plain import logger
from eac.records.record import PeriodRecord, read_period, write_period
from eac.rundir.checksums import ChangedSensor, changed_sensors, rewrite_checksums
from eac.rundir.opening import go_on
from eac.rundir.silent import as_trained

log = logger()

SHOWN = 5


@dataclass(frozen=True, eq=False)
class _ChangedPeriod:
    """A done period whose data are no longer those it was trained on.

    Attributes:
        directory: Of the period in the run.
        record: As the run has it.
        period: As it is now.
        sensors: What changed of which sensor; None where the run does not say.
    """

    directory: Path
    record: PeriodRecord
    period: Period
    sensors: tuple[ChangedSensor, ...] | None

    def __str__(self) -> str:
        name = f"period {self.record.name!r} changed since the run was trained on it"
        if self.sensors is None:
            return name
        if not self.sensors:
            return f"{name}: its readings are the same, its edges, clock or covariates are not"
        shown = ", ".join(map(str, self.sensors[:SHOWN]))
        more = len(self.sensors) - SHOWN
        rest = f" and {more} more" if more > 0 else ""
        readings = count(sum(sensor.readings for sensor in self.sensors), "reading")
        return f"{name}: {readings} of {count(len(self.sensors), 'sensor')}, {shown}{rest}"

    def accept(self) -> PeriodRecord:
        """Notes in the record that the run goes on from what it learned before the change."""
        note = f"{self}; accepted, not trained again"
        notes = (*self.record.notes, note)
        record = replace(self.record, fingerprint=self.period.fingerprint(), notes=notes)
        rewrite_checksums(self.directory, self.period)
        write_period(self.directory, record)
        return record


def _changed_periods(done: Iterable[tuple[Path, Period]]) -> Iterator[_ChangedPeriod]:
    """Those of these done periods whose data changed, read one at a time."""
    for directory, period in done:
        record = read_period(directory)
        if record.fingerprint != period.fingerprint() and (
            record.fingerprint != as_trained(directory, period).fingerprint()
        ):
            _check_step(directory, period)
            sensors = changed_sensors(directory, period)
            found = None if sensors is None else tuple(sensors)
            yield _ChangedPeriod(directory, record, period, found)


def _check_step(directory: Path, period: Period) -> None:
    """Refuses data of another step, which no run can go on from."""
    kept, now = read_artifact(directory).data, ClockRules.of(period.calendar)
    if kept is None or kept.clock is None or now.counted:
        return
    before = ClockRules.of_card(kept.clock)
    if (before.step, before.months) != (now.step, now.months):
        raise RunError(
            f"period {period.name!r}: readings now come every {in_words(now.step)}, but the run "
            f"was trained on one every {in_words(before.step)}. If some of them come more often, "
            f"give one for every {in_words(before.step)} of those too; or begin another run."
        )


def _refusal(changed: Iterable[_ChangedPeriod], run_dir: Path) -> RunError:
    """What is said of changed periods that were not accepted."""
    said, first = [], ""
    for one in changed:
        first = first or one.record.name
        said.append(str(one))
    return RunError(
        f"{'; '.join(said)}. Go on from what was learned with: "
        f"{go_on(run_dir, accept_changes=True)} ; train again from there with: "
        f"{go_on(run_dir, redo=first)} ; or restore the data, or name the stream it was trained on."
    )


def check_unchanged(
    done: Iterable[tuple[Path, Period]], run_dir: Path, *, accept: bool, write: bool
) -> None:
    """Refuses done periods whose data changed, or goes on in spite of it where that was said.

    Args:
        done: Folders of periods that are done, and their data as they are now.
        run_dir: Of the run.
        accept: Go on from what was learned.
        write: Note that in the records; for the one process that writes.

    Raises:
        RunError: Names all that changed, unless they are accepted.

    Example:
        >>> check_unchanged([], Path("runs/x"), accept=False, write=False)  # nothing is done yet
    """
    changed = _changed_periods(done)
    first = next(changed, None)
    if first is None:
        return
    if not accept:
        raise _refusal(chain([first], changed), run_dir)
    for one in chain([first], changed) if write else ():
        log.warning("%s; going on from what was learned", one)
        one.accept()


def count(number: int, word: str) -> str:
    """A number with its word.

    Example:
        >>> count(1, "reading"), count(3, "reading")
        ('1 reading', '3 readings')
    """
    return f"{number} {word}" + ("" if number == 1 else "s")
