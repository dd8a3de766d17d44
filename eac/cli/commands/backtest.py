"""``eac backtest``: forecasts of a run as they would have been issued."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from eac.cli.command_parsers import add_trust, command_parser, table_to_write
from eac.cli.resumed import check_saved
from eac.errors import ConfigError, RunError
from eac.plain import one_line
from eac.rundir.settings import CONFIG_FILE

EXAMPLE = """\
example:
  eac backtest runs/counts --delay 2h --level 80 95 --output backtest.parquet

Every finished period is forecast by the model that was refitted in it. Where --delay is 0, errors
and intervals are those of eac report."""


def main(argv: Sequence[str]) -> int:
    """Writes the backtest of one run."""
    arguments = make_parser().parse_args(list(argv))
    output, run_dir = table_to_write(arguments.output), Path(arguments.run_dir)
    if not (run_dir / CONFIG_FILE).is_file():
        raise RunError(f"{run_dir} holds no {CONFIG_FILE}. Give the directory of a run.")
    if arguments.policy and arguments.refit != "monitor":
        raise ConfigError("--policy is that of a monitor. Add --refit monitor, or leave it out.")
    check_saved(run_dir, arguments.trust)
    from eac.backtest.walk import Walk
    from eac.cli.stream_cli import StreamCLI
    from eac.files import write_frame
    from eac.monitoring.policy import Policy

    cli = StreamCLI(["-c", str(run_dir / CONFIG_FILE), "--run.dir", str(run_dir)], run=False)
    table_to_write(arguments.output, cli.datamodule.stream.opened_from)
    policy = Policy.parse(arguments.policy) if arguments.refit == "monitor" else None
    delay = _delay(arguments.delay)
    walk = Walk(run_dir, cli.model, cli.datamodule, delay, arguments.level, policy)
    frames = list(walk.frames())
    if not frames:
        raise RunError(f"{run_dir} has no finished period yet.")
    whole = pd.concat(frames, ignore_index=True)
    write_frame(output, whole, index=False)
    mean = "mean over steps and periods"
    print(f"wrote {output}: {len(whole)} forecasts, MAE {mean_mae(whole):.3f} ({mean})")
    if policy is not None:
        used = whole["model"].drop_duplicates().tolist()
        print(one_line(f"models that the monitor asked for: {', '.join(used)}"))
    return 0


def mean_mae(forecasts: pd.DataFrame) -> float:
    """The MAE of a table of forecasts as reports count it: the mean of each step's, and of periods.

    Example:
        >>> table = {"period": ["0"] * 3, "step": [1, 1, 2], "y": [0.0] * 3, "y_hat": [1, 3, 6]}
        >>> mean_mae(pd.DataFrame(table))
        4.0
    """
    error = (forecasts["y"] - forecasts["y_hat"]).abs()
    by_step = error.groupby([forecasts["period"], forecasts["step"]], sort=False).mean()
    return float(by_step.groupby(level=0, sort=False).mean().mean())


def _delay(text: str) -> "pd.Timedelta":
    try:
        delay = pd.Timedelta(0) if text == "0" else pd.Timedelta(text)
    except ValueError:
        delay = pd.NaT
    if pd.isna(delay):  # also what pandas makes of "nan"
        raise ConfigError(f"--delay {text}: give a time, such as 2h or 30min.")
    return delay


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = command_parser(
        "eac backtest",
        "Forecasts and intervals over the test parts of a run, as they would have\n"
        "been issued when readings come late; one row for each sensor, cutoff and step.",
        EXAMPLE,
    )
    add = parser.add_argument
    add("run_dir", metavar="RUN", help="directory of a run; its stream is read again")
    add("--output", required=True, metavar="FILE", help="receives the table: .parquet or .csv")
    add("--delay", default="0", help="time from a reading to its arrival, such as 2h (default: 0)")
    add(
        "--refit",
        choices=["period", "monitor"],
        default="period",
        help="which models are used: of every period (default), or when a monitor asks for one",
    )
    add("--policy", nargs="*", default=[], metavar="KIND=ACTION", help="of that monitor")
    add("--level", type=int, nargs="+", default=(), metavar="PERCENT", help="add intervals")
    add_trust(parser)
    return parser
