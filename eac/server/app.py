"""The routes of ``eac serve``."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from eac import __version__
from eac.errors import WriteError
from eac.server import views
from eac.server.engine import Engine
from eac.server.forecast import NetworkForecast
from eac.server.http.admin import add_admin
from eac.server.http.limits import Limits
from eac.server.http.meters import Meters
from eac.server.http.problems import ProblemError, answer_problems
from eac.server.http.requests import observation_schema, read_observation

PAGE = {"": "text/html", "page.js": "text/javascript", "page.css": "text/css"}
IDS = "ids, separated by commas; give it again for one that holds a comma"
POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Settings:
    """Limits of a server.

    Attributes:
        token: Of the admin routes; None or empty: there are none.
        max_body: Bytes of a request.
        max_rows: Readings of a request.
        rate: Requests of a client in a second; 0 sets no limit.

    Example:
        >>> Settings(token="secret", rate=0).max_rows
        100000
    """

    token: str | None = None
    max_body: int = 16 << 20
    max_rows: int = 100_000
    rate: float = 2000.0


class Observed(BaseModel):
    """What became of readings that are on the disk now.

    Example:
        >>> Observed(accepted=2, duplicate=0, too_old=0, new_ids=["a"], now=None).accepted
        2
    """

    accepted: int
    duplicate: int
    too_old: int
    new_ids: list[str]
    now: str | None


def create_app(engine: Engine, settings: Settings | None = None) -> FastAPI:
    """An application that answers from an engine, which it starts and stops.

    Args:
        engine: Not started yet.
        settings: Limits; None takes the defaults.
    """
    chosen = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        engine.start()
        yield
        await asyncio.to_thread(engine.stop)

    app = FastAPI(title="eac", version=__version__, lifespan=lifespan, redoc_url=None)
    app.add_middleware(Limits, max_body=chosen.max_body, rate=chosen.rate)
    meters = Meters(engine)
    app.add_middleware(meters.middleware)
    answer_problems(app)
    _add_readings(app, engine, chosen)
    _add_forecasts(app, engine)
    _add_health(app, engine, meters)
    _add_page(app)
    if chosen.token:
        add_admin(app, engine, chosen.token)
    return app


def _add_readings(app: FastAPI, engine: Engine, settings: Settings) -> None:
    schema = {"required": True, "content": {"application/json": {"schema": observation_schema()}}}

    @app.post("/observe", openapi_extra={"requestBody": schema})
    async def observe(request: Request) -> Observed:
        """Keeps readings: answered when the disk has them."""
        try:
            body = await request.body()
        except ClientDisconnect as error:
            raise ProblemError(400, "the request ended before its body did.") from error
        found = read_observation(body, engine.board, settings.max_rows)
        try:
            placed = await asyncio.wrap_future(engine.observe(found))
        except WriteError as error:
            raise ProblemError(503, f"these readings were not kept: {error}") from error
        now = engine.board.now
        return Observed(
            accepted=placed.accepted,
            duplicate=placed.duplicate,
            too_old=placed.too_old,
            new_ids=placed.new_ids,
            now=None if now is None else engine.board.time_of(now).isoformat(),
        )

    @app.get("/readings")
    async def readings(sensor: str, last: Annotated[int, Query(ge=1, le=10_000)] = 168) -> Any:
        """The last readings of one sensor."""
        return views.readings_of(engine, sensor, last) or _no_sensor([sensor])

    @app.get("/sensors")
    async def sensors() -> list[dict[str, Any]]:
        """Every sensor: whether it is forecast, its last reading, where it is."""
        return views.sensors(engine)


def _add_forecasts(app: FastAPI, engine: Engine) -> None:
    @app.get("/forecast")
    async def forecast(
        sensors: Annotated[list[str] | None, Query(description=IDS)] = None,
        level: Annotated[list[str] | None, Query(description="percents, such as 80,95")] = None,
    ) -> Response:
        """Forecasts with intervals; all of one answer come from one generation."""
        current = _current(engine)
        wanted = None if sensors is None else _ids(sensors, current)
        if wanted is not None and (unknown := current.unknown(wanted)):
            return _no_sensor(unknown)
        body = current.body(wanted, _levels(",".join(level or ())))
        return Response(body, media_type="application/json")

    @app.get("/events")
    async def events(after: int = 0) -> list[dict[str, Any]]:
        """What there is to know of the network, in order; ``after`` leaves out older ones."""
        return [asdict(event) for event in engine.events.after(after)]

    @app.get("/requests")
    async def requests() -> list[dict[str, Any]]:
        """What the policy asks somebody to do: tune prompts, refresh everything, look."""
        watcher = engine.watcher
        return [] if watcher is None else [asdict(one) for one in watcher.requests.open()]


def _add_health(app: FastAPI, engine: Engine, meters: Meters) -> None:
    @app.get("/livez")
    async def livez() -> dict[str, str]:
        """The server runs."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> Response:
        """There is a forecast, and observations can be kept."""
        if (trouble := engine.trouble) is not None:
            raise ProblemError(503, trouble)
        name = _current(engine).generation
        return JSONResponse({"status": "ok", "generation": vars(name)})

    @app.get("/metrics")
    async def metrics() -> Response:
        """Counts and times for Prometheus."""
        body, kind = meters.exposed()
        return Response(body, media_type=kind)


def _add_page(app: FastAPI) -> None:
    folder = files("eac.server") / "page"

    def shown(name: str, kind: str) -> Response:
        body = (folder / (name or "index.html")).read_text(encoding="utf-8")
        return Response(body, media_type=kind, headers={"Content-Security-Policy": POLICY})

    for name, kind in PAGE.items():
        app.add_api_route(
            f"/{name}",
            lambda name=name, kind=kind: shown(name, kind),
            include_in_schema=False,
            name=name or "page",
        )


def _current(engine: Engine) -> NetworkForecast:
    current = engine.current
    if current is None:
        window = engine.generation.predictor.data.window
        raise ProblemError(503, f"there are no forecasts yet: observe at least {window} steps.")
    return current


def _ids(given: list[str], current: NetworkForecast) -> list[str]:
    """The ids of a request: each value is one, where there is such a sensor, or several."""
    return [
        one
        for value in given
        for one in (value.split(",") if current.unknown([value]) else [value])
    ]


def _no_sensor(unknown: list[str]) -> JSONResponse:
    return ProblemError(
        404,
        f"sensor {unknown[0]!r} has no forecast. GET /sensors names those that have.",
        unique_id=unknown[0],
    ).response()


def _levels(level: str) -> list[int]:
    try:
        return [] if not level else [int(part) for part in level.split(",")]
    except ValueError:
        raise ProblemError(400, f"level {level!r}: give percents, such as 80,95.") from None
