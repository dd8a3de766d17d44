"""``eac run``: trains and tests a whole stream and prints its table."""

import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from jsonargparse import Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException

from eac.cli.commands import report
from eac.cli.limits import one_line
from eac.cli.reading_flags import with_own_stream
from eac.cli.resumed import checked
from eac.cli.run_arguments import expand
from eac.cli.stream_cli import StreamCLI
from eac.data.core.blocks import hand_back
from eac.errors import ConfigError
from eac.plain import plain
from eac.records.folders import done_folders
from eac.rundir.interruption import Interrupted, interruptible
from eac.rundir.lock import only_writer
from eac.rundir.opening import go_on, is_complete
from eac.training.holding.divided import DividedNetwork
from eac.training.holding.division import connect
from eac.training.holding.network import Holding
from eac.training.processes import disconnect, is_first, lost_processes_said
from eac.training.runner import StreamRunner
from eac.training.watch import watch


class _Plain(logging.Formatter):
    """Writes out what a terminal would obey in the names of a stream."""

    def format(self, record: logging.LogRecord) -> str:
        """The message, harmless."""
        return plain(super().format(record))


def main(argv: Sequence[str]) -> int:
    """Runs the stream that the arguments describe.

    Returns:
        0 when every period asked for is done, 143 after SIGTERM and 130 after Ctrl-C.
    """
    handler = _ToStandardError()
    handler.setFormatter(_Plain("%(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("eac").setLevel(logging.INFO if is_first() else logging.WARNING)
    with interruptible():
        cli = StreamCLI(expand(checked(with_own_stream(argv))), run=False)
        run_dir = Path(cli.config["run"]["dir"])
        try:
            with only_writer(run_dir) if is_first() else nullcontext(), lost_processes_said():
                return _run(cli, run_dir)
        except Interrupted as stop:
            if is_first():
                print(f"eac run: stopped by {stop.name}. {_kept(run_dir)}", file=sys.stderr)
            return stop.status


class _ToStandardError(logging.StreamHandler):
    """Writes to whatever standard error is now: a bar puts its own in place while it is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        self.setStream(sys.stderr)
        super().emit(record)


def _run(cli: StreamCLI, run_dir: Path) -> int:
    settings = cli.config["run"]
    watching = settings["watch"]
    runner = runner_of(cli, after_period=_write_page if watching else None)
    try:
        runner.run()
        if watching:
            _watch(runner, settings)
    except MisconfigurationException as error:  # what only the batches of a period could show
        raise ConfigError(f"trainer: {one_line(error)}.") from error
    del runner  # with what it keeps of the stream, before the page is written
    hand_back()
    disconnect()
    if not is_first():
        return 0
    status = report.main([str(run_dir)])
    report.write_run_page(str(run_dir))
    return status or int(not is_complete(run_dir))


def runner_of(
    cli: StreamCLI, *, after_period: Callable[[Path], None] | None = None
) -> StreamRunner:
    """The runner that the arguments describe; ``after_period`` is called after each period."""
    settings = cli.config["run"]
    return StreamRunner(
        cli.model,
        cli.datamodule,
        run_dir=settings["dir"],
        make_trainer=cli.make_trainer,
        config=cli.resolved_config(),
        test_past=settings["test_past"],
        peers=settings["peers"],
        partial=settings["partial"],
        accept_changes=settings["accept_changes"],
        redo=settings["redo"],
        after_period=after_period,
        progress=None if cli.config["trainer"]["enable_progress_bar"] is None else False,
        holding=_divided(cli.config) if settings["divide_sensors"] else None,
    )


def _divided(config: Namespace) -> Holding:
    """A share of the sensors, in a run of several processes."""
    settings, trainer = config["run"], config["trainer"]
    for key in ("test_past", "peers", "watch"):
        if settings[key]:
            raise ConfigError(f"run.{key} needs the whole network. Leave run.divide_sensors out.")
    if trainer["accelerator"] != "cpu" or trainer["strategy"] != "auto":
        raise ConfigError(
            "run.divide_sensors works on the CPU, and each process trains as the only one. Give "
            "--trainer.accelerator cpu, and leave trainer.strategy and trainer.devices out."
        )
    return DividedNetwork(connect(settings["process_timeout"]))


def _watch(runner: StreamRunner, settings: Namespace) -> None:
    try:
        watch(
            runner,
            every=settings["watch_interval"],
            quiet=settings["watch_quiet"],
            timeout=settings["watch_timeout"],
        )
    except Interrupted:
        if is_first():
            _write_page(runner.run_dir)
        raise


def _write_page(run_dir: Path) -> None:
    report.write_run_page(str(run_dir))


def _kept(run_dir: Path) -> str:
    """What a run that was stopped keeps, and how to go on, in one line."""
    done = done_folders(run_dir)
    begun = sorted(run_dir.glob("period-*/last.ckpt")) + sorted(
        run_dir.glob("period-*/*/last.ckpt")
    )
    kept = f"{len(done)} done period{'' if len(done) == 1 else 's'}"
    if begun:
        folder = begun[0].relative_to(run_dir).parts[0]
        kept += f" and the finished epochs of {folder}"
    if not done and not begun:
        kept = "nothing yet"
    return f"Kept in {run_dir}: {kept}. Go on with: {go_on(run_dir)}"
