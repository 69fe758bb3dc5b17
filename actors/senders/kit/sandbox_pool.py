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

from actors.apprise_sandbox.protocol import (
    HEAD,
    Frame,
    SandboxHttpRequest,
    SandboxHttpResponse,
    SandboxProtocolError,
    SendRequest,
    SendResult,
    decode_frame,
    encode_frame,
    frame_length,
)
from actors.senders.kit.errors import DeliveryError

MAX_PROCESSES = 8  # at once, each some 45 MB: so many services that hang hold up no other
MAX_USES = 100  # of one process: what a service leaves behind does not pile up
IDLE_TIMEOUT_S = 30.0  # idle: a storm of messages shares processes, a quiet night needs none
ROOT = Path(__file__).resolve().parents[3]
BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv[1]); from actors.apprise_sandbox.main import main; main(int(sys.argv[2]))"
)

MakeRequest = Callable[[SandboxHttpRequest], Awaitable[SandboxHttpResponse]]


class Sandbox:
    """One process, and the line to it."""

    def __init__(self, process: subprocess.Popen[bytes], ours: socket.socket) -> None:
        self._process, self._socket = process, ours
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.uses = 0

    @classmethod
    def start(cls) -> "Sandbox":
        """Start a process; blocks for some milliseconds, and it is ready in a few hundred."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(  # noqa: S603  # this very Python, with our own module
                [sys.executable, "-I", "-B", "-c", BOOTSTRAP, str(ROOT), str(theirs.fileno())],
                env={},
                cwd="/",
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        return cls(process, ours)

    async def send(self, request: SendRequest, make_request: MakeRequest) -> SendResult:
        """Have an order carried out; `run` makes its requests. Raises Broken."""
        self.uses += 1
        await self._send_frame(request)
        while not isinstance(said := await self._receive_frame(), SendResult):
            if not isinstance(said, SandboxHttpRequest):
                raise SandboxProtocolError(f"{type(said).__name__} is not for us")
            await self._send_frame(await make_request(said))
        return said

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        if self._streams:
            self._streams[1].close()
        self._socket.close()

    async def _send_frame(self, said: Frame) -> None:
        _, writer = await self._connect()
        writer.write(encode_frame(said))
        await writer.drain()

    async def _receive_frame(self) -> Frame:
        reader, _ = await self._connect()
        return decode_frame(await reader.readexactly(frame_length(await reader.readexactly(HEAD.size))))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = self._streams or await asyncio.open_connection(sock=self._socket)
        return self._streams


class SandboxPool:
    """All of them. Belongs to the loop that uses it."""

    def __init__(
        self, max_processes: int = MAX_PROCESSES, idle_timeout_s: float = IDLE_TIMEOUT_S, max_uses: int = MAX_USES
    ) -> None:
        self._capacity = asyncio.Semaphore(max_processes)
        self._idle_timeout_s, self._max_uses = idle_timeout_s, max_uses
        self._idle: dict[Sandbox, asyncio.TimerHandle] = {}
        self._busy: set[Sandbox] = set()

    async def send(self, request: SendRequest, make_request: MakeRequest) -> SendResult:
        """Have an order carried out by whichever process is free.

        raises    Undelivered when the process breaks; whoever cancels this kills it
        """
        async with self._capacity:
            cage = self._take_idle() or await self._start()
            self._busy.add(cage)
            try:
                done = await cage.send(request, make_request)
            except (SandboxProtocolError, asyncio.IncompleteReadError, OSError) as error:
                raise DeliveryError(f"the process that runs Apprise broke off ({type(error).__name__})") from error
            else:
                self._release(cage)
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

    def _take_idle(self) -> Sandbox | None:
        """An idle one, the newest first, so that the others may be forgotten."""
        while self._idle:
            cage, timer = self._idle.popitem()
            timer.cancel()
            if cage.is_alive():
                return cage
            cage.kill()
        return None

    async def _start(self) -> Sandbox:
        """A new one; killed if nobody waits for it any more."""
        starting = asyncio.create_task(asyncio.to_thread(Sandbox.start))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(lambda done: None if done.exception() else done.result().kill())
            raise

    def _release(self, cage: Sandbox) -> None:
        if cage.uses < self._max_uses:
            self._idle[cage] = asyncio.get_running_loop().call_later(self._idle_timeout_s, self._expire, cage)

    def _expire(self, cage: Sandbox) -> None:
        self._idle.pop(cage, None)
        cage.kill()
