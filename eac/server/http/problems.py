"""Errors as problem details (RFC 9457)."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteError

from eac.errors import EACError, WriteError

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "The request is not valid",
    401: "A token is needed",
    404: "Not found",
    405: "Not allowed",
    413: "The request is too large",
    422: "The readings are not valid",
    429: "Too many requests",
    503: "Not ready",
}


class ProblemError(Exception):
    """An answer that is an error.

    Args:
        status: HTTP status.
        detail: What is wrong, and what to do.
        more: Further members, such as ``row`` and ``unique_id``.

    Example:
        >>> ProblemError(422, "ds is missing", row=3).response().status_code
        422
    """

    def __init__(self, status: int, detail: str, **more: Any):
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.more = more

    def response(self) -> JSONResponse:
        """The answer."""
        headers = {"Retry-After": "1"} if self.status in (429, 503) else None
        said = {
            "type": "about:blank",
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
        }
        return JSONResponse(said | self.more, self.status, headers, media_type=MEDIA_TYPE)


def answer_problems(app: FastAPI) -> None:
    """Lets every error of the application be a problem detail.

    Example:
        >>> app = FastAPI()
        >>> answer_problems(app)
        >>> EACError in app.exception_handlers
        True
    """

    async def problem(request: Request, error: Exception) -> JSONResponse:
        del request
        if isinstance(error, ProblemError):
            return error.response()
        if isinstance(error, RequestValidationError):
            return _invalid(error).response()
        if isinstance(error, StarletteError):
            return ProblemError(error.status_code, str(error.detail)).response()
        if isinstance(error, EACError):
            status = 503 if isinstance(error, WriteError) else 400
            return ProblemError(status, str(error)).response()
        return ProblemError(500, "something went wrong; the log of the server says more").response()

    for kind in (ProblemError, RequestValidationError, StarletteError, EACError):
        app.add_exception_handler(kind, problem)
    app.add_exception_handler(Exception, problem)


def _invalid(error: RequestValidationError) -> ProblemError:
    """The first thing that is wrong, with the row where it is one of many."""
    first = error.errors()[0]
    place = [part for part in first["loc"] if part not in ("body", "query", "path")]
    where = ".".join(map(str, place))
    more: dict[str, Any] = {"where": where}
    if len(place) > 1 and place[0] == "readings" and isinstance(place[1], int):
        more["row"] = place[1]
    return ProblemError(422, f"{where or 'the body'}: {first['msg']}", **more)
