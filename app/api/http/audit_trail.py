"""What is recorded of a request: made from its route, and from what its handler adds.

Every unsafe route leaves one entry per request, whatever came of it. Left out are pushes, which are no change of
ours; the same reply given again; and what somebody without any credential sent that we did not even read. What is
refused to nobody we know is recorded once a minute, or anybody could fill the log; failed sign-ins are, once a minute
for each account and address, and counted by `app.security.limits.failed_logins`.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from enum import StrEnum
from time import monotonic
from typing import Any, cast

import msgspec
import structlog
from litestar.connection import ASGIConnection
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope
from msgspec import UNSET, Struct

from app import db
from app.api.http import audit_actions
from app.api.http.request_context import QUIET
from app.api.identity import second_factor
from app.domain.text.formatting import one_line
from app.errors import Unauthorized
from app.security.auth import cookies, principals
from app.security.limits.client_ip import address_of, place_of
from app.security.secrets import signed_tokens
from app.security.secrets.sealing import Unopenable
from app.store.audit import log as audit
from schema.audit import AuditOutcome, Deed
from schema.field_types import MASK
from schema.users import Principal, User

SHOWN = frozenset({"name", "username", "email", "action"})  # texts that may stand in the log as they are
MOST_FIELDS, MOST_TEXT = 40, 150
DESTINATIONS, MOST_DESTINATIONS = "destinations", 100  # as many as a batch has checks
NOT_READ = frozenset({400, 401, 413, 415, 422})  # of nobody: noise, and a way to fill the disk
REPEATED = frozenset({429})  # who is refused for asking too often is recorded once a minute
LOGINS = frozenset({"username", "email"})  # of who is not let in: often enough it is a password in the wrong field
REPEAT_S, MOST_REPEATS = 60.0, 10_000
MOST_OF_NOBODY = 120  # entries a minute of nobody we know: a guesser with a thousand addresses must not fill the disk

log = structlog.get_logger()
_repeats: dict[tuple[str, ...], float] = {}
_nobodys: deque[float] = deque()  # when entries of nobody we know were added


class Trail:
    """What a handler adds to its request's entry."""

    def __init__(self) -> None:
        self.resource_id = ""
        self.change: dict[str, Any] = {}
        self.actor: User | None = None

    def sent(self, body: Any) -> None:
        """Note the fields of a body: their names, and of plain ones the values."""
        self.change.update(_fields(body))
        self.resource_id = self.resource_id or _bearer_of(getattr(body, "ticket", None))

    def changed(self, field: str, old: object, new: object) -> None:
        """Note what a field was and what it became. Nothing secret, please."""
        self.change[field] = {"old": _shown(field, old), "new": _shown(field, new)}

    def connects(self, destinations: Iterable[str]) -> None:
        """Note where a request makes us connect; no paths and nothing secret, please."""
        known: list[str] = self.change.setdefault(DESTINATIONS, [])
        fresh = (one[:MOST_TEXT] for one in destinations)
        known += [one for one in dict.fromkeys(fresh) if one not in known][: MOST_DESTINATIONS - len(known)]

    def signs_in(self, user: User) -> None:
        """Note who it turned out to be."""
        self.actor, self.resource_id = user, user.id


class _Made(Struct):
    """Of a reply: the id of what was made."""

    id: str | None = None


def of(connection: ASGIConnection[Any, Any, Any, Any]) -> Trail:
    """The trail of this request."""
    trail: Trail = connection.scope["state"].setdefault("trail", Trail())
    return trail


def forget() -> None:
    """Forget what was recorded lately, so that the same is recorded again."""
    _repeats.clear()
    _nobodys.clear()


def leaves_one(scope: Scope) -> bool:
    """Whether requests of this route are recorded."""
    handler = scope.get("route_handler")
    if not isinstance(handler, HTTPRouteHandler) or handler.opt.get(QUIET):
        return False
    return str(scope.get("method")) not in principals.SAFE or bool(handler.opt.get(audit_actions.AUDITED))


async def settle(scope: Scope, status: int, body: bytes) -> None:
    """Store the entry of a request that was answered. When the log can't take it, the answer goes out all the same."""
    deed = deed_of(scope, status, body)
    if scope["state"].get("replayed") or not _counts(scope, deed, status):
        return
    try:
        await audit.record(deed)
    except (*db.TROUBLE, Unopenable) as error:
        log.error("audit.not_stored", reason=str(error), entry=msgspec.to_builtins(deed))  # noqa: TRY400  # the entry says more than where
    except Exception:  # a bug in here must not swallow the answer to a change that is made
        log.exception("audit.failed", entry=msgspec.to_builtins(deed))


def deed_of(scope: Scope, status: int, body: bytes) -> Deed:
    """What is to be recorded of a request."""
    state, connection = scope["state"], ASGIConnection[Any, Any, Any, Any](scope)
    handler = cast(HTTPRouteHandler, scope["route_handler"])
    trail, action = of(connection), audit_actions.action_of(audit_actions.operation_of(handler, scope))
    actor = _actor_of(state.get("principal"), trail)
    return Deed(
        **actor,
        ip=address_of(connection),
        action=action,
        resource=action.partition(".")[0],
        resource_id=trail.resource_id or _named(scope) or _made(status, body),
        change=trail.change if status < 400 else _without_login(action, trail.change),  # noqa: PLR2004  # HTTP
        outcome=_outcome(status),
        code=str(state.get("error_code", "")) if status >= 400 else "",  # noqa: PLR2004  # HTTP
        request_id=str(state.get("request_id", "")),
    )


def _actor_of(principal: Principal | None, trail: Trail) -> dict[str, str]:
    if principal is not None:
        told = {"actor_id": principal.user_id, "actor": principal.username}
        return {**told, "role": principal.role.value, "via": principal.via, "key_id": principal.key_id or ""}
    if trail.actor is not None:
        return {"actor_id": trail.actor.id, "actor": trail.actor.username, "role": trail.actor.role.value}
    return {}


def _counts(scope: Scope, deed: Deed, status: int) -> bool:
    """Whether there is anything to record; also notes it, so that the same is not recorded at once again."""
    if deed.action == audit_actions.SIGN_IN and status in {
        401,
        403,
    }:  # how many there were is told by `app.store.audit.failed_logins`
        return _is_new((deed.resource_id, place_of(deed.ip), deed.action, deed.code)) and _has_room()
    is_nobody = not deed.actor_id
    if is_nobody and status in NOT_READ and not _shows_credential(scope) and not _is_old_token(deed, status):
        return False
    if status in REPEATED or (is_nobody and deed.outcome is AuditOutcome.REFUSED):
        is_new = _is_new((deed.actor_id, place_of(deed.ip), deed.action, deed.code))
        return is_new and (not is_nobody or _has_room())
    return True


def _is_old_token(deed: Deed, status: int) -> bool:
    return deed.action == "session.refreshed" and status == 401  # noqa: PLR2004  # HTTP


def _shows_credential(scope: Scope) -> bool:
    connection = ASGIConnection[Any, Any, Any, Any](scope)
    headers: Mapping[str, str] = connection.headers
    has_cookie = cookies.value_of(connection, principals.COOKIE) is not None
    return "Authorization" in headers or "X-API-Key" in headers or has_cookie


def _is_new(key: tuple[str, ...]) -> bool:
    now = monotonic()
    if _repeats.get(key, 0.0) > now:
        return False
    if len(_repeats) >= MOST_REPEATS:
        _repeats.clear()
    _repeats[key] = now + REPEAT_S
    return True


def _has_room() -> bool:
    """Whether nobody we know may leave one more entry in this minute, from however many addresses."""
    now = monotonic()
    while _nobodys and _nobodys[0] <= now - REPEAT_S:
        _nobodys.popleft()
    if len(_nobodys) >= MOST_OF_NOBODY:
        return False
    _nobodys.append(now)
    return True


def _outcome(status: int) -> AuditOutcome:
    if status < 400:  # noqa: PLR2004  # HTTP
        return AuditOutcome.DONE
    return AuditOutcome.REFUSED if status < 500 else AuditOutcome.FAILED  # noqa: PLR2004  # HTTP


def _bearer_of(ticket: object) -> str:
    """Whose second step a body is."""
    try:
        return str(signed_tokens.opened(second_factor.KIND, ticket)["sub"]) if isinstance(ticket, str) else ""
    except (Unauthorized, KeyError):
        return ""


def _without_login(action: str, change: dict[str, Any]) -> dict[str, Any]:
    is_told = not action.startswith("session.")
    return {field: value if is_told or field not in LOGINS else MASK for field, value in change.items()}


def _named(scope: Scope) -> str:
    """The last thing that the path names; a token names nothing, it opens."""
    named = [value for name, value in cast(Any, scope).get("path_params", {}).items() if name != "token"]
    return one_line(str(named[-1]), MOST_TEXT) if named else ""


def _made(status: int, body: bytes) -> str:
    if status != 201:  # noqa: PLR2004  # HTTP
        return ""
    try:
        return msgspec.json.decode(body, type=_Made).id or ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _fields(body: Any, above: str = "") -> dict[str, Any]:
    """Field → what may be shown, with dotted names; a field that says what it would say anyway is left out."""
    found: dict[str, Any] = {}
    for one in msgspec.structs.fields(body) if isinstance(body, Struct) else ():
        value, name = getattr(body, one.name), f"{above}{one.encode_name}"
        if value is UNSET or (not above and value == one.default):
            continue
        nested = _fields(value, f"{name}.") if isinstance(value, Struct) and not above else {}
        found.update(nested or {name: _shown(one.name, value)})
    return dict(list(found.items())[:MOST_FIELDS])


def _shown(name: str, value: object) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, StrEnum):
        return value.value
    return value[:MOST_TEXT] if isinstance(value, str) and name in SHOWN else MASK
