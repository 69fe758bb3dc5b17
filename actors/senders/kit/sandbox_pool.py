"""Pool of sandbox processes that run Apprise: started on demand, one message at a time, killed on timeout.

A process gets no environment and no descriptor but its pipe; its own restrictions deny sockets and files
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

MAX_PROCESSES = 8  # each some 45 MB; hanging services block others only when all are in use
MAX_USES = 100  # of one process, so that what services leave behind does not accumulate
IDLE_TIMEOUT_S = 30.0  # a burst of messages shares processes; without messages there are none
ROOT = Path(__file__).resolve().parents[3]
BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv[1]); from actors.apprise_sandbox.main import main; main(int(sys.argv[2]))"
)

MakeRequest = Callable[[SandboxHttpRequest], Awaitable[SandboxHttpResponse]]


class Sandbox:
    """One process and the pipe to it."""

    def __init__(self, process: subprocess.Popen[bytes], ours: socket.socket) -> None:
        self._process, self._socket = process, ours
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.uses = 0

    @classmethod
    def start(cls) -> "Sandbox":
        """Start a process. Blocks for some milliseconds; it is ready in a few hundred."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(  # noqa: S603  # our own Python with our own module
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
        """Send a message; `make_request` makes its HTTP requests. Raises SandboxProtocolError."""
        self.uses += 1
        await self._send_frame(request)
        while not isinstance(frame := await self._receive_frame(), SendResult):
            if not isinstance(frame, SandboxHttpRequest):
                raise SandboxProtocolError(f"{type(frame).__name__} is not for us")
            await self._send_frame(await make_request(frame))
        return frame

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill the process and close the pipe."""
        self._process.kill()
        self._process.wait()
        if self._streams:
            self._streams[1].close()
        self._socket.close()

    async def _send_frame(self, frame: Frame) -> None:
        _, writer = await self._connect()
        writer.write(encode_frame(frame))
        await writer.drain()

    async def _receive_frame(self) -> Frame:
        reader, _ = await self._connect()
        return decode_frame(await reader.readexactly(frame_length(await reader.readexactly(HEAD.size))))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = self._streams or await asyncio.open_connection(sock=self._socket)
        return self._streams


class SandboxPool:
    """All sandboxes of a worker. Belongs to the loop that uses it."""

    def __init__(
        self, max_processes: int = MAX_PROCESSES, idle_timeout_s: float = IDLE_TIMEOUT_S, max_uses: int = MAX_USES
    ) -> None:
        self._capacity = asyncio.Semaphore(max_processes)
        self._idle_timeout_s, self._max_uses = idle_timeout_s, max_uses
        self._idle: dict[Sandbox, asyncio.TimerHandle] = {}
        self._busy: set[Sandbox] = set()

    async def send(self, request: SendRequest, make_request: MakeRequest) -> SendResult:
        """Send a message by an idle or new process. Cancelling the call kills the process.

        raises    DeliveryError when the process fails
        """
        async with self._capacity:
            sandbox = self._take_idle() or await self._start()
            self._busy.add(sandbox)
            try:
                result = await sandbox.send(request, make_request)
            except (SandboxProtocolError, asyncio.IncompleteReadError, OSError) as error:
                raise DeliveryError(f"the process that runs Apprise broke off ({type(error).__name__})") from error
            else:
                self._release(sandbox)
                return result
            finally:
                self._busy.discard(sandbox)
                if sandbox not in self._idle:
                    sandbox.kill()

    def close(self) -> None:
        """Kill all processes."""
        for timer in self._idle.values():
            timer.cancel()
        for sandbox in (*self._idle, *self._busy):
            sandbox.kill()
        self._idle.clear()

    def _take_idle(self) -> Sandbox | None:
        """An idle sandbox, the newest first, so that older ones expire; None: there is none."""
        while self._idle:
            sandbox, timer = self._idle.popitem()
            timer.cancel()
            if sandbox.is_alive():
                return sandbox
            sandbox.kill()
        return None

    async def _start(self) -> Sandbox:
        """Start a sandbox; it is killed if the caller is cancelled meanwhile."""
        starting = asyncio.create_task(asyncio.to_thread(Sandbox.start))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(lambda done: None if done.exception() else done.result().kill())
            raise

    def _release(self, sandbox: Sandbox) -> None:
        if sandbox.uses < self._max_uses:
            self._idle[sandbox] = asyncio.get_running_loop().call_later(self._idle_timeout_s, self._expire, sandbox)

    def _expire(self, sandbox: Sandbox) -> None:
        self._idle.pop(sandbox, None)
        sandbox.kill()
