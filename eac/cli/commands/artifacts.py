"""``eac artifacts``: what a run has left, and moving it."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eac.cli.command_parsers import add_trust, command_parser
from eac.errors import RunError
from eac.plain import one_line

SHORT = 12
"""Digits of an id that are shown; eight or more name an artifact."""
EXAMPLES = """\
An artifact is what a finished period leaves: prompts, what else differs from its base, scales,
graph and intervals. ID is the beginning of its id, or the name or position of a period.

examples:
  eac artifacts list runs/counts
  eac artifacts diff runs/counts 0 -1
  eac artifacts export runs/counts -1 --output march
  eac artifacts import runs/other march      refused where the base is another
  eac artifacts use runs/other 1c93ff55954b  eac predict and eac serve follow
  eac artifacts rollback runs/counts         the one before; back again: use runs/counts newest"""


def main(argv: Sequence[str]) -> int:
    """Runs one of the verbs."""
    arguments = make_parser().parse_args(list(argv))
    run_dir = Path(arguments.run_dir)
    if arguments.verb != "import" and not run_dir.is_dir():
        raise RunError(f"{run_dir} is not a directory. Give the directory of a run.")
    verbs: dict[str, Callable[[Path, argparse.Namespace], None]] = {
        "list": _list,
        "diff": _diff,
        "export": _export,
        "import": _import,
        "use": _use,
        "rollback": _rollback,
    }
    verbs[arguments.verb](run_dir, arguments)
    return 0


def _list(run_dir: Path, arguments: argparse.Namespace) -> None:
    from eac.artifacts.exchange import about
    from eac.artifacts.kept import current_folder, kept_folders

    current = current_folder(run_dir)
    rows = [(folder, about(folder)) for folder in kept_folders(run_dir)]
    if arguments.json:
        said = [
            asdict(known) | {"folder": folder.name, "current": folder == current}
            for folder, known in rows
        ]
        print(json.dumps(said, indent=1, ensure_ascii=False))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "artifact", "period", "sensors", "until", "MAE", "holds"):
        table.add_column(name, justify="right" if name in ("sensors", "MAE") else "left")
    for folder, known in rows:
        mean = known.mae.get("mean")
        holds = ", ".join(f"{kind} {count:,}" for kind, count in known.holds.items())
        cells = (
            "*" if folder == current else "",
            known.id[:SHORT],
            known.period,
            str(known.sensors),
            known.last or "",
            "" if mean is None else f"{mean:.2f}",
            holds,
        )
        table.add_row(*(escape(one_line(cell)) for cell in cells))
    Console().print(table)
    print("* in use by eac predict and eac serve; holds: numbers that differ from the base")


def _diff(run_dir: Path, arguments: argparse.Namespace) -> None:
    from eac.artifacts.difference import difference
    from eac.artifacts.kept import find_kept

    found = difference(find_kept(run_dir, arguments.first), find_kept(run_dir, arguments.second))
    if arguments.json:
        print(json.dumps(asdict(found), indent=1, ensure_ascii=False))
        return
    for what, nodes in (("joined", found.joined), ("left", found.left)):
        some = ", ".join(nodes[:8]) + (", ..." if len(nodes) > 8 else "")
        print(one_line(f"sensors {what}: {len(nodes)}{f' ({some})' if nodes else ''}"))
    for name, (old, new) in found.settings.items():
        print(one_line(f"setting {name}: {old} -> {new}"))
    for name, share in found.tensors.items():
        print(f"tensor {name}: {'other shape' if share is None else f'moved by {share:.1%}'}")
    old, new = (f"{mae:.3f}" if mae is not None else "unknown" for mae in found.mae)
    print(f"MAE of their test parts: {old} -> {new}")


def _export(run_dir: Path, arguments: argparse.Namespace) -> None:
    from eac.artifacts.exchange import export_artifact
    from eac.artifacts.kept import current_folder, find_kept

    wanted = arguments.artifact
    folder = current_folder(run_dir) if wanted is None else find_kept(run_dir, wanted)
    known = export_artifact(folder, Path(arguments.output))
    base = known.base_sha256
    needs = "it is whole" if base is None else f"it completes the base {base[:SHORT]}"
    print(one_line(f"wrote {arguments.output}: {known.id[:SHORT]} of {known.period!r}; {needs}"))


def _import(run_dir: Path, arguments: argparse.Namespace) -> None:
    from eac.artifacts.artifact import read_artifact
    from eac.artifacts.exchange import import_artifact

    folder = import_artifact(run_dir, Path(arguments.source), arguments.trust)
    short = read_artifact(folder).id[:SHORT]
    print(f"imported {short}. To forecast with it: eac artifacts use {run_dir} {short}")


def _use(run_dir: Path, arguments: argparse.Namespace) -> None:
    from eac.artifacts.kept import find_kept, newest_folder, use

    newest = arguments.artifact == "newest"
    chosen = newest_folder(run_dir) if newest else find_kept(run_dir, arguments.artifact)
    use(run_dir, chosen)
    _say_used(run_dir, chosen)


def _rollback(run_dir: Path, arguments: argparse.Namespace) -> None:
    from eac.artifacts.kept import rollback

    del arguments
    _say_used(run_dir, rollback(run_dir))


def _say_used(run_dir: Path, folder: Path) -> None:
    from eac.artifacts.artifact import read_artifact

    artifact = read_artifact(folder)
    said = f"{artifact.id[:SHORT]} of {artifact.period!r}"
    print(one_line(f"eac predict and eac serve of {run_dir} use {said} from now on"))


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    about = "What a run has left: lists, compares, moves it, and says which is used."
    parser = command_parser("eac artifacts", about, EXAMPLES)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.add_argument("run_dir", metavar="RUN", help="directory of the run")
        return added

    verb("list", "every artifact, and which is in use").add_argument("--json", action="store_true")
    compared = verb("diff", "sensors, settings, tensors and errors that differ")
    compared.add_argument("first", metavar="ID")
    compared.add_argument("second", metavar="ID")
    compared.add_argument("--json", action="store_true")
    written = verb("export", "copies one to a folder of its own")
    written.add_argument("artifact", metavar="ID", nargs="?", help="default: the one in use")
    written.add_argument("--output", required=True, metavar="FOLDER", help="does not exist yet")
    taken = verb("import", "takes an exported one into a run of the same base")
    taken.add_argument("source", metavar="FOLDER", help="what export wrote")
    add_trust(taken)
    chosen = verb("use", "forecasts with this one from now on")
    chosen.add_argument("artifact", metavar="ID", help="or newest: follow the run")
    verb("rollback", "forecasts with the one before the one in use")
    return parser
