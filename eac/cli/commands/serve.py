"""``eac serve``: forecasts of a run over HTTP."""

import argparse
import gc
import importlib.util
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from eac.cli.command_parsers import ZONE_HELP, add_monitor, add_trust, command_parser
from eac.errors import ConfigError, RunError

if TYPE_CHECKING:
    from eac.server.engine import Engine

TOKEN = "EAC_ADMIN_TOKEN"
EXAMPLE = """\
example:
  eac serve runs/counts --input counts.csv --port 8000
  curl -d '{"readings": [{"unique_id": "a", "ds": "2024-01-31T13:00:00", "y": 12}]}' \\
    -H 'Content-Type: application/json' http://127.0.0.1:8000/observe
  curl 'http://127.0.0.1:8000/forecast?sensors=a&level=80,95'

Observations are kept in DIR/serving (or --state) and synchronised with the disk before they are
acknowledged. Routes that change what is served need a token in the environment: EAC_ADMIN_TOKEN."""


def main(argv: Sequence[str]) -> int:
    """Serves until it is stopped."""
    arguments = make_parser().parse_args(list(argv))
    missing = [n for n in ("fastapi", "uvicorn", "prometheus_client") if _absent(n)]
    if missing:
        raise RunError(f"eac serve needs {', '.join(missing)}: pip install 'eac[serve]'")
    _check(arguments)
    import torch
    import uvicorn

    from eac.server.app import Settings, create_app
    from eac.server.follow import Follower

    torch.set_num_threads(arguments.threads)
    engine = _engine(arguments)
    settings = Settings(
        token=os.environ.get(TOKEN) or None, max_body=arguments.max_body, rate=arguments.rate
    )
    app = create_app(engine, settings)
    follower = Follower(engine) if arguments.follow else None
    try:
        if follower is not None:
            follower.start()
        engine.prepare()
        gc.collect()
        gc.freeze()  # a walk through all that was loaded would hold requests for half a second
        with _listening(arguments.host, arguments.port) as found:
            place = f"http://{arguments.host}:{found.getsockname()[1]}"
            print(f"serving {arguments.run_dir} on {place}", flush=True)
            server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
            with suppress(KeyboardInterrupt):
                server.run(sockets=[found])
    finally:
        if follower is not None:
            follower.stop()
        engine.stop()
    return 0


def _engine(arguments: argparse.Namespace) -> "Engine":
    from eac.monitoring.policy import Policy
    from eac.server.generation import Loading
    from eac.server.start import open_engine
    from eac.server.watching import Watching

    watching = Watching(Policy.parse(arguments.policy), arguments.alarms)
    return open_engine(
        Path(arguments.run_dir),
        state_dir=None if arguments.state is None else Path(arguments.state),
        days=arguments.history,
        table=None if arguments.input is None else Path(arguments.input),
        watching=None if arguments.no_monitor else watching,
        loading=Loading(arguments.trust, arguments.time_zone),
    )


def _check(arguments: argparse.Namespace) -> None:
    """Refuses numbers that make no sense, before anything is loaded."""
    for name, least, most, such in (
        ("port", 0, 65535, "8000"),
        ("alarms", 1e-6, 1e6, "0.125"),
        ("threads", 1, 1024, "1"),
        ("max_body", 1, 1 << 40, "16777216"),
        ("rate", 0, 1e9, "2000; 0 sets no limit"),
    ):
        given = getattr(arguments, name)
        if not least <= given <= most:
            flag = name.replace("_", "-")
            raise ConfigError(
                f"--{flag} {given:g}: give a number from {least:g} to {most:g}, such as {such}."
            )
    if 0 < arguments.rate < 1:
        raise ConfigError(f"--rate {arguments.rate:g}: give 1 at least, or 0 for no limit.")


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens there, on a port that is free where ``port`` is 0."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"--host {host} --port {port} cannot be listened on: {said}. Give a --port that nobody "
            "uses, from 1024 on, and as --host 127.0.0.1, 0.0.0.0 or an address of this machine."
        ) from error


def _absent(name: str) -> bool:
    return importlib.util.find_spec(name) is None


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = command_parser(
        "eac serve",
        "Serves the forecasts of a run: POST /observe, GET /forecast, /sensors,\n"
        "/events, /readings, /metrics, /docs, and a live page.",
        EXAMPLE,
    )
    add = parser.add_argument
    add("run_dir", metavar="RUN", help="directory of a run, finished or running")
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    add("--port", type=int, default=8000, help="port to listen on (default: 8000)")
    add("--input", metavar="FILE", help="readings to begin with: .csv or .parquet")
    add("--state", metavar="DIR", help="where observations are kept (default: RUN/serving)")
    add(
        "--history",
        type=float,
        default=22,
        metavar="DAYS",
        help="readings kept; older ones go (default: 22)",
    )
    add("--time-zone", metavar="ZONE", help=ZONE_HELP)
    add("--follow", action="store_true", help="take up each artifact that the run leaves")
    add_monitor(parser)
    add("--no-monitor", action="store_true", help="do not look for events in readings")
    add_trust(parser)
    add("--threads", type=int, default=1, help="threads of a forecast (default: 1)")
    add("--max-body", type=int, default=16 << 20, metavar="BYTES", help="largest request")
    add("--rate", type=float, default=2000, help="requests of a client in a second; 0: any")
    return parser
