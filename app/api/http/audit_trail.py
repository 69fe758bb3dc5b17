"""The audit entry of a request, built from its route and from what its handler adds.

Every unsafe route leaves one entry per request, whatever the outcome. Not recorded are pushes, replayed replies, and
unread bodies of callers without a credential. Refusals of anonymous callers are recorded once a minute, or anybody
could fill the log. So are failed sign-ins, per account and address; `app.security.limits.failed_logins` counts them.
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
from app.api.http.audit_actions import QUIET
from app.domain.parsing.plain_text import one_line
from app.errors import Unauthorized
from app.security.auth import cookies, principals
from app.security.limits.proxy_headers import address_of, counted_address
from app.security.secrets import signed_tokens
from app.security.secrets.sealing import DecryptionFailed
from app.store.audit.log import record_entry
from schema.audit import AuditOutcome, NewAuditEntry
from schema.field_types import MASK
from schema.users import Principal, User

UNMASKED_FIELDS = frozenset({"name", "username", "email", "action"})  # texts that are logged as they are
MAX_FIELDS, MAX_TEXT_CHARS = 40, 150
DESTINATIONS, MAX_DESTINATIONS = "destinations", 100  # as many as a batch has checks
ANONYMOUS_NOISE = frozenset({400, 401, 413, 415, 422})  # from anonymous callers: a way to fill the disk
THROTTLED_STATUSES = frozenset({429})  # recorded once a minute per caller
LOGIN_FIELDS = frozenset({"username", "email"})  # masked when a sign-in fails: often it is a password in a wrong field
THROTTLE_S, MAX_THROTTLED = 60.0, 10_000
MAX_ANONYMOUS_PER_MINUTE = 120  # from all addresses: somebody with a thousand of them must not fill the disk

log = structlog.get_logger()
_throttled_until_s: dict[tuple[str, ...], float] = {}
_anonymous_entries: deque[float] = deque()  # when entries of anonymous callers were added, by the monotonic clock


class AuditTrail:
    """What a handler adds to the entry of its request."""

    def __init__(self) -> None:
        self.resource_id = ""
        self.change: dict[str, Any] = {}
        self.actor: User | None = None

    def record_body(self, body: Any) -> None:
        """Record the names of a body's fields, and the values that may be logged."""
        self.change.update(_loggable_fields(body))
        mfa_token = getattr(body, "mfa_token", None)
        if isinstance(mfa_token, str):
            self.resource_id = self.resource_id or _mfa_user_id(mfa_token)

    def record_destinations(self, destinations: Iterable[str]) -> None:
        """Record where a request makes us connect. Pass no paths and nothing secret."""
        recorded: list[str] = self.change.setdefault(DESTINATIONS, [])
        shortened = (one[:MAX_TEXT_CHARS] for one in destinations)
        new = [one for one in dict.fromkeys(shortened) if one not in recorded]
        recorded += new[: MAX_DESTINATIONS - len(recorded)]

    def record_deleted(self, name: str, type_: str = "") -> None:
        """Record the name and type of what the request deleted, since nothing has its id afterwards."""
        self.change["name"] = name[:MAX_TEXT_CHARS]
        if type_:
            self.change["type"] = type_

    def record_sign_in(self, user: User) -> None:
        """Record who signed in."""
        self.actor, self.resource_id = user, user.id

    def record_token_reuse(self, user: User) -> None:
        """Record that a used refresh token of this user ended the session. The entry is never left out as noise."""
        self.record_sign_in(user)
        self.change["reused"] = True


class _CreatedResource(Struct):
    """The id in the reply to a creation."""

    id: str | None = None


def trail_of(connection: ASGIConnection[Any, Any, Any, Any]) -> AuditTrail:
    """The audit trail of this request."""
    state = connection.scope["state"]
    if "trail" not in state:
        state["trail"] = AuditTrail()
    trail: AuditTrail = state["trail"]
    return trail


def clear_throttle() -> None:
    """Forget what was recorded in the last minute, so that the same is recorded again."""
    _throttled_until_s.clear()
    _anonymous_entries.clear()


def is_audited(scope: Scope) -> bool:
    """Whether requests of this route are recorded."""
    handler = scope.get("route_handler")
    if not isinstance(handler, HTTPRouteHandler) or handler.opt.get(QUIET):
        return False
    return str(scope.get("method")) not in principals.SAFE_METHODS or bool(handler.opt.get(audit_actions.AUDITED))


async def store_entry(scope: Scope, status: int, body: bytes) -> None:
    """Store the entry of a request with its response. When storing fails, the response is sent all the same."""
    entry = entry_of(scope, status, body)
    if scope["state"].get("replayed") or not _should_record(scope, entry, status):
        return
    try:
        await record_entry(entry)
    except (*db.TRANSIENT_ERRORS, DecryptionFailed) as error:
        log.error("audit.store_failed", reason=str(error), entry=msgspec.to_builtins(entry))  # noqa: TRY400  # the entry says more than a traceback
    except Exception:  # a bug here must not swallow the response to a stored change
        log.exception("audit.crashed", entry=msgspec.to_builtins(entry))


def entry_of(scope: Scope, status: int, body: bytes) -> NewAuditEntry:
    """The entry of a request, from its route, its trail and its response."""
    state, connection = scope["state"], ASGIConnection[Any, Any, Any, Any](scope)
    handler = cast(HTTPRouteHandler, scope["route_handler"])
    trail, method = trail_of(connection), str(scope.get("method"))
    action = audit_actions.action_of_route(handler, method, scope.get("path_template", ""))
    refused_or_failed = AuditOutcome.REFUSED if status < 500 else AuditOutcome.FAILED  # noqa: PLR2004  # HTTP
    return NewAuditEntry(
        **_actor_fields(state.get("principal"), trail),
        ip=address_of(connection),
        action=action,
        resource=action.partition(".")[0],
        resource_id=trail.resource_id or _last_path_parameter(scope) or _created_id(status, body),
        change=trail.change if status < 400 else _mask_logins(action, trail.change),  # noqa: PLR2004  # HTTP
        outcome=AuditOutcome.DONE if status < 400 else refused_or_failed,  # noqa: PLR2004  # HTTP
        code=str(state.get("error_code", "")) if status >= 400 else "",  # noqa: PLR2004  # HTTP
        request_id=str(state.get("request_id", "")),
    )


def _actor_fields(principal: Principal | None, trail: AuditTrail) -> dict[str, str]:
    if principal is not None:
        return {
            "actor_id": principal.user_id,
            "actor": principal.username,
            "role": principal.role.value,
            "via": principal.via,
            "key_id": principal.key_id or "",
        }
    if trail.actor is not None:
        return {"actor_id": trail.actor.id, "actor": trail.actor.username, "role": trail.actor.role.value}
    return {}


def _should_record(scope: Scope, entry: NewAuditEntry, status: int) -> bool:
    """Whether to record an entry; remembers it, so that the same one is not recorded again within a minute."""
    if entry.action == audit_actions.SIGN_IN and status in {401, 403}:  # `app.store.audit.failed_logins` has the count
        return _is_first_in_window(entry.resource_id, entry) and _may_record_anonymous()
    is_anonymous = not entry.actor_id
    is_rejected_refresh = entry.action == "session.refreshed" and status == 401  # noqa: PLR2004  # HTTP
    if is_anonymous and status in ANONYMOUS_NOISE and not (_has_credential(scope) or is_rejected_refresh):
        return False
    if status in THROTTLED_STATUSES or (is_anonymous and entry.outcome is AuditOutcome.REFUSED):
        return _is_first_in_window(entry.actor_id, entry) and (not is_anonymous or _may_record_anonymous())
    return True


def _has_credential(scope: Scope) -> bool:
    connection = ASGIConnection[Any, Any, Any, Any](scope)
    headers: Mapping[str, str] = connection.headers
    has_cookie = cookies.cookie_value(connection, principals.SESSION_COOKIE) is not None
    return "Authorization" in headers or "X-API-Key" in headers or has_cookie


def _is_first_in_window(caller: str, entry: NewAuditEntry) -> bool:
    key, now = (caller, counted_address(entry.ip), entry.action, entry.code), monotonic()
    if _throttled_until_s.get(key, 0.0) > now:
        return False
    if len(_throttled_until_s) >= MAX_THROTTLED:
        _throttled_until_s.clear()
    _throttled_until_s[key] = now + THROTTLE_S
    return True


def _may_record_anonymous() -> bool:
    """Whether anonymous callers of all addresses together may leave one more entry in this minute; counts it."""
    now = monotonic()
    while _anonymous_entries and _anonymous_entries[0] <= now - THROTTLE_S:
        _anonymous_entries.popleft()
    if len(_anonymous_entries) >= MAX_ANONYMOUS_PER_MINUTE:
        return False
    _anonymous_entries.append(now)
    return True


def _mfa_user_id(mfa_token: str) -> str:
    """The user of an MFA token; empty for an invalid one."""
    try:
        return str(signed_tokens.read_token(signed_tokens.MFA_TOKEN_KIND, mfa_token)["sub"])
    except (Unauthorized, KeyError):
        return ""


def _mask_logins(action: str, change: dict[str, Any]) -> dict[str, Any]:
    is_sign_in = action.startswith("session.")
    return {field: MASK if is_sign_in and field in LOGIN_FIELDS else value for field, value in change.items()}


def _last_path_parameter(scope: Scope) -> str:
    """The last path parameter. A token is no id, but a secret."""
    values = [value for name, value in cast(Any, scope).get("path_params", {}).items() if name != "token"]
    return one_line(str(values[-1]), MAX_TEXT_CHARS) if values else ""


def _created_id(status: int, body: bytes) -> str:
    if status != 201:  # noqa: PLR2004  # HTTP
        return ""
    try:
        return msgspec.json.decode(body, type=_CreatedResource).id or ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _loggable_fields(body: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted field name → value that may be logged. Top-level fields with their default value are left out."""
    loggable: dict[str, Any] = {}
    for field in msgspec.structs.fields(body) if isinstance(body, Struct) else ():
        value, name = getattr(body, field.name), f"{prefix}{field.encode_name}"
        if value is UNSET or (not prefix and value == field.default):
            continue
        nested = _loggable_fields(value, f"{name}.") if isinstance(value, Struct) and not prefix else {}
        loggable.update(nested or {name: _loggable_value(field.name, value)})
    return dict(list(loggable.items())[:MAX_FIELDS])


def _loggable_value(name: str, value: object) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, StrEnum):
        return value.value
    return value[:MAX_TEXT_CHARS] if isinstance(value, str) and name in UNMASKED_FIELDS else MASK
