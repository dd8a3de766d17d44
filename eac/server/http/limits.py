"""Limits of a server: size of a body, and requests of a client in a second."""

import time
from collections import OrderedDict

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eac.server.http.problems import ProblemError

CLIENTS = 10_000


class Limits:
    """Refuses bodies that are too large, and clients that ask too often.

    Args:
        app: What is protected.
        max_body: Bytes.
        rate: Requests of a client in a second; as many again at once. 0 sets no limit.

    Example:
        >>> import asyncio
        >>> said = []
        >>> async def send(message):
        ...     said.append(message.get("status"))
        >>> scope = {"type": "http", "headers": [(b"content-length", b"101")]}
        >>> asyncio.run(Limits(send, max_body=100, rate=0)(scope, send, send))
        >>> said[0]
        413
    """

    def __init__(self, app: ASGIApp, max_body: int, rate: float):
        self._app = app
        self._max_body = max_body
        self._rate = rate
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refusal(scope)
        if refused is not None:
            await refused.response()(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._max_body:
                return {"type": "http.disconnect"}
            return message

        async def sent(message: Message) -> None:
            if size <= self._max_body:
                await send(message)

        await self._app(scope, counted, sent)
        if size > self._max_body:
            await _too_large(self._max_body).response()(scope, receive, send)

    def _refusal(self, scope: Scope) -> ProblemError | None:
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > self._max_body:
                return _too_large(self._max_body)
        client = scope.get("client") or ("", 0)
        if self._rate and not self._allowed(client[0]):
            return ProblemError(
                429, f"more than {self._rate:g} requests a second. Ask more slowly."
            )
        return None

    def _allowed(self, client: str) -> bool:
        now = time.monotonic()
        tokens, before = self._tokens.pop(client, (self._rate, now))
        tokens = min(self._rate, tokens + (now - before) * self._rate)
        self._tokens[client] = (max(tokens - 1, 0.0) if tokens >= 1 else tokens, now)
        while len(self._tokens) > CLIENTS:
            self._tokens.popitem(last=False)
        return tokens >= 1


def _too_large(max_body: int) -> ProblemError:
    return ProblemError(413, f"the body is larger than {max_body} bytes. Send it in parts.")
