"""Names of audit actions, derived from the operation ids of the routes, so that a new route can't be forgotten.

`CreateMonitor` is `monitor.created`, `TestChannel` is `channel.tested`. A PUT that does the same as PATCH has the
action of PATCH. Names that would read badly have a row in `ACTION_OVERRIDES`.
"""

import re
from typing import Any, cast

from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

AUDITED = "audited"  # `opt={AUDITED: True}`: records a GET as well, such as an export
PUT_SUFFIX = "ByPut"  # of the ids of PUT operations that do the same as PATCH
VERBS = {"set": "updated", "run": "run", "resend": "resent", "reset": "reset"}  # irregular, or of another name
SIGN_IN = "session.started"
ACTION_OVERRIDES = {
    "Login": SIGN_IN,
    "CreateToken": SIGN_IN,
    "LoginWithCode": SIGN_IN,
    "LoginWithPasskey": SIGN_IN,
    "FinishOidcLogin": SIGN_IN,
    "RefreshToken": "session.refreshed",
    "Logout": "session.ended",
    "Register": "user.registered",
    "UpdateMe": "user.updated",
    "SetMonitorStatus": "monitor.status_set",
    "GetPushToken": "monitor.token_shown",
    "RotatePushToken": "monitor.token_rotated",
    "TestChannelDraft": "channel.tested",
    "ExportAuditLog": "audit.exported",
    "SetUpTotp": "totp.set_up",
    "AcknowledgeIncidentByLink": "incident.acknowledged",
    "RunAdHocCheck": "check.run",
    "RunAdHocBatch": "batch.run",
    "BulkUpdateMonitors": "monitors.updated",
    "ResetUserPassword": "password.reset",
    "CreateRecoveryCodes": "recovery_codes.renewed",
    "CreatePasskeyOptions": "passkey.prepared",
    "CreatePasskeyLoginOptions": "passkey_login.prepared",
    "UpdatePasskey": "passkey.renamed",
    "DeleteSession": "session.ended",
    "DeleteSessions": "sessions.ended",
}
_NAME_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def action_of(operation_id: str) -> str:
    """The action of an operation."""
    if operation_id in ACTION_OVERRIDES:
        return ACTION_OVERRIDES[operation_id]
    verb, *noun = (word.lower() for word in _NAME_PARTS.findall(operation_id.removesuffix(PUT_SUFFIX)))
    return f"{'_'.join(noun)}.{VERBS.get(verb, _past_tense(verb))}"


def operation_id_of(handler: HTTPRouteHandler, scope: Scope) -> str:
    """The operation's id, or the function's name when it has none."""
    operation_id: Any = handler.operation_id
    if callable(operation_id):
        operation_id = operation_id(handler, cast(Any, scope).get("method"), [scope.get("path_template", "")])
    return str(operation_id or "".join(part.title() for part in handler.handler_name.split("_")))


def _past_tense(verb: str) -> str:
    if verb.endswith("e"):
        return f"{verb}d"
    return f"{verb[:-1]}ied" if verb.endswith("y") and verb[-2:-1] not in "aeiou" else f"{verb}ed"
