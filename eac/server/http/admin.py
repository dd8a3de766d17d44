"""The routes that change what is served; there are none without a token."""

import asyncio
import secrets
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header

from eac.errors import EACError, WriteError
from eac.server import views
from eac.server.engine import Engine
from eac.server.generation import Generation
from eac.server.http.problems import ProblemError


def add_admin(app: FastAPI, engine: Engine, token: str) -> None:
    """Adds the routes, each behind the token."""

    def allowed(authorization: Annotated[str, Header()] = "") -> None:
        given = authorization.removeprefix("Bearer ").encode()
        if not secrets.compare_digest(given, token.encode()):
            raise ProblemError(401, "give the token of the server: Authorization: Bearer TOKEN")

    guarded = [Depends(allowed)]

    @app.get("/admin/artifacts", dependencies=guarded)
    async def artifacts() -> dict[str, Any]:
        """Artifacts of the run, oldest first, and the one in use."""
        return {
            "active": engine.generation.name.artifact,
            "artifacts": await asyncio.to_thread(views.artifacts, engine),
        }

    @app.post("/admin/artifacts/{artifact}:activate", dependencies=guarded)
    async def activate(artifact: str) -> dict[str, Any]:
        """Puts an artifact in the place of the one in use, here and for ``eac predict``."""
        try:
            made = await asyncio.to_thread(engine.activate, artifact)
        except EACError as error:
            raise ProblemError(404, str(error)) from error
        return await _pinned(engine, made)

    @app.post("/admin/artifacts:rollback", dependencies=guarded)
    @app.post("/admin/artifacts/{artifact}:rollback", dependencies=guarded)
    async def rollback(artifact: str | None = None) -> dict[str, Any]:
        """Goes back to the generation before, from this artifact where one is named."""
        active = engine.generation.name.artifact
        if artifact is not None and not active.startswith(artifact):
            raise ProblemError(409, f"artifact {artifact} is not in use; {active} is.")
        made = await asyncio.to_thread(engine.rollback)
        if made is None:
            raise ProblemError(409, "there is no generation before this one.")
        return await _pinned(engine, made)

    _add_watched(app, engine, guarded)


def _add_watched(app: FastAPI, engine: Engine, guarded: list[Any]) -> None:
    @app.post("/admin/sensors/{unique_id:path}:unmask", dependencies=guarded)
    async def unmask(unique_id: str) -> dict[str, str]:
        """Trusts a sensor again that was marked or masked."""
        watcher = engine.watcher
        if watcher is None or not await asyncio.to_thread(watcher.unmask, unique_id):
            raise ProblemError(404, f"sensor {unique_id!r} is neither marked nor masked.")
        engine.renew()
        return {"unique_id": unique_id}

    @app.post("/admin/requests/{number}:done", dependencies=guarded)
    async def done(number: int) -> dict[str, int]:
        """Notes that a request was taken up."""
        watcher = engine.watcher
        if watcher is None or not await asyncio.to_thread(watcher.requests.finish, number):
            raise ProblemError(404, f"there is no open request {number}. See GET /requests.")
        return {"number": number}


async def _pinned(engine: Engine, made: Generation) -> dict[str, Any]:
    try:
        await asyncio.to_thread(engine.pin)
    except WriteError as error:
        said = f"{made.name.artifact} is in use until the next start: {error}"
        raise ProblemError(503, said) from error
    return vars(made.name)
