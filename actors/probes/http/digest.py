"""HTTP Digest authentication (RFC 7616; RFC 2617 for old devices): a challenge, and a proof without the password."""

import re
from collections.abc import Awaitable, Callable, Iterator
from hashlib import md5, sha256
from secrets import token_hex
from typing import Any

from msgspec import Struct

from actors.probes.http.request import HttpRequest, with_header
from actors.probes.http.session import HttpSession
from actors.probes.kit.http_response import HttpProbeResponse
from actors.probes.kit.result import TargetFailed
from schema.targets.http import HttpDigestAuth

UNAUTHORIZED = 401
MAX_ATTEMPTS = 2  # the second for a nonce that has expired meanwhile
MAX_CHALLENGE_CHARS = 16_384  # of all challenges together
HASHES: dict[str, Callable[[bytes], Any]] = {"MD5": lambda text: md5(text, usedforsecurity=False), "SHA-256": sha256}
SESSION_SUFFIX = "-SESS"
_TOKEN = re.compile(r"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s,"]*))?""")

Send = Callable[[HttpRequest, HttpSession], Awaitable[HttpProbeResponse]]


class DigestChallenge(Struct, frozen=True):
    """A server's challenge.

    algorithm    as the server writes it; empty: MD5, and left out of the reply
    qop          what the proof covers: `auth`, `auth-int` (the body too), or nothing, as in RFC 2069
    stale        the proof was right, and its nonce too old
    """

    realm: str
    nonce: str
    algorithm: str = ""
    qop: str = ""
    opaque: str | None = None
    stale: bool = False
    userhash: bool = False

    @property
    def hash_name(self) -> str:
        """The name of the algorithm's hash."""
        return self.algorithm.upper().removesuffix(SESSION_SUFFIX) or "MD5"


async def authenticate(
    request: HttpRequest, session: HttpSession, auth: HttpDigestAuth, send: Send
) -> HttpProbeResponse:
    """The response to the authenticated request; the first response when the server asks for no proof."""
    response = await send(request, session)
    for attempt in range(MAX_ATTEMPTS):
        challenge = _supported_challenge(response)
        if challenge is None or (attempt and not challenge.stale):
            break
        response.close()
        proof = authorization_header(challenge, auth, request, token_hex(16))
        response = await send(with_header(request, "Authorization", proof), session)
    return response


def _supported_challenge(response: HttpProbeResponse) -> DigestChallenge | None:
    """The first challenge that we support, in the server's order. Raises TargetFailed when there are only others."""
    if response.status != UNAUTHORIZED:
        return None
    offered = parse_challenges(",".join(response.headers.getall("WWW-Authenticate", ())))
    supported = [one for one in offered if one.hash_name in HASHES]
    if offered and not supported:
        response.close()
        names = ", ".join(one.algorithm for one in offered)
        raise TargetFailed(
            f"the server asks for Digest by {names[:80]}, and checks have MD5 and SHA-256", code=UNAUTHORIZED
        )
    return supported[0] if supported else None


def parse_challenges(header: str) -> list[DigestChallenge]:
    """Every Digest challenge among those of other schemes."""
    return [
        DigestChallenge(
            realm=fields.get("realm", ""),
            nonce=fields["nonce"],
            algorithm=fields.get("algorithm", ""),
            qop=_choose_qop(fields.get("qop", "")),
            opaque=fields.get("opaque"),
            stale=fields.get("stale", "").lower() == "true",
            userhash=fields.get("userhash", "").lower() == "true",
        )
        for scheme, fields in _parse_schemes(header[:MAX_CHALLENGE_CHARS])
        if scheme == "digest" and "nonce" in fields
    ]


def _parse_schemes(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each scheme and its parameters: a word without a value begins the next one."""
    scheme, fields = "", dict[str, str]()
    for name, value in (match.groups() for match in _TOKEN.finditer(header)):
        if value is None:
            yield scheme, fields
            scheme, fields = name.lower(), {}
        else:
            fields.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value)
    yield scheme, fields


def _choose_qop(offered: str) -> str:
    """The weakest quality of protection on offer that we support."""
    offers = [word.strip().lower() for word in offered.split(",")]
    return next((one for one in ("auth", "auth-int") if one in offers), "")


def authorization_header(challenge: DigestChallenge, auth: HttpDigestAuth, request: HttpRequest, cnonce: str) -> str:
    """The `Authorization` header that answers a challenge (RFC 7616, 3.4)."""

    def hashed(*parts: str) -> str:
        return str(HASHES[challenge.hash_name](":".join(parts).encode()).hexdigest())

    uri, count, qop = request.url.raw_path_qs, "00000001", challenge.qop
    secret = hashed(auth.username, challenge.realm, auth.password)
    if challenge.algorithm.upper().endswith(SESSION_SUFFIX):
        secret = hashed(secret, challenge.nonce, cnonce)
    body = HASHES[challenge.hash_name](request.body or b"").hexdigest()
    request_hash = hashed(request.method, uri, body) if qop == "auth-int" else hashed(request.method, uri)
    covered = (challenge.nonce, count, cnonce, qop, request_hash) if qop else (challenge.nonce, request_hash)
    name = hashed(auth.username, challenge.realm) if challenge.userhash else auth.username
    quoted = {"username": name, "realm": challenge.realm, "nonce": challenge.nonce, "uri": uri}
    quoted["response"] = hashed(secret, *covered)
    bare = {"algorithm": challenge.algorithm} if challenge.algorithm else {}
    if challenge.opaque is not None:
        quoted["opaque"] = challenge.opaque
    if qop or challenge.algorithm.upper().endswith(SESSION_SUFFIX):
        quoted["cnonce"] = cnonce
    if qop:
        bare |= {"qop": qop, "nc": count}
    if challenge.userhash:
        bare["userhash"] = "true"
    return f"Digest {', '.join([*map(_quote, quoted.items()), *(f'{key}={value}' for key, value in bare.items())])}"


def _quote(field: tuple[str, str]) -> str:
    value = field[1].replace("\\", "\\\\").replace('"', '\\"')
    return f'{field[0]}="{value}"'
