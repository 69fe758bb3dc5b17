"""Checks that an SSH server greets, shows the right host key, and lets a user in."""

import asyncio
import warnings
from typing import Any

import asyncssh
from asyncssh.saslprep import SASLPrepError

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import PARSE_ERRORS, CheckInconclusive, ProbeResult, TargetFailed
from actors.probes.protocols import ssh_host_keys
from actors.probes.protocols.ssh_banner import read_banner
from app.domain.parsing.values import Untyped
from schema.heartbeat_texts import ANSWERED, CONNECTED
from schema.targets import Ssh

warnings.filterwarnings("ignore", message="Diffie-Hellman over finite fields")  # old servers have nothing else
asyncssh.set_log_level("ERROR")  # it logs every connection, with its address
KEY_EXCHANGES = "-diffie-hellman-group-exchange-*"  # all but those in which the server chooses a prime of any size
PLACEHOLDER_USER = "watchkeeper"  # never sent: without a login we leave once the key is proven


class HostKeyObserver(asyncssh.SSHClient):
    """Records what the server shows.

    expected    the fingerprint that its key must have; empty: any
    logs_in     whether we log in afterwards
    """

    def __init__(self, expected: str, *, logs_in: bool) -> None:
        self._expected, self._logs_in = expected, logs_in
        self.connection: asyncssh.SSHClientConnection | None = None
        self.fingerprint = self.algorithm = ""
        self.is_proven = False

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Called by the library."""
        self.connection = conn

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002  # the library's signature
        """Continue only with the right key. Anybody can show a public key; the next step proves who owns it."""
        self.fingerprint, self.algorithm = key.get_fingerprint(), key.get_algorithm()
        if self.key_matches and not self._logs_in:
            self._leave_once_proven(key)
        return self.key_matches

    def _leave_once_proven(self, key: asyncssh.SSHKey) -> None:
        """The library asks the key to verify the server's signature; returning False stops it before the login."""
        verify = key.verify

        def verified(data: bytes, signature: bytes) -> bool:
            self.is_proven = verify(data, signature)
            return False  # ends the key exchange

        key.verify = verified  # type: ignore[assignment,method-assign]  # this key object belongs to this connection

    @property
    def key_matches(self) -> bool:
        """Whether a key was shown, and the expected one."""
        return bool(self.fingerprint) and self._expected in {"", self.fingerprint}

    @property
    def offered_algorithms(self) -> list[str]:
        """The server's host key algorithms."""
        return ssh_host_keys.parse_offered(self.connection._server_kexinit) if self.connection else []  # noqa: SLF001  # the library has no public access to it

    @property
    def banner(self) -> str:
        """The server's identification line."""
        return str(self.connection.get_extra_info("server_version", "")) if self.connection else ""


async def probe(target: Ssh, check: RunningCheck) -> ProbeResult:
    """Read the banner; with a fingerprint do the handshake too, with a user log in."""
    if not target.fingerprint and not target.username:
        return await _check_banner(target, check)
    observers = [_new_observer(target)]
    await _observe(target, check, observers[0], ssh_host_keys.ordered_algorithms(target.fingerprint))
    if not observers[0].key_matches:
        await _try_other_keys(target, check, observers)
    if not observers[-1].key_matches:
        raise TargetFailed(_mismatch_text(target, observers), detail=_facts(observers[0]))
    ssh_host_keys.remember_kind(target.fingerprint, observers[-1].algorithm)
    return ProbeResult(
        code=ANSWERED, value=Untyped(observers[-1].banner), detail=_facts(observers[-1]) if check.detailed else None
    )


def _new_observer(target: Ssh) -> HostKeyObserver:
    return HostKeyObserver(target.fingerprint, logs_in=bool(target.username))


async def _try_other_keys(target: Ssh, check: RunningCheck, observers: list[HostKeyObserver]) -> None:
    """Ask for the server's other keys by kind until one matches. Raises TargetFailed for a failure after that."""
    for kind in ssh_host_keys.other_kinds(observers[0].algorithm, observers[0].offered_algorithms):
        observers.append(_new_observer(target))
        try:
            await _observe(target, check, observers[-1], ssh_host_keys.ALGORITHMS[kind])
        except (TargetFailed, OSError):
            if not observers[-1].key_matches:
                return  # it limits connections; the first result counts
            raise
        if observers[-1].key_matches:
            return


async def _observe(target: Ssh, check: RunningCheck, observer: HostKeyObserver, algorithms: tuple[str, ...]) -> None:
    """Let the observer see the key of one of these kinds. Raises TargetFailed."""
    try:
        await _handshake(target, check, observer, algorithms)
    except asyncssh.HostKeyNotVerifiable as error:
        if not observer.fingerprint:
            raise TargetFailed("the server's host key can't be read", detail=_facts(observer)) from error
        # otherwise we stopped because of a wrong key; the caller checks `key_matches`
    except asyncssh.KeyExchangeFailed as error:
        if not observer.is_proven:  # otherwise we stopped before the login
            raise _unproven_error(observer, error, target) from error
    except (asyncssh.Error, asyncio.IncompleteReadError) as error:
        raise _classify_error(error, target) from error
    finally:
        if observer.connection:
            observer.connection.abort()


async def _check_banner(target: Ssh, check: RunningCheck) -> ProbeResult:
    reader, writer = await check.context.egress.open_connection(target.host, target.port)
    try:
        banner = await read_banner(reader)
    finally:
        writer.transport.abort()
    return ProbeResult(code=CONNECTED, value=Untyped(banner), detail={"banner": banner} if check.detailed else None)


async def _handshake(target: Ssh, check: RunningCheck, observer: HostKeyObserver, algorithms: tuple[str, ...]) -> None:
    """Do the handshake, and log in where a user is set. Raises TargetFailed for what the library can't parse."""
    keys, sock = _keys(target), await check.context.egress.socket_to(target.host, target.port)
    try:
        await asyncssh.connect(
            target.host,
            target.port,
            sock=sock,
            client_factory=lambda: observer,
            config=None,  # the worker's own account must not affect it: no files, no agent, no keys
            known_hosts=([], [], []),
            kex_algs=KEY_EXCHANGES,
            server_host_key_algs=algorithms,
            agent_path=None,
            client_keys=keys or None,
            username=target.username or PLACEHOLDER_USER,
            password=target.password or None,
            gss_host=None,
            connect_timeout=None,  # the check has one deadline for everything
            login_timeout=check.snapshot.timeout_ms / 1000 + 1,
        )
    except SASLPrepError:  # about our own user name
        raise
    except UnicodeDecodeError as error:  # the standard requires ASCII for both
        raise TargetFailed("the server's greeting, or a name it gives, is not ASCII") from error
    except PARSE_ERRORS as error:
        raise TargetFailed(f"a message of the server's can't be read ({type(error).__name__})") from error
    finally:
        if observer.connection is None:  # the library prepares itself in a thread before it takes the socket
            sock.close()


def _keys(target: Ssh) -> list[asyncssh.SSHKey]:
    try:
        return [asyncssh.import_private_key(target.private_key)] if target.private_key else []
    except asyncssh.KeyImportError as error:
        raise CheckInconclusive(
            "the private key can't be read: it must be OpenSSH or PEM, without a passphrase"
        ) from error


def _unproven_error(observer: HostKeyObserver, error: Exception, target: Ssh) -> TargetFailed:
    if observer.fingerprint:
        return TargetFailed(
            "the server shows a host key that it does not have: somebody is in between", detail=_facts(observer)
        )
    return _classify_error(error, target)


def _facts(observer: HostKeyObserver) -> dict[str, Any]:
    return {"banner": observer.banner, "fingerprint": observer.fingerprint, "algorithm": observer.algorithm}


def _mismatch_text(target: Ssh, observers: list[HostKeyObserver]) -> str:
    keys = list(dict.fromkeys(one.fingerprint for one in observers if one.fingerprint))
    found = f"host key is {keys[0]}" if len(keys) == 1 else f"host keys are {', '.join(keys)}"
    return f"the {found}, expected {target.fingerprint}"


def _classify_error(error: Exception, target: Ssh) -> TargetFailed:
    """The library's error as our own message."""
    match error:
        case asyncssh.PermissionDenied():
            return TargetFailed(f"the login of {target.username[:80]} was refused")
        case asyncssh.ConnectionLost():
            return TargetFailed("the connection was closed during the handshake")
        case asyncssh.KeyExchangeFailed():
            return TargetFailed("no cipher, key exchange or host key in common")
        case asyncssh.ProtocolNotSupported():
            return TargetFailed("the server doesn't speak SSH 2.0")
        case asyncssh.Error(reason=reason):
            return TargetFailed(f"the handshake failed: {reason[:200].lower()}")
    return TargetFailed(f"the handshake failed ({type(error).__name__})")
