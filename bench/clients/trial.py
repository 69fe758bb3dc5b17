"""One generator tried: its client is generated and compiled, and its programs run against a fresh installation."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import msgspec
from msgspec import Struct

from app import setup_token
from bench import programs
from bench.clients import page
from bench.clients.generators import Generator
from bench.clients.tools import Failed, Shell
from bench.installation import ADMIN, Installation, fresh_installation
from bench.programs import ControlledProgram

DOCUMENT = "openapi.json"
FLOW_S, PAGE_S = 240.0, 120.0  # each wait inside of a program has a limit of its own
YES, NO, NONE = "yes", "no", ""
ALERTED = {"channel.test", "monitor.down"}
DONE = {  # what the audit log has when every step was taken
    *("user.registered", "session.started", "api_key.created", "channel.created", "channel.tested"),
    *("monitor.created", "monitor.updated", "incident.acknowledged", "monitor.deleted", "channel.deleted"),
}


class Result(Struct):
    """How one generator did: `yes`, `no`, or nothing where it did not come to that.

    flow    the first steps, by the program beside this module
    page    the program in docs/clients.md, where there is one
    why     what the first command that failed printed
    """

    name: str
    version: str
    generated: str = NONE
    compiled: str = NONE
    flow: str = NONE
    page: str = NONE
    why: str = ""

    @property
    def holds(self) -> bool:
        """Whether everything that there is to do was done."""
        return not self.why


class World(Struct):
    """A fresh installation, something to watch, and a receiver of alerts."""

    installed: Installation
    target: ControlledProgram
    receiver: ControlledProgram

    def environ(self) -> dict[str, str]:
        """What a program is given."""
        return {
            "WATCHKEEPER_URL": f"http://127.0.0.1:{self.installed.port}",
            "SETUP_TOKEN": (self.installed.folder / "data" / setup_token.FILE_NAME).read_text(encoding="ascii").strip(),
            "EMAIL": ADMIN["email"],
            "PASSWORD": ADMIN["password"],
            "WATCHED_URL": self.target.url("/t/1"),
            "BROKEN_URL": self.target.url("/t/2"),
            "RECEIVER_URL": self.receiver.url("/"),
        }

    async def document(self, place: Path) -> None:
        """Write the OpenAPI document down."""
        async with self.installed.session.get(self.installed.url("/openapi.json")) as got:
            content = await got.read()
            if got.status != HTTPStatus.OK:
                raise Failed(f"GET /openapi.json: {got.status} {content[:200]!r}")
        await asyncio.to_thread(place.write_bytes, content)

    async def verify(self) -> None:
        """Whether the first steps were really taken, checked from outside of the program. Raises Failed."""
        await self._sign_in()
        _, log = await self.installed.call("GET", "/audit?outcome=done")
        _, monitors = await self.installed.call("GET", "/monitors")
        alerts = {one["event"] for one in msgspec.json.decode(await self.receiver.get("/log"))}
        missing = (DONE - {one["action"] for one in log["entries"]}) | (ALERTED - alerts)
        if missing or monitors["total"]:
            raise Failed(f"not done: {', '.join(sorted(missing))}; {monitors['total']} monitors are left")

    async def key(self) -> str:
        """An API key for the program of the page."""
        await self._sign_in()
        made = await self.installed.post("/api-keys", {"name": "page", "role": "admin"})
        return str(made["key"])

    async def _sign_in(self) -> None:
        credentials = {name: ADMIN[name] for name in ("email", "password")}
        self.installed.token = (await self.installed.post("/auth/login", credentials))["access_token"]


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """One of its own for each generator; it is gone afterwards."""
    async with (
        fresh_installation() as installed,
        programs.controlled("bench.target") as target,
        programs.controlled("bench.receiver") as receiver,
    ):
        await target.get("/set?from=2&to=2&as=0")
        await installed.start()
        yield World(installed, target, receiver)


async def tried(generator: Generator, place: Path) -> Result:
    """Try one generator, with its tools below `place`."""
    result = Result(generator.name, generator.version)
    folder = Path(tempfile.mkdtemp(prefix="wk-clients-"))
    try:
        async with world() as here:
            shell = await generator.installed(place, here.environ(), folder / generator.name)
            await here.document(shell.folder / DOCUMENT)
            trial = Trial(generator, shell, here)
            for step in ("generated", "compiled", "flow", *(("page",) if generator.on_page else ())):
                setattr(result, step, NO)
                await getattr(trial, step)()
                setattr(result, step, YES)
    except (Failed, page.NotOnThePage) as failed:
        result.why = str(failed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return result


class Trial(Struct):
    """The steps of one trial, each called like the field of its result; each raises Failed."""

    generator: Generator
    shell: Shell
    here: World

    async def generated(self) -> None:
        """Run the command of the page."""
        await self.shell.run("sh", "-c", page.command(self.generator.command))
        await self.generator.language.prepare(self.shell)

    async def compiled(self) -> None:
        """Compile the client with each program."""
        if self.generator.on_page:
            text = page.program(self.generator.language.name)
            (self.shell.folder / self._named("page")).write_text(text, encoding="utf-8")
        for program in ("first_steps", "page") if self.generator.on_page else ("first_steps",):
            for words in self.generator.language.compiles(self._named(program)):
                await self.shell.run(*words)

    async def flow(self) -> None:
        """Run the first steps, and look whether they were taken."""
        await self._run("first_steps", self.shell, FLOW_S)
        await self.here.verify()

    async def page(self) -> None:
        """Run the program of the page, with a key."""
        environ = {**self.shell.environ, "WATCHKEEPER_API_KEY": await self.here.key()}
        printed = await self._run("page", msgspec.structs.replace(self.shell, environ=environ), PAGE_S)
        if "is up" not in printed:
            raise Failed(f"The program of the page printed {printed!r}.")

    async def _run(self, program: str, shell: Shell, limit_s: float) -> str:
        return await shell.run(*self.generator.language.runs(self._named(program)), limit_s=limit_s)

    def _named(self, program: str) -> str:
        return program + self.generator.language.suffix
