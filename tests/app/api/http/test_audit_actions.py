"""The audit action of every operation that is recorded, written out, so that a change of a stored name is seen."""

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from app.api.http import audit_actions
from app.api.http.audit_actions import QUIET
from app.security.auth import principals
from tests.app.api.running_app import built
from tests.app.api.test_policy import routes_of

ACTIONS = {
    "AcceptInvitation": "invitation.accepted",
    "AcknowledgeIncident": "incident.acknowledged",
    "AcknowledgeIncidentByLink": "incident.acknowledged",
    "BulkUpdateMonitors": "monitors.updated",
    "CloneMonitor": "monitor.cloned",
    "CreateApiKey": "api_key.created",
    "CreateChannel": "channel.created",
    "CreateCheck": "check.created",
    "CreateEscalation": "escalation.created",
    "CreateIncident": "incident.created",
    "CreateIncidentNote": "incident_note.created",
    "CreateInvitation": "invitation.created",
    "CreateMonitor": "monitor.created",
    "CreatePasskey": "passkey.created",
    "CreatePasskeyLoginOptions": "passkey_login.prepared",
    "CreatePasskeyOptions": "passkey.prepared",
    "CreateProxy": "proxy.created",
    "CreateRecoveryCodes": "recovery_codes.renewed",
    "CreateTag": "tag.created",
    "CreateToken": "session.started",
    "CreateUser": "user.created",
    "CreateWebhook": "webhook.created",
    "DeleteApiKey": "api_key.deleted",
    "DeleteChannel": "channel.deleted",
    "DeleteCheck": "check.deleted",
    "DeleteEscalation": "escalation.deleted",
    "DeleteIncident": "incident.deleted",
    "DeleteMonitor": "monitor.deleted",
    "DeletePasskey": "passkey.deleted",
    "DeleteProxy": "proxy.deleted",
    "DeleteSession": "session.ended",
    "DeleteSessions": "sessions.ended",
    "DeleteTag": "tag.deleted",
    "DeleteUser": "user.deleted",
    "DeleteWebhook": "webhook.deleted",
    "DisableTwoFactor": "two_factor.disabled",
    "ExportAuditLog": "audit.exported",
    "FinishOidcLogin": "session.started",
    "GetPushToken": "monitor.token_shown",
    "Login": "session.started",
    "LoginWithCode": "session.started",
    "LoginWithPasskey": "session.started",
    "Logout": "session.ended",
    "PauseMonitor": "monitor.paused",
    "PreviewTemplates": "templates.previewed",
    "RefreshToken": "session.refreshed",
    "Register": "user.registered",
    "ResendDeliveries": "deliveries.resent",
    "ResendDelivery": "delivery.resent",
    "ResendWebhookDelivery": "webhook_delivery.resent",
    "ResetMonitor": "monitor.reset",
    "ResetSetting": "setting.reset",
    "ResetUserPassword": "password.reset",
    "ResolveIncident": "incident.resolved",
    "ResumeChannel": "channel.resumed",
    "ResumeMonitor": "monitor.resumed",
    "RevokeInvitation": "invitation.revoked",
    "RotatePushToken": "monitor.token_rotated",
    "RotateWebhookSecret": "webhook_secret.rotated",
    "RunAdHocBatch": "batch.run",
    "RunAdHocCheck": "check.run",
    "RunBatch": "batch.run",
    "RunCheck": "check.run",
    "RunMonitor": "monitor.run",
    "SetMonitorStatus": "monitor.status_set",
    "SetUpTotp": "totp.set_up",
    "SetVisibleTags": "visible_tags.updated",
    "TestChannel": "channel.tested",
    "TestChannelDraft": "channel.tested",
    "TestWebhook": "webhook.tested",
    "UpdateApiKey": "api_key.updated",
    "UpdateApiKeyByPut": "api_key.updated",
    "UpdateChannel": "channel.updated",
    "UpdateChannelByPut": "channel.updated",
    "UpdateCheck": "check.updated",
    "UpdateEscalation": "escalation.updated",
    "UpdateEscalationByPut": "escalation.updated",
    "UpdateIncident": "incident.updated",
    "UpdateIncidentByPut": "incident.updated",
    "UpdateMe": "user.updated",
    "UpdateMonitor": "monitor.updated",
    "UpdateMonitorByPut": "monitor.updated",
    "UpdatePasskey": "passkey.renamed",
    "UpdatePassword": "password.updated",
    "UpdateProxy": "proxy.updated",
    "UpdateProxyByPut": "proxy.updated",
    "UpdateSetting": "setting.updated",
    "UpdateTag": "tag.updated",
    "UpdateTagByPut": "tag.updated",
    "UpdateUser": "user.updated",
    "UpdateUserByPut": "user.updated",
    "UpdateWebhook": "webhook.updated",
    "UpdateWebhookByPut": "webhook.updated",
    "VerifyTotp": "totp.verified",
}


def recorded(application: Litestar) -> set[str]:
    """The ids of the operations whose requests leave an audit entry."""
    return {
        audit_actions.operation_id_of(handler, method, path)
        for path, method, handler in routes_of(application)
        if isinstance(handler, HTTPRouteHandler) and not handler.opt.get(QUIET)
        if method not in {*principals.SAFE_METHODS, "WS"} or handler.opt.get(audit_actions.AUDITED)
    }


def test_every_recorded_operation_has_its_row() -> None:
    assert recorded(built("")) == set(ACTIONS)


@pytest.mark.parametrize("operation", ACTIONS)
def test_an_operation_is_stored_under_this_action(operation: str) -> None:
    assert audit_actions.action_of(operation) == ACTIONS[operation]


def test_no_override_is_left_over() -> None:
    assert set(audit_actions.ACTION_OVERRIDES) <= set(ACTIONS)


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("RetryDelivery", "delivery.retried"),
        ("ReplayEvent", "event.replayed"),
        ("RotateQRCode", "qr_code.rotated"),
        ("UpdateThingByPut", "thing.updated"),
    ],
)
def test_a_new_operation_has_the_past_tense_of_its_verb(operation: str, action: str) -> None:
    assert audit_actions.action_of(operation) == action
