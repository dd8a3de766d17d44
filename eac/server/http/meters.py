"""Counts and times of a server, as Prometheus reads them."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eac.server.engine import Engine

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Meters:
    """What ``/metrics`` shows.

    Args:
        engine: Of the server.
    """

    def __init__(self, engine: Engine):
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "eac_requests_total", "Requests", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "eac_request_seconds",
            "Time of a request",
            ["route"],
            buckets=BUCKETS,
            registry=registry,
        )
        gauges = {
            "eac_forwards": ("Forecasts of the whole network", lambda: engine.forwards),
            "eac_forward_seconds": ("Time of the last of these", lambda: engine.seconds),
            "eac_observed": ("Readings accepted", lambda: engine.observed),
            "eac_sensors": ("Sensors on the board", lambda: len(engine.board.node_ids)),
            "eac_generation": ("Number of the generation", lambda: engine.generation.name.number),
            "eac_events": ("Events kept", lambda: len(engine.events)),
            "eac_ready": (
                "1: there is a forecast",
                lambda: int(engine.current is not None and engine.trouble is None),
            ),
        }
        for name, (text, read) in gauges.items():
            Gauge(name, text, registry=registry).set_function(read)

    def exposed(self) -> tuple[bytes, str]:
        """The text, and its type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Measures every request by its route."""

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            status, started = "500", time.perf_counter()

            async def noted(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = str(message["status"])
                await send(message)

            try:
                await app(scope, receive, noted)
            finally:
                route = getattr(scope.get("route"), "path", "other")
                self._requests.labels(route, status).inc()
                self._seconds.labels(route).observe(time.perf_counter() - started)

        return measured
