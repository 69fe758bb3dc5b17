"""A provider on loopback that answers each request by what is in it, and remembers the requests."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Answer = Callable[[Any], tuple[int, Any]]  # a request's JSON body → status and JSON body of the response


class Provider:
    """What was asked of it. `answer` may be replaced meanwhile."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.url = ""
        self.requests: list[Any] = []

    async def take(self, request: web.Request) -> web.Response:
        """Remember a request, and answer it."""
        body = await request.json()
        self.requests.append(body)
        status, answer = self.answer(body)
        return web.Response(status=status, text=json.dumps(answer), content_type="application/json")


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[Provider]:
    """A provider that listens on a free port of loopback."""
    provider, app = Provider(answer), web.Application()
    app.router.add_route("*", "/{path:.*}", provider.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()


def signal_server(errors: dict[str, str]) -> Answer:
    """As signal-cli-rest-api: 400 with a text for these recipients, 201 for all others."""

    def answer(body: Any) -> tuple[int, Any]:
        found = [errors[one] for one in body["recipients"] if one in errors]
        return (400, {"error": found[0]}) if found else (201, {"timestamp": "1780698557041"})

    return answer


def sendgrid_server(bad: set[str]) -> Answer:
    """As SendGrid: 400 that names the fields of these addresses, and nobody gets it; otherwise 202."""

    def answer(body: Any) -> tuple[int, Any]:
        errors = [
            {"message": "Does not contain a valid address.", "field": f"personalizations.{n}.{kind}.{at}.email"}
            for n, one in enumerate(body["personalizations"])
            for kind in ("to", "cc", "bcc")
            for at, address in enumerate(one.get(kind, []))
            if address["email"] in bad
        ]
        return (400, {"errors": errors}) if errors else (202, {})

    return answer
