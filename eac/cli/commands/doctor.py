"""``eac doctor``: what is damaged in a run, and what to do."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from eac.cli.command_parsers import command_parser
from eac.plain import plain

EXAMPLES = """\
exit status: 0 when every file of the run is as it was written and every period is done, else 1.

examples:
  eac doctor runs/counts             name what is damaged or missing
  eac doctor runs/counts --repair    train from the first damaged period on"""


def main(argv: Sequence[str]) -> int:
    """Examines a run; with ``--repair`` trains what is damaged again."""
    arguments = make_parser().parse_args(list(argv))
    from eac.artifacts.doctor import Diagnosis, diagnose

    run_dir = Path(arguments.run_dir)
    diagnosis = diagnose(run_dir)
    for finding in diagnosis.findings:
        print(plain(finding.what))
    if not diagnosis.findings:
        done = "1 period is" if diagnosis.periods == 1 else f"{diagnosis.periods} periods are"
        print(f"{plain(str(run_dir))}: all is well, {done} done.")
        return 0
    command = _command(run_dir, diagnosis.redo_from)
    if diagnosis.settings_lost:
        print(
            f"Its settings are lost. Give them again, as at the start, with --run.dir {run_dir}"
            + ("" if diagnosis.redo_from is None else f" --redo {diagnosis.redo_from}")
        )
        return 1
    if not arguments.repair:
        print(f"To train what is missing or damaged: eac {shlex.join(command)}")
        return 1
    from eac.cli.commands import run

    status = run.main(command[1:])
    left: Diagnosis = diagnose(run_dir)
    for finding in left.findings:
        print(plain(finding.what), file=sys.stderr)
    return status or int(bool(left.findings))


def _command(run_dir: Path, redo: int | None) -> list[str]:
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
