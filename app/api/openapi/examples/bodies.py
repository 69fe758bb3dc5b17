"""A request body for every other operation that has one. Callers replace passwords, codes and tokens by their own."""

from typing import Any

from app.api.openapi.examples.ids import CHANNEL_ID, TAG_ID

EMAIL, PASSWORD, CODE = "me@example.org", "correct horse battery", "123456"
MFA_TOKEN, TOKEN = "the-mfa-token-of-the-error", "what-was-sent-to-you"
CREDENTIAL = {"id": "AAAA", "rawId": "AAAA", "type": "public-key"}
ATTESTATION = {**CREDENTIAL, "response": {"clientDataJSON": "AAAA", "attestationObject": "AAAA"}}
ASSERTION = {
    **CREDENTIAL,
    "response": {"clientDataJSON": "AAAA", "authenticatorData": "AAAA", "signature": "AAAA"},
}
PATCHES: dict[str, Any] = {
    "ApiKey": {"name": "Grafana", "active": False},
    "Channel": {"active": False},
    "Escalation": {"name": "On call, at night", "repeat": 1},
    "Incident": {"is_public": True, "post_mortem": "A disk was full. It is watched now."},
    "Monitor": {"interval": 120, "max_retries": 2},
    "Proxy": {"port": 1081},
    "Tag": {"color": "#2e7d32"},
    "User": {"role": "operator"},
    "Webhook": {"events": ["monitor.*"]},
}
REQUESTS: dict[str, Any] = {
    "Register": {"email": EMAIL, "password": PASSWORD, "setup_token": TOKEN},
    "Login": {"email": EMAIL, "password": PASSWORD},
    "CreateToken": {"username": EMAIL, "password": PASSWORD, "grant_type": "password"},
    "RefreshToken": {"refresh_token": TOKEN},
    "UpdateMe": {"username": "ada"},
    "UpdatePassword": {"old_password": PASSWORD, "new_password": "a longer horse battery"},
    "SetUpTotp": {"password": PASSWORD},
    "VerifyTotp": {"token": CODE},
    "DisableTwoFactor": {"password": PASSWORD, "token": CODE},
    "CreateRecoveryCodes": {"password": PASSWORD, "token": CODE},
    "LoginWithCode": {"mfa_token": MFA_TOKEN, "token": CODE},
    "CreatePasskeyOptions": {"password": PASSWORD},
    "CreatePasskey": {"name": "Telephone", "credential": ATTESTATION},
    "UpdatePasskey": {"name": "Old telephone"},
    "CreatePasskeyLoginOptions": {"mfa_token": MFA_TOKEN},
    "LoginWithPasskey": {"mfa_token": MFA_TOKEN, "credential": ASSERTION},
    "CreateApiKey": {"name": "Grafana", "role": "viewer", "scopes": ["monitors:read"]},
    "CreateUser": {"email": "guest@example.org", "role": "viewer"},
    "ResetUserPassword": {"api_keys": "revoke"},
    "SetVisibleTags": {"visible_tags": [TAG_ID]},
    "CreateInvitation": {"email": "guest@example.org", "role": "operator"},
    "AcceptInvitation": {"token": TOKEN, "password": PASSWORD},
    "BulkUpdateMonitors": {"action": "pause", "filter": {"tag": "production"}},
    "CloneMonitor": {"name": "Front page, again"},
    "SetMonitorStatus": {"status": "degraded", "message": "The lift is being repaired."},
    "PreviewTemplates": {"templates": {"title": "{{ name }} is {{ status }}"}, "event": "monitor.down"},
    "ResendDeliveries": {"event": "monitor.down"},
    "CreateEscalation": {"name": "On call", "steps": [{"after": 300, "channel_ids": [CHANNEL_ID]}]},
    "CreateIncident": {"title": "The office has no power", "text": "Somebody is on the way."},
    "CreateIncidentNote": {"text": "The power is back."},
    "CreateProxy": {"name": "Office", "protocol": "socks5", "host": "proxy.example.org", "port": 1080},
    "CreateTag": {"name": "production", "color": "#b71c1c"},
    "UpdateSetting": {"value": 48},
    "TestWebhook": {"event": "monitor.down"},
    **{f"Update{noun}": patch for noun, patch in PATCHES.items()},
    **{f"Update{noun}ByPut": patch for noun, patch in PATCHES.items()},
}
