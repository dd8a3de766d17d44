"""`eac data`: check, describe, connect and convert streams."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

from eac.checks import check_least
from eac.cli.command_parsers import command_parser
from eac.cli.reading_flags import add_reading_flags, form_of
from eac.data.core.period import Period
from eac.data.core.stream import GraphStream
from eac.data.manage.clocks import clock_notes
from eac.data.manage.convert import Layout, convert
from eac.data.manage.describe import PeriodSummary, summaries
from eac.data.manage.expect import check_expected
from eac.data.manage.nearest import connect
from eac.data.manage.subset import FirstNodes
from eac.data.readers.open import LAYOUTS, open_stream
from eac.errors import EACError
from eac.plain import one_line, plain
from eac.report.common.escapes import json_text
from eac.report.common.markup import MarkedTable
from eac.report.common.terminal import console, print_table

PERIOD_HEADS = (
    *("period", "nodes", "kept", "new", "returned", "gone"),
    *("steps", "missing", "edges", "isolated", "first", "last"),
)
READING_HEADS = ("period", "mean", "std", "min", "max", "zero")


def main(argv: list[str]) -> int:
    """Runs one `eac data` command; returns the exit status."""
    arguments = make_parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except EACError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = command_parser(
        "eac data",
        "Look at your own data before a run: check them, and write what is missing.",
        f"{LAYOUTS}\n\nexamples:\n  eac data check counts.csv\n"
        "  eac data convert counts.csv counts --to table",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    stream = argparse.ArgumentParser(add_help=False)
    stream.add_argument("path", help="folder or file of the stream")
    add_reading_flags(stream)
    check = commands.add_parser(
        "check",
        parents=[stream],
        help="validate every period and print a table of them",
        description="Reads and validates every period, prints a table of them, and warns of what "
        "looks suspicious. Exit status 1, and one message, where something is wrong.",
    )
    add = partial(check.add_argument, metavar="N", type=int, default=12)
    add("--window", help="past steps in (default: 12)")
    add("--horizon", help="future steps out (default: 12)")
    expected = "YAML file that says what the stream must hold"
    check.add_argument("--expect", type=Path, metavar="FILE", help=expected)
    check.set_defaults(run=_check)
    about = "print what a stream holds"
    describe = commands.add_parser("describe", parents=[stream], help=about)
    describe.add_argument("--json", action="store_true", help="print JSON")
    describe.set_defaults(run=_describe)
    _add_writers(commands, stream)
    return parser


def _add_writers(commands: Any, stream: argparse.ArgumentParser) -> None:
    """The commands that write something."""
    edges = commands.add_parser(
        "connect",
        parents=[stream],
        help="write edges.csv from the coordinates in nodes.csv",
        description="Writes edges.csv next to each nodes.csv (node_id,latitude,longitude): each "
        "sensor and its nearest ones, nearer ones with more weight.",
    )
    near = "neighbours that each sensor asks for (default: 4)"
    edges.add_argument("--nearest", type=int, default=4, metavar="N", help=near)
    edges.set_defaults(run=_connect)
    about = "write a stream in another layout"
    change = commands.add_parser("convert", parents=[stream], help=about)
    change.add_argument("destination", help="new folder; must not exist")
    change.add_argument("--to", required=True, choices=get_args(Layout), help="layout to write")
    change.set_defaults(run=_convert)
    cut = commands.add_parser(
        "subset",
        parents=[stream],
        help="write a stream cut to the first nodes of each period",
        description="Writes the stream with the first nodes of each period alone, to see what a "
        "network does that begins with few sensors.",
        epilog="example:\n  eac data subset streams/bergen streams/small --nodes 3,10,30,65,95",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cut.add_argument("destination", help="new folder; must not exist")
    many = "nodes of each period, in order"
    cut.add_argument("--nodes", required=True, type=_counts, metavar="N,N,...", help=many)
    layouts = get_args(Layout)
    cut.add_argument("--to", default="table", choices=layouts, help="layout (default: table)")
    cut.set_defaults(run=_subset)


def _check(arguments: argparse.Namespace) -> int:
    check_least(1, window=arguments.window, horizon=arguments.horizon)
    stream = open_stream(arguments.path, form_of(arguments))
    done: list[PeriodSummary] = []
    try:
        for period in summaries(stream, window=arguments.window, horizon=arguments.horizon):
            done.append(period)
    finally:
        if done:
            _print_periods(stream, done)
            _print_warnings(done)
            _print_note_on_edges(done)
    if arguments.expect:
        print(f"{_count(check_expected(arguments.expect, stream, done), 'fact')} as expected")
    warnings = sum(len(period.warnings) for period in done)
    print(f"{_count(len(done), 'period')} valid, {_count(warnings, 'warning')}")
    return 0


def _describe(arguments: argparse.Namespace) -> int:
    stream = open_stream(arguments.path, form_of(arguments))
    periods = list(summaries(stream))
    about = {"name": stream.name, "target": stream.target}
    about |= {"unit": stream.unit, "source": stream.source}
    if arguments.json:
        rows = [dataclasses.asdict(period) for period in periods]
        print(json_text(json.dumps(about | {"periods": rows}, indent=2, ensure_ascii=False)))
        return 0
    for key, value in about.items():
        if value:
            print(f"{key}: {one_line(str(value))}")
    _print_periods(stream, periods)
    _print_readings(stream, periods)
    _print_warnings(periods)
    return 0


def _connect(arguments: argparse.Namespace) -> int:
    for path in connect(arguments.path, arguments.nearest):
        print(f"wrote {path}")
    return 0


def _convert(arguments: argparse.Namespace) -> int:
    return _write(open_stream(arguments.path, form_of(arguments)), arguments)


def _subset(arguments: argparse.Namespace) -> int:
    stream = open_stream(arguments.path, form_of(arguments))
    return _write(FirstNodes(stream, arguments.nodes), arguments)


def _write(stream: GraphStream, arguments: argparse.Namespace) -> int:
    """Writes a stream, and says what its reading left out, moved or rounded."""
    first = stream.period_names[0]

    def tell(period: Period) -> None:
        notes = clock_notes(period.calendar) if period.name == first else ()
        _print_notes(period.name, notes, period.notes, beside=True)

    destination = convert(stream, arguments.destination, arguments.to, tell)
    print(f"wrote {_count(len(stream), 'period')} to {destination}")
    return 0


def _counts(text: str) -> list[int]:
    """Whole numbers between commas."""
    parts = text.split(",")
    if not all(part.strip().isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}: give whole numbers, such as 3,10,30")
    return [int(part) for part in parts]


def _print_periods(stream: GraphStream, periods: list[PeriodSummary]) -> None:
    rows = [
        (
            *(period.name, period.num_nodes, period.kept, period.new, period.returned),
            *(period.gone, period.num_steps, f"{period.missing_share:.1%}", period.num_edges),
            *(period.num_isolated, period.first, period.last),
        )
        for period in periods
    ]
    what = f": {stream.target}" if stream.target else ""
    unit = f" in {stream.unit}" if stream.unit else ""
    _print_table(f"Periods of {stream.name}{what}{unit}", PERIOD_HEADS, rows)


def _print_readings(stream: GraphStream, periods: list[PeriodSummary]) -> None:
    rows = [
        (
            *(period.name, _number(period.mean), _number(period.std), _number(period.low)),
            *(_number(period.high), _percent(period.zero_share)),
        )
        for period in periods
    ]
    title = f"Readings{f' in {stream.unit}' if stream.unit else ''}"
    _print_table(title, READING_HEADS, rows)


def _print_warnings(periods: list[PeriodSummary]) -> None:
    for period in periods:
        _print_notes(period.name, period.notes, period.warnings)


def _print_notes(
    name: str, notes: Iterable[str], warnings: Iterable[str], *, beside: bool = False
) -> None:
    """Prints what was said of a period, ``beside`` on stderr."""
    for kind, said in (("note", notes), ("warning", warnings)):
        for text in said:
            print(plain(f"{kind}: period {name!r}: {text}"), file=sys.stderr if beside else None)


def _print_note_on_edges(periods: list[PeriodSummary]) -> None:
    if not any(period.num_edges for period in periods):
        print(
            "note: there are no edges, so every sensor is forecast from its own readings. Where "
            "you know coordinates, list them in nodes.csv and run: eac data connect PATH"
        )


def _print_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    cells = [[str(cell) for cell in row] for row in rows]
    spare = ("isolated", "returned", "edges", "gone", "kept", "new", "zeros", "std")
    print_table(MarkedTable.of_text(title, tuple(heads), cells, spare=spare), console())


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
