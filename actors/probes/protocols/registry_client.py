"""Asks registries about a domain: RDAP (RFC 9082) over HTTP, WHOIS (RFC 3912) over TCP."""

from contextlib import closing
from time import monotonic
from typing import Any

import aiohttp

from actors.probes.http.request import Request
from actors.probes.http.session import Way
from actors.probes.kit.bounded_body import bytes_of
from actors.probes.kit.context import Asked
from actors.probes.kit.errors import of_system
from actors.probes.kit.result import Failed
from actors.probes.kit.threads import off_loop
from actors.probes.protocols.registry_parsing import Registration, is_absent, of_rdap, of_whois, referred, server_in
from actors.probes.types.http import walked
from app.domain.parsing import charsets, untrusted_json
from app.domain.parsing.web_url import web_url
from schema.targets import Domain

KEPT_S = 86_400.0  # of the list of servers: IANA asks not to fetch it more often
KEPT = 16  # lists
READ_BYTES = 1_000_000
HOPS = 3  # WHOIS servers that refer to another
REDIRECTS = 5
HEADERS = {"Accept": "application/rdap+json, application/json"}
OK, NOT_FOUND = 200, 404

_lists: dict[str, tuple[float, Any]] = {}


class Silent(Exception):  # noqa: N818  # what it says is about the registry
    """A registry does not say when the domain ends."""


async def by_rdap(target: Domain, asked: Asked) -> Registration:
    """Raises Silent; Failed when there is no such domain; Refused."""
    base = target.rdap_url
    if base.endswith(".json"):
        base = server_in(await _list(base, asked), target.domain)
        if not base:
            raise Silent("no RDAP server is known for it")
    told = await _json(f"{base.rstrip('/')}/domain/{target.domain}", asked)
    if told is None:
        raise Failed(f"the domain {target.domain} is not registered")
    found = of_rdap(told)
    if found is None:
        raise Silent("RDAP does not say when it ends")
    return found


async def _list(url: str, asked: Asked) -> Any:
    """IANA's list, kept for a day."""
    until, known = _lists.get(url, (0.0, None))
    if monotonic() < until:
        return known
    told = await _json(url, asked)
    if isinstance(told, dict):
        _lists.pop(url, None)  # so that the newest is last
        _lists[url] = (monotonic() + KEPT_S, told)
    if len(_lists) > KEPT:
        del _lists[next(iter(_lists))]
    return told


async def _json(url: str, asked: Asked) -> Any:
    """What is at the address; None when there is nothing. Raises Silent, Refused."""
    try:
        walk = await walked(Request("GET", web_url(url), HEADERS), REDIRECTS, Way(asked.tools.http, ssl=True))
        with closing(walk.answer) as answer:
            if answer.status == NOT_FOUND:
                return None
            if answer.status != OK:
                raise Silent(f"RDAP answered {answer.status}")
            return await off_loop(untrusted_json.decoded, await bytes_of(answer, READ_BYTES))
    except aiohttp.ClientError as error:
        cause = error.__cause__
        why = of_system(cause) if isinstance(cause, OSError) else "it does not speak HTTP as it should"
        raise Silent(f"RDAP could not be asked: {why}") from error
    except (Failed, ValueError, RecursionError) as error:
        raise Silent("RDAP's answer can't be read") from error


async def by_whois(target: Domain, asked: Asked) -> Registration:
    """Raises Silent; Failed when there is no such domain; Refused."""
    server, before = target.whois_server or "", set[str]()
    text = ""
    while server and server not in before and len(before) < HOPS:
        before.add(server)
        text = await _prose(server, target, asked)
        if found := of_whois(text):
            return found
        server = referred(text)
    if is_absent(text):
        raise Failed(f"the domain {target.domain} is not registered")
    raise Silent("WHOIS does not say when it ends")


async def _prose(server: str, target: Domain, asked: Asked) -> str:
    heard = bytearray()
    try:
        reader, writer = await asked.tools.egress.open_connection(server, target.whois_port)
        try:
            writer.write(f"{target.domain}\r\n".encode("ascii"))
            while len(heard) < READ_BYTES and (part := await reader.read(65_536)):
                heard += part
        finally:
            writer.transport.abort()
    except OSError as error:
        raise Silent(f"WHOIS could not be asked: {of_system(error)}") from error
    return "".join(charsets.pieces(heard[:READ_BYTES], whole=len(heard) <= READ_BYTES))
