"""``eac doctor``: what is damaged in a run, and what to do."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eac.cli.command_parsers import command_parser
from eac.plain import plain
from eac.rundir.lock import only_writer, writer

if TYPE_CHECKING:
    from eac.artifacts.doctor import Diagnosis

EXAMPLES = """\
exit status: 0 when every file of the run is as it was written and every period is done, else 1.

examples:
  eac doctor runs/counts             name what is damaged or missing
  eac doctor runs/counts --repair    train from the first damaged period on"""


def main(argv: Sequence[str]) -> int:
    """Examines a run; with ``--repair`` trains what is damaged again."""
    arguments = make_parser().parse_args(list(argv))
    from eac.artifacts.doctor import diagnose

    run_dir = Path(arguments.run_dir)
    diagnosis = diagnose(run_dir)
    if diagnosis.findings and arguments.repair:
        with only_writer(run_dir):  # nobody changes it between the look and the repair
            return _repair(run_dir, diagnose(run_dir))
    if busy := writer(run_dir):
        print(f"{plain(busy)}. What it has not ended is called not done.", file=sys.stderr)
    print(_said(run_dir, diagnosis), end="")
    if not diagnosis.findings:
        done = "1 period is" if diagnosis.periods == 1 else f"{diagnosis.periods} periods are"
        print(f"{plain(str(run_dir))}: all is well, {done} done.")
    elif diagnosis.training_helps and not diagnosis.settings_lost:
        print(
            f"To train what is missing or damaged: eac {shlex.join(_command(run_dir, diagnosis))}"
        )
    return int(bool(diagnosis.findings))


def _repair(run_dir: Path, diagnosis: "Diagnosis") -> int:
    """Trains from the first damaged period on; 0 when all is well then."""
    from eac.artifacts.doctor import diagnose
    from eac.cli.commands import run

    print(_said(run_dir, diagnosis), end="")
    if diagnosis.settings_lost or not diagnosis.training_helps:
        return int(bool(diagnosis.findings))
    status = run.main(_command(run_dir, diagnosis)[1:])
    left = diagnose(run_dir)
    print(_said(run_dir, left), end="", file=sys.stderr)
    return status or int(bool(left.findings))


def _said(run_dir: Path, diagnosis: "Diagnosis") -> str:
    """What was found, and what to do where the settings are lost; a sentence a line."""
    lines = [plain(finding.what) for finding in diagnosis.findings]
    if diagnosis.settings_lost:
        redo = "" if diagnosis.redo_from is None else f" --redo {diagnosis.redo_from}"
        lines.append(
            f"Its settings are lost. Give them again, as at the start, with --run.dir {run_dir}"
            f"{redo}"
        )
    return "".join(f"{line}\n" for line in lines)


def _command(run_dir: Path, diagnosis: "Diagnosis") -> list[str]:
    redo = diagnosis.redo_from
    again = [] if redo is None else ["--redo", str(redo)]
    return ["run", "--resume", str(run_dir), *again]


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = command_parser(
        "eac doctor",
        "Compares every file of a run with its digest, and names what is damaged,\n"
        "missing or of another version, period by period.",
        EXAMPLES,
    )
    parser.add_argument("run_dir", help="directory of the run")
    parser.add_argument(
        "--repair", action="store_true", help="train again from the first damaged period on"
    )
    return parser
