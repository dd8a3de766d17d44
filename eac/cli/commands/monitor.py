"""``eac monitor``: what is wrong in readings."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from eac.cli.command_parsers import ZONE_HELP, add_monitor, command_parser, table_to_write

EXAMPLE = """\
example:
  eac monitor runs/counts --input counts.parquet --output events.csv --policy stuck=ask

The first weeks of the input are the reference, in which nothing should be wrong; events are looked
for in what follows."""


def main(argv: Sequence[str]) -> int:
    """Writes and counts the events."""
    arguments = make_parser().parse_args(list(argv))
    output = table_to_write(arguments.output, arguments.input, arguments.forecasts)
    from eac.files import write_frame
    from eac.monitoring.policy import Policy
    from eac.serving.events import ask_for, find_events, find_forecast_events, in_order

    policy = Policy.parse(arguments.policy)
    events = find_events(
        Path(arguments.run_dir),
        Path(arguments.input),
        weeks=arguments.reference,
        alarms=arguments.alarms,
        policy=policy,
        time_zone=arguments.time_zone,
    )
    if arguments.forecasts is not None:
        backtest = Path(arguments.forecasts)
        more = find_forecast_events(
            Path(arguments.run_dir), backtest, alarms=arguments.alarms, policy=policy
        )
        events = in_order(events, more)
    write_frame(output, events, index=False)
    counts = events["kind"].value_counts()
    said = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"
    print(f"wrote {output}: {len(events)} events ({said})")
    if arguments.ask:
        asked = ask_for(Path(arguments.run_dir), events)
        print(f"{asked} new requests for the next period of {arguments.run_dir}")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = command_parser(
        "eac monitor",
        "Finds sensors that are silent, stuck, spiking, shifted or in another unit,\n"
        "and drift of the whole network.",
        EXAMPLE,
    )
    add = parser.add_argument
    add("run_dir", metavar="RUN", help="directory of a run: its sensors and its step")
    add("--input", required=True, metavar="FILE", help="readings: .csv or .parquet")
    add("--time-zone", metavar="ZONE", help=ZONE_HELP)
    add("--forecasts", metavar="FILE", help="what eac backtest --level 90 wrote: do they hold?")
    add("--output", required=True, metavar="FILE", help="receives events: .csv or .parquet")
    add("--reference", type=int, default=4, metavar="WEEKS", help="first weeks (default: 4)")
    add_monitor(parser)
    add(
        "--ask",
        action="store_true",
        help="ask the run for its next period what events ask: tune prompts, refresh everything",
    )
    return parser
