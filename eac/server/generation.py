"""What a run has left, ready to serve."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from eac.artifacts.artifact import read_artifact
from eac.artifacts.kept import current_folder, kept_folders
from eac.artifacts.saved_data import SavedData
from eac.calibration.base import Calibrator
from eac.calibration.clock import MONDAY
from eac.data.core.calendar import Calendar
from eac.data.core.clock_rules import ClockRules
from eac.data.parsing.zones import find_zone
from eac.errors import RunError
from eac.server.forecast import GenerationName
from eac.serving.predictor import Predictor, load_run

LATE = 12
"""Steps after which a late reading still teaches the intervals."""


@dataclass(frozen=True, eq=False)
class Generation:
    """One artifact in use: model, sensors and a calibration of its own, which learns on.

    Attributes:
        name: What answers say.
        predictor: The model.
        calibrator: Learns from what is observed while this generation is active; None: no
            intervals.
    """

    name: GenerationName
    predictor: Predictor
    calibrator: Calibrator | None


def artifact_ids(run_dir: Path) -> dict[str, Path]:
    """Folders of the artifacts of a run by id, in order of time.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     made = write_sample_period(Path(run))
        ...     print(artifact_ids(Path(run))[made.id].name)
        period-00-0
    """
    return {read_artifact(directory).id: directory for directory in kept_folders(run_dir)}


@dataclass(frozen=True)
class Loading:
    """How artifacts of a run are loaded.

    Attributes:
        trust: Modules with classes of your own that the run may name.
        time_zone: Whose clock the steps follow, where the run was trained on one offset alone.

    Example:
        >>> Loading(time_zone="Europe/Oslo").trust
        ()
    """

    trust: Sequence[str] = ()
    time_zone: str | None = None


def load_generation(
    run_dir: Path,
    artifact: str | None,
    number: int,
    loaded: dict[str, Predictor],
    loading: Loading,
) -> Generation:
    """Loads an artifact of a run beside those in use.

    Args:
        run_dir: The run.
        artifact: Id, or the beginning of one; None is the one in use; see ``eac artifacts``.
        number: Of the activation.
        loaded: Predictors by artifact; one that is there is not loaded again.
        loading: How.

    Raises:
        RunError: If there is no such artifact.
    """
    known = artifact_ids(run_dir)
    wanted = read_artifact(current_folder(run_dir)).id if artifact is None else artifact
    found = [i for i in known if i.startswith(wanted)]
    if len(found) != 1:
        raise RunError(
            f"there is no one artifact {artifact!r} in {run_dir}. Give one of: {', '.join(known)}."
        )
    chosen = found[0]
    predictor = loaded.get(chosen)
    if predictor is None:
        how = {"trust": loading.trust, "time_zone": loading.time_zone}
        predictor = _checked(run_dir, load_run(run_dir, period=chosen, **how))
    calibrator = predictor.calibrator
    name = GenerationName(number, chosen, read_artifact(known[chosen]).period)
    return Generation(name, predictor, None if calibrator is None else calibrator.waiting(LATE))


def _checked(run_dir: Path, predictor: Predictor) -> Predictor:
    """Refuses what readings and time stamps alone cannot forecast."""
    lacking = _lacking(predictor.data)
    if lacking:
        raise RunError(
            f"{run_dir} {lacking}. Forecast with: eac predict --run {run_dir} --input FILE "
            "--output FILE"
        )
    return predictor


def _lacking(data: SavedData) -> str:
    """What a run takes that observations do not bring; empty where there is nothing."""
    rules, weeks = data.clock, f"has weeks of {data.days_per_week} days, unlike its time stamps"
    if data.covariates is not None:
        names = ", ".join(data.covariates.names)
        return f"forecasts with {names}, known ahead, which observations do not bring"
    if rules is None:
        return "" if data.days_per_week == 7 else weeks
    if rules.counted:
        return "counts its steps, but observations have time stamps"
    if rules.months:
        return "has steps of months, which are not of equal length"
    if rules.hours is not None:
        return f"has steps in open hours alone ({rules.hours.in_words()})"
    plain = Calendar.from_timestamps(MONDAY, rules.step)
    return "" if plain.steps_per_week == rules.steps_per_day * rules.days_per_week else weeks


def zone_of(data: SavedData) -> tzinfo | None:
    """Whose clock the steps of a run follow; None where its time stamps name no zone."""
    if data.clock is None or data.clock.zone is None:
        return None
    return find_zone(data.clock.zone, "the run")


def own_zone(run_dir: Path) -> tzinfo | None:
    """Whose clock the steps of a run follow, whatever ``Loading`` names."""
    data = read_artifact(current_folder(run_dir)).data
    said = None if data is None or data.clock is None else ClockRules.of_card(data.clock).zone
    return None if said is None else find_zone(said, "the run")


def same_clock(made: Generation, zone: tzinfo | None) -> None:
    """Refuses an artifact whose steps do not follow the clock that readings are placed by.

    Raises:
        RunError: Names both clocks.
    """
    own = zone_of(made.predictor.data)
    if own != zone:
        raise RunError(
            f"artifact {made.name.artifact[:8]} follows the clock of {own}, this server that of "
            f"{zone}. Start eac serve again."
        )
