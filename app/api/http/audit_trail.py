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
from app.domain.parsing.plain_text import one_line
from app.errors import Unauthorized
from app.security.auth import cookies, principals
from app.security.limits.client_ip import address_of, counted_address
from app.security.secrets import signed_tokens
from app.security.secrets.sealing import DecryptionFailed
from app.store.audit import log as audit
from schema.audit import AuditOutcome, NewAuditEntry
from schema.field_types import MASK
from schema.users import Principal, User

UNMASKED_FIELDS = frozenset({"name", "username", "email", "action"})  # texts that may stand in the log as they are
MAX_FIELDS, MAX_TEXT_CHARS = 40, 150
DESTINATIONS, MAX_DESTINATIONS = "destinations", 100  # as many as a batch has checks
ANONYMOUS_NOISE = frozenset({400, 401, 413, 415, 422})  # of nobody: noise, and a way to fill the disk
THROTTLED_STATUSES = frozenset({429})  # who is refused for asking too often is recorded once a minute
LOGIN_FIELDS = frozenset(
    {"username", "email"}
)  # of who is not let in: often enough it is a password in the wrong field
THROTTLE_S, MAX_THROTTLED = 60.0, 10_000
MAX_ANONYMOUS_PER_MINUTE = (
    120  # entries a minute of nobody we know: a guesser with a thousand addresses must not fill the disk
)

log = structlog.get_logger()
_throttled_until_s: dict[tuple[str, ...], float] = {}
_anonymous_entries: deque[float] = deque()  # when entries of nobody we know were added


class AuditTrail:
    """What a handler adds to its request's entry."""

    def __init__(self) -> None:
        self.resource_id = ""
        self.change: dict[str, Any] = {}
        self.actor: User | None = None

    def record_body(self, body: Any) -> None:
        """Note the fields of a body: their names, and of plain ones the values."""
        self.change.update(_loggable_fields(body))
        self.resource_id = self.resource_id or _mfa_user_id(getattr(body, "ticket", None))

    def record_change(self, field: str, old: object, new: object) -> None:
        """Note what a field was and what it became. Nothing secret, please."""
        self.change[field] = {"old": _loggable_value(field, old), "new": _loggable_value(field, new)}

    def record_destinations(self, destinations: Iterable[str]) -> None:
        """Note where a request makes us connect; no paths and nothing secret, please."""
        known: list[str] = self.change.setdefault(DESTINATIONS, [])
        fresh = (one[:MAX_TEXT_CHARS] for one in destinations)
        known += [one for one in dict.fromkeys(fresh) if one not in known][: MAX_DESTINATIONS - len(known)]

    def record_sign_in(self, user: User) -> None:
        """Note who it turned out to be."""
        self.actor, self.resource_id = user, user.id


class _CreatedResource(Struct):
    """Of a reply: the id of what was made."""

    id: str | None = None


def trail_of(connection: ASGIConnection[Any, Any, Any, Any]) -> AuditTrail:
    """The trail of this request."""
    trail: AuditTrail = connection.scope["state"].setdefault("trail", AuditTrail())
    return trail


def clear_throttle() -> None:
    """Forget what was recorded lately, so that the same is recorded again."""
    _throttled_until_s.clear()
    _anonymous_entries.clear()


def is_audited(scope: Scope) -> bool:
    """Whether requests of this route are recorded."""
    handler = scope.get("route_handler")
    if not isinstance(handler, HTTPRouteHandler) or handler.opt.get(QUIET):
        return False
    return str(scope.get("method")) not in principals.SAFE_METHODS or bool(handler.opt.get(audit_actions.AUDITED))


async def store_entry(scope: Scope, status: int, body: bytes) -> None:
    """Store the entry of a request that was answered. When the log can't take it, the answer goes out all the same."""
    deed = entry_of(scope, status, body)
    if scope["state"].get("replayed") or not _should_record(scope, deed, status):
        return
    try:
        await audit.record_entry(deed)
    except (*db.TRANSIENT_ERRORS, DecryptionFailed) as error:
        log.error("audit.not_stored", reason=str(error), entry=msgspec.to_builtins(deed))  # noqa: TRY400  # the entry says more than where
    except Exception:  # a bug in here must not swallow the answer to a change that is made
        log.exception("audit.failed", entry=msgspec.to_builtins(deed))


def entry_of(scope: Scope, status: int, body: bytes) -> NewAuditEntry:
    """What is to be recorded of a request."""
    state, connection = scope["state"], ASGIConnection[Any, Any, Any, Any](scope)
    handler = cast(HTTPRouteHandler, scope["route_handler"])
    trail, action = trail_of(connection), audit_actions.action_of(audit_actions.operation_id_of(handler, scope))
    actor = _actor_fields(state.get("principal"), trail)
    return NewAuditEntry(
        **actor,
        ip=address_of(connection),
        action=action,
        resource=action.partition(".")[0],
        resource_id=trail.resource_id or _last_path_parameter(scope) or _created_id(status, body),
        change=trail.change if status < 400 else _mask_logins(action, trail.change),  # noqa: PLR2004  # HTTP
        outcome=_outcome_of(status),
        code=str(state.get("error_code", "")) if status >= 400 else "",  # noqa: PLR2004  # HTTP
        request_id=str(state.get("request_id", "")),
    )


def _actor_fields(principal: Principal | None, trail: AuditTrail) -> dict[str, str]:
    if principal is not None:
        told = {"actor_id": principal.user_id, "actor": principal.username}
        return {**told, "role": principal.role.value, "via": principal.via, "key_id": principal.key_id or ""}
    if trail.actor is not None:
        return {"actor_id": trail.actor.id, "actor": trail.actor.username, "role": trail.actor.role.value}
    return {}


def _should_record(scope: Scope, deed: NewAuditEntry, status: int) -> bool:
    """Whether there is anything to record; also notes it, so that the same is not recorded at once again."""
    if deed.action == audit_actions.SIGN_IN and status in {
        401,
        403,
    }:  # how many there were is told by `app.store.audit.failed_logins`
        return (
            _is_first_in_window((deed.resource_id, counted_address(deed.ip), deed.action, deed.code))
            and _may_record_anonymous()
        )
    is_nobody = not deed.actor_id
    if (
        is_nobody
        and status in ANONYMOUS_NOISE
        and not _has_credential(scope)
        and not _is_rejected_refresh(deed, status)
    ):
        return False
    if status in THROTTLED_STATUSES or (is_nobody and deed.outcome is AuditOutcome.REFUSED):
        is_new = _is_first_in_window((deed.actor_id, counted_address(deed.ip), deed.action, deed.code))
        return is_new and (not is_nobody or _may_record_anonymous())
    return True


def _is_rejected_refresh(deed: NewAuditEntry, status: int) -> bool:
    return deed.action == "session.refreshed" and status == 401  # noqa: PLR2004  # HTTP


def _has_credential(scope: Scope) -> bool:
    connection = ASGIConnection[Any, Any, Any, Any](scope)
    headers: Mapping[str, str] = connection.headers
    has_cookie = cookies.cookie_value(connection, principals.SESSION_COOKIE) is not None
    return "Authorization" in headers or "X-API-Key" in headers or has_cookie


def _is_first_in_window(key: tuple[str, ...]) -> bool:
    now = monotonic()
    if _throttled_until_s.get(key, 0.0) > now:
        return False
    if len(_throttled_until_s) >= MAX_THROTTLED:
        _throttled_until_s.clear()
    _throttled_until_s[key] = now + THROTTLE_S
    return True


def _may_record_anonymous() -> bool:
    """Whether nobody we know may leave one more entry in this minute, from however many addresses."""
    now = monotonic()
    while _anonymous_entries and _anonymous_entries[0] <= now - THROTTLE_S:
        _anonymous_entries.popleft()
    if len(_anonymous_entries) >= MAX_ANONYMOUS_PER_MINUTE:
        return False
    _anonymous_entries.append(now)
    return True


def _outcome_of(status: int) -> AuditOutcome:
    if status < 400:  # noqa: PLR2004  # HTTP
        return AuditOutcome.DONE
    return AuditOutcome.REFUSED if status < 500 else AuditOutcome.FAILED  # noqa: PLR2004  # HTTP


def _mfa_user_id(ticket: object) -> str:
    """Whose second step a body is."""
    try:
        return (
            str(signed_tokens.read_token(signed_tokens.MFA_TOKEN_KIND, ticket)["sub"])
            if isinstance(ticket, str)
            else ""
        )
    except (Unauthorized, KeyError):
        return ""


def _mask_logins(action: str, change: dict[str, Any]) -> dict[str, Any]:
    is_told = not action.startswith("session.")
    return {field: value if is_told or field not in LOGIN_FIELDS else MASK for field, value in change.items()}


def _last_path_parameter(scope: Scope) -> str:
    """The last thing that the path names; a token names nothing, it opens."""
    named = [value for name, value in cast(Any, scope).get("path_params", {}).items() if name != "token"]
    return one_line(str(named[-1]), MAX_TEXT_CHARS) if named else ""


def _created_id(status: int, body: bytes) -> str:
    if status != 201:  # noqa: PLR2004  # HTTP
        return ""
    try:
        return msgspec.json.decode(body, type=_CreatedResource).id or ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _loggable_fields(body: Any, above: str = "") -> dict[str, Any]:
    """Field → what may be shown, with dotted names; a field that says what it would say anyway is left out."""
    found: dict[str, Any] = {}
    for one in msgspec.structs.fields(body) if isinstance(body, Struct) else ():
        value, name = getattr(body, one.name), f"{above}{one.encode_name}"
        if value is UNSET or (not above and value == one.default):
            continue
        nested = _loggable_fields(value, f"{name}.") if isinstance(value, Struct) and not above else {}
        found.update(nested or {name: _loggable_value(one.name, value)})
    return dict(list(found.items())[:MAX_FIELDS])


def _loggable_value(name: str, value: object) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, StrEnum):
        return value.value
    return value[:MAX_TEXT_CHARS] if isinstance(value, str) and name in UNMASKED_FIELDS else MASK
