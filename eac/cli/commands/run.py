"""``eac run``: trains and tests a whole stream and prints its table."""

import logging
from collections.abc import Sequence
from pathlib import Path

from eac.cli.commands import report
from eac.cli.reading_flags import with_own_stream
from eac.cli.stream_cli import StreamCLI
from eac.errors import RunError
from eac.training.processes import disconnect, is_first
from eac.training.runner import StreamRunner
from eac.training.watch import watch


def runner_of(cli: StreamCLI) -> StreamRunner:
    """The runner that the arguments describe."""
    settings = cli.config["run"]
    return StreamRunner(
        cli.model,
        cli.datamodule,
        run_dir=settings["dir"],
        make_trainer=cli.make_trainer,
        config=cli.resolved_config(),
        test_past=settings["test_past"],
        peers=settings["peers"],
    )


def main(argv: Sequence[str]) -> int:
    """Runs the stream that the arguments describe."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("eac").setLevel(logging.INFO if is_first() else logging.WARNING)
    cli = StreamCLI(_expand(with_own_stream(argv)), run=False)
    settings, runner = cli.config["run"], runner_of(cli)
    runner.run()
    if settings["watch"]:
        watch(runner, every=settings["watch_interval"], timeout=settings["watch_timeout"])
    disconnect()
    if not is_first():
        return 0
    status = report.main([settings["dir"]])
    report.write_run_page(settings["dir"])
    return status


def _expand(args: list[str]) -> list[str]:
    """Replaces ``--resume DIR`` by the configuration of that run, and ``--watch`` by its key."""
    args = ["--run.watch=true" if arg == "--watch" else arg for arg in args]
    for position, arg in enumerate(args):
        name, _, value = arg.partition("=")
        if name == "--resume":
            length = 1 if value else 2
            value = value or (args[position + 1] if position + 1 < len(args) else "")
            config = Path(value) / "config.yaml"
            if not value or not config.is_file():
                raise RunError(
                    f"--resume {value}: there is no {config}. Give the directory of a run."
                )
            rest = args[:position] + args[position + length :]
            return ["-c", str(config), "--run.dir", value, *rest]
    return args
