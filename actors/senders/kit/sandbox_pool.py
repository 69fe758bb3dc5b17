"""Processes that Apprise runs in: started when one is needed, used for one message at a time, killed when late.

A process is given no environment, no descriptor but the line to here, and by its own bars no socket and no file
(`actors/apprise_sandbox`). It ends by itself when this process does.
"""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from actors.apprise_sandbox.protocol import HEAD, Answer, Broken, Call, Done, Frame, Order, framed, length_of, read
from actors.senders.kit.errors import Undelivered

MOST = 8  # at once, each some 45 MB: so many services that hang hold up no other
USES = 100  # of one process: what a service leaves behind does not pile up
KEPT_S = 30.0  # idle: a storm of messages shares processes, a quiet night needs none
ROOT = Path(__file__).resolve().parents[3]
START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from actors.apprise_sandbox.main import main; main(int(sys.argv[2]))"
)

Run = Callable[[Call], Awaitable[Answer]]


class Cage:
    """One process, and the line to it."""

    def __init__(self, process: subprocess.Popen[bytes], ours: socket.socket) -> None:
        self._process, self._socket = process, ours
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.uses = 0

    @classmethod
    def start(cls) -> "Cage":
        """Start a process; blocks for some milliseconds, and it is ready in a few hundred."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(  # noqa: S603  # this very Python, with our own module
                [sys.executable, "-I", "-B", "-c", START, str(ROOT), str(theirs.fileno())],
                env={},
                cwd="/",
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        return cls(process, ours)

    async def carry_out(self, order: Order, run: Run) -> Done:
        """Have an order carried out; `run` makes its requests. Raises Broken."""
        self.uses += 1
        await self._give(order)
        while not isinstance(said := await self._take(), Done):
            if not isinstance(said, Call):
                raise Broken(f"{type(said).__name__} is not for us")
            await self._give(await run(said))
        return said

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        if self._line:
            self._line[1].close()
        self._socket.close()

    async def _give(self, said: Frame) -> None:
        _, writer = await self._opened()
        writer.write(framed(said))
        await writer.drain()

    async def _take(self) -> Frame:
        reader, _ = await self._opened()
        return read(await reader.readexactly(length_of(await reader.readexactly(HEAD.size))))

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._line = self._line or await asyncio.open_connection(sock=self._socket)
        return self._line


class Cages:
    """All of them. Belongs to the loop that uses it."""

    def __init__(self, most: int = MOST, kept_s: float = KEPT_S, uses: int = USES) -> None:
        self._room = asyncio.Semaphore(most)
        self._kept_s, self._uses = kept_s, uses
        self._idle: dict[Cage, asyncio.TimerHandle] = {}
        self._busy: set[Cage] = set()

    async def carry_out(self, order: Order, run: Run) -> Done:
        """Have an order carried out by whichever process is free.

        raises    Undelivered when the process breaks; whoever cancels this kills it
        """
        async with self._room:
            cage = self._any() or await self._started()
            self._busy.add(cage)
            try:
                done = await cage.carry_out(order, run)
            except (Broken, asyncio.IncompleteReadError, OSError) as error:
                raise Undelivered(f"the process that runs Apprise broke off ({type(error).__name__})") from error
            else:
                self._keep(cage)
                return done
            finally:
                self._busy.discard(cage)
                if cage not in self._idle:
                    cage.kill()

    def close(self) -> None:
        """End all of them."""
        for timer in self._idle.values():
            timer.cancel()
        for cage in (*self._idle, *self._busy):
            cage.kill()
        self._idle.clear()

    def _any(self) -> Cage | None:
        """An idle one, the newest first, so that the others may be forgotten."""
        while self._idle:
            cage, timer = self._idle.popitem()
            timer.cancel()
            if cage.is_alive():
                return cage
            cage.kill()
        return None

    async def _started(self) -> Cage:
        """A new one; killed if nobody waits for it any more."""
        starting = asyncio.create_task(asyncio.to_thread(Cage.start))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(lambda done: None if done.exception() else done.result().kill())
            raise

    def _keep(self, cage: Cage) -> None:
        if cage.uses < self._uses:
            self._idle[cage] = asyncio.get_running_loop().call_later(self._kept_s, self._forget, cage)

    def _forget(self, cage: Cage) -> None:
        self._idle.pop(cage, None)
        cage.kill()
