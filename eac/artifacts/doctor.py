"""What is damaged, missing or of another version in a run directory, and from where on."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eac.artifacts.artifact import check_artifact
from eac.artifacts.checkpoint import load_card, load_state
from eac.artifacts.exchange import check_imported
from eac.artifacts.kept import CURRENT_FILE, current_folder, imported
from eac.artifacts.past import PAST_FILE, past_is_damaged
from eac.artifacts.resume_points import CHECKPOINTS, is_whole, sidecar
from eac.errors import CheckpointError, EACError, RunError
from eac.records.details import read_details
from eac.records.manifest import MANIFEST_FILE, is_damaged, kept_files, read_manifest, verify
from eac.records.record import PERIOD_FILE, RUN_FILE, read_header, read_period
from eac.records.yamlfile import read_yaml

CONFIG_FILE = "config.yaml"
_FOLDER = re.compile(r"period-(\d+)-")
_ADVICE = re.compile(r" To see what to do, run: eac doctor .*", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        what: One sentence.
        position: Of the period; None for the run as a whole.
        damaged: Whether something is wrong; False where a training merely has not ended.
        trains: Whether going on with the run mends it; else the sentence says what does.

    Example:
        >>> Finding("card.json is damaged.", position=1).damaged
        True
    """

    what: str
    position: int | None = None
    damaged: bool = True
    trains: bool = True


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a run.

    Attributes:
        findings: In order of the periods; none when all is well.
        periods: Periods that are done and whole.

    Example:
        >>> Diagnosis((Finding("card.json is damaged.", position=1),), periods=1).redo_from
        1
    """

    findings: tuple[Finding, ...]
    periods: int

    @property
    def redo_from(self) -> int | None:
        """Position of the first period to train again; None when none is damaged."""
        found = [f.position for f in self.findings if f.damaged and f.position is not None]
        return min(found, default=None)

    @property
    def settings_lost(self) -> bool:
        """Whether the configuration is damaged, without which no command can go on."""
        return any(CONFIG_FILE in f.what for f in self.findings if f.position is None)

    @property
    def training_helps(self) -> bool:
        """Whether something was found that going on with the run mends."""
        return any(finding.trains for finding in self.findings)


def diagnose(run_dir: Path) -> Diagnosis:
    """Reads every file of a run and compares it with its digest; changes nothing.

    Raises:
        RunError: If the directory is missing or no run.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     _ = write_sample_period(Path(run))
        ...     print(diagnose(Path(run)).periods)
        1
    """
    found = ((_FOLDER.match(path.name), path) for path in sorted(_entries(run_dir)))
    folders = sorted((int(match[1]), path) for match, path in found if match)
    trained = folders or (run_dir / RUN_FILE).exists() or (run_dir / CONFIG_FILE).exists()
    if not trained and not imported(run_dir):
        raise RunError(f"{run_dir} is not a run. Give the directory named by --run.dir.")
    done = [position for position, path in folders if (path / PERIOD_FILE).exists()]
    last = max(done, default=-1)
    findings = list(_of_run(run_dir)) if trained else []
    for position in sorted(set(range(last + 1)) - {position for position, _ in folders}):
        findings.append(Finding(f"the folder of period {position} is missing.", position))
    for position, path in folders:
        if (path / PERIOD_FILE).exists():
            findings += [Finding(_plain(what), position) for what in _of_period(path)]
            findings += _of_past(path, position)
        elif position < last:
            what = f"{path / PERIOD_FILE} is missing, though later periods are done."
            findings.append(Finding(what, position))
        else:
            findings += _under_way(path, position)
    for position in sorted({p for p in done if done.count(p) > 1}):
        findings.append(Finding(f"two folders say that they are period {position}.", position))
    findings += _of_imported(run_dir)
    bad = {finding.position for finding in findings}
    ordered = sorted(findings, key=lambda f: -1 if f.position is None else f.position)
    return Diagnosis(tuple(ordered), len([position for position in done if position not in bad]))


def _entries(run_dir: Path) -> list[Path]:
    if not run_dir.is_dir():
        raise RunError(f"{run_dir} is not a directory. Give the directory named by --run.dir.")
    return [path for path in run_dir.iterdir() if path.is_dir()]


def _of_run(run_dir: Path) -> Iterator[Finding]:
    manifest, unknown = run_dir / MANIFEST_FILE, is_damaged(run_dir)
    if unknown:
        yield Finding(f"{manifest} is damaged; going on with the run writes it again.")
    for name in (CONFIG_FILE,) if unknown else (CONFIG_FILE, RUN_FILE):
        path = run_dir / name
        try:
            if not unknown:
                verify(path)
            if name == RUN_FILE:
                read_header(run_dir)
            elif not isinstance(read_yaml(path, error=CheckpointError), dict):
                yield Finding(f"{path} holds no settings.")
        except EACError as error:
            yield Finding(_plain(str(error)))

    if not manifest.exists() and any(run_dir.glob(f"period-*/{MANIFEST_FILE}")):
        yield Finding(f"{manifest} is missing; going on with the run writes it again.")


def _of_imported(run_dir: Path) -> Iterator[Finding]:
    """What is wrong with artifacts from elsewhere, and with the pointer to the one in use."""
    for what in check_imported(run_dir):
        yield Finding(f"{_plain(what)} Remove that folder and import it again.", trains=False)
    if not (run_dir / CURRENT_FILE).is_file():
        return
    try:
        current_folder(run_dir)
    except RunError as error:
        yield Finding(f"{error}", trains=False)
    except EACError:
        pass  # an artifact is damaged, which is said of its folder


def _of_period(folder: Path) -> Iterator[str]:
    """What is wrong in the folder of a period that is done, file by file."""
    try:
        manifest = read_manifest(folder)
    except EACError as error:
        yield str(error)
        return
    if manifest is None and _has_id(folder):
        yield f"{folder / MANIFEST_FILE} is missing."
    named = () if manifest is None else manifest.files
    broken = [(name, problem) for name in named if (problem := _problem(folder / name))]
    yield from (problem for _, problem in broken)
    if broken:
        return
    if manifest is not None:
        extra = [path.name for path in kept_files(folder) if path.name not in named]
        yield from (f"{folder / name} is not named in {MANIFEST_FILE}." for name in extra)
    yield from check_artifact(folder)
    for read in (read_period, read_details, load_state):
        try:
            read(folder)
        except EACError as error:
            yield str(error)


def _has_id(folder: Path) -> bool:
    """Whether the card was written by a version that writes manifests."""
    try:
        return bool(load_card(folder).get("id"))
    except EACError:
        return False


def _problem(path: Path) -> str:
    try:
        verify(path)
    except EACError as error:
        return str(error)
    return ""


def _of_past(folder: Path, position: int) -> Iterator[Finding]:
    if past_is_damaged(folder):
        names = f"{folder / PAST_FILE} or {sidecar(folder / PAST_FILE).name}"
        what = f"{names} is damaged; going on with the run makes both again."
        yield Finding(what, position, damaged=False)


def _under_way(folder: Path, position: int) -> Iterator[Finding]:
    yield Finding(f"{folder} is not done: its training has not ended.", position, damaged=False)
    for place in (folder, folder / "refit"):
        for name in CHECKPOINTS:
            if (place / name).is_file() and not is_whole(place / name):
                what = f"{place / name} is damaged; that training begins anew by itself."
                yield Finding(what, position, damaged=False)


def _plain(what: str) -> str:
    """The sentence without the advice to do what is being done."""
    return _ADVICE.sub("", what)
