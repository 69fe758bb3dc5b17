"""What the documented errors of each provider say: of the message, of the channel, or only that it is too early.

A table holds, by word of the error or by HTTP status, what differs from the meaning of the status alone. Words come
first, in the order of the table, and match whole words in the named fields of the body, ignoring case; those of a 5xx
do not count. The comment above a table names its source. What no table knows is left to the status, and to the rule
that several rejected messages in a row disable a channel (`app.domain.alerting.circuit_breaker`).
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from actors.senders.kit.errors import DeliveryError, ProviderResponse
from actors.senders.kit.retry_after import json_object
from schema import channels
from schema.channels import ChannelConfig

TEXT = ""  # in the place of a field: the whole body


class Verdict(StrEnum):
    """What a rejection concerns."""

    LATER = "later"  # the same message may be accepted later
    MESSAGE = "message"  # this message; others may be accepted
    CHANNEL = "channel"  # every message: the credentials, the destination or the account
    GONE = "gone"  # the destination does not exist any more


class ProviderErrors(Struct, frozen=True):
    """The errors of one provider.

    fields      of the body that hold error codes or texts: names joined by dots, `*` for every item of a list
    verdicts    by word of these fields, or by HTTP status
    """

    fields: tuple[str, ...] = ()
    verdicts: Mapping[str | int, Verdict] = {}


LATER, MESSAGE, CHANNEL, GONE = Verdict


def _all(verdict: Verdict, *words: str | int) -> dict[str | int, Verdict]:
    return dict.fromkeys(words, verdict)


# Bot API, "Making requests"; the descriptions are those of telegram-bot-api, Client.cpp, and of core.telegram.org's
# list of RPC errors, which the server passes on.
TELEGRAM = ProviderErrors(
    ("description",),
    _all(
        CHANNEL,
        *("chat not found", "chat_id is empty", "group chat was upgraded", "group chat was deactivated"),
        *("message thread not found", "message thread id is invalid", "TOPIC_CLOSED", "TOPIC_DELETED"),
        *("not enough rights", "have no rights to send", "need administrator rights", "PEER_ID_INVALID"),
        *("CHAT_WRITE_FORBIDDEN", "CHAT_SEND_PLAIN_FORBIDDEN", "CHAT_RESTRICTED", "CHAT_ADMIN_REQUIRED"),
        *(
            "CHANNEL_PRIVATE",
            "CHANNEL_INVALID",
            "USER_ID_INVALID",
            "INPUT_USER_DEACTIVATED",
            "CHAT_GUEST_SEND_FORBIDDEN",
        ),
    ),
)
# docs.slack.dev, "Sending messages using incoming webhooks", handling errors; the body is one word.
SLACK = ProviderErrors(
    (TEXT,),
    _all(MESSAGE, "invalid_payload", "no_text", "too_many_attachments", "invalid_blocks", "msg_too_long")
    | _all(
        CHANNEL,
        *("user_not_found", "channel_not_found", "channel_is_archived", "is_archived", "action_prohibited"),
        *("no_service", "no_service_id", "no_active_hooks", "no_team", "team_disabled", "invalid_token"),
        *("posting_to_general_channel_denied", "invalid_channel", "not_in_channel", "account_inactive"),
    ),
)
# discord.com/developers, "Opcodes and status codes", JSON error codes.
DISCORD = ProviderErrors(
    ("code", "errors.username._errors.*.code", "username.*"),
    _all(GONE, "10015")  # unknown webhook
    | _all(
        CHANNEL,
        *("10003", "10004", "50001", "50013", "50027", "40002"),  # channel, guild, access, permission, token, account
        *("220001", "220002", "220003", "220004", "50083", "40333"),  # forum channels need a thread; archived; blocked
        *("USERNAME_INVALID_CONTAINS", "Username cannot contain", "BASE_TYPE_BAD_LENGTH"),  # the configured name
    )
    | _all(MESSAGE, "50006", "50035", "50109", "200000", "200001", "240000")  # empty, form, JSON, moderation, links
    | _all(LATER, "130000", "20016", "20022", "20028"),  # overloaded, slow mode, write rates
)
# Azure Logic Apps, "Workflow trigger" errors; Power Automate, "Troubleshoot common issues with triggers".
TEAMS = ProviderErrors(
    ("error.code",),
    _all(
        CHANNEL,
        *("WorkflowTriggerIsNotEnabled", "WorkflowNotFound", "WorkflowTriggerNotFound", "AuthorizationFailed"),
        *("DirectApiAuthorizationRequired", "DirectApiInvalidAuthorizationScheme"),
        *("MissingApiVersionParameter", "InvalidApiVersionParameter"),
    )
    | _all(MESSAGE, "InvalidRequestContent", "TriggerInputSchemaMismatch"),
)
# google.rpc.Code and google.rpc.ErrorReason: cloud.google.com/apis/design/errors.
GOOGLE_CHAT = ProviderErrors(
    ("error.status", "error.message", "error.details.*.reason"),
    _all(
        CHANNEL,
        *("API_KEY_INVALID", "API key not valid", "API_KEY_SERVICE_BLOCKED", "SERVICE_DISABLED", "CONSUMER_SUSPENDED"),
        *("UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "FAILED_PRECONDITION"),
    )
    | _all(MESSAGE, "INVALID_ARGUMENT", "OUT_OF_RANGE")
    | _all(LATER, "RESOURCE_EXHAUSTED", "ABORTED", "UNAVAILABLE"),
)
# gotify.net/api-docs, `createMessage`: 400, 401, 403; the statuses say it all.
GOTIFY = ProviderErrors()
# pushover.net/api, "Response format" and "Identifiers".
PUSHOVER = ProviderErrors(
    ("errors.*",),
    _all(
        CHANNEL,
        *("application token is", "user identifier is", "user key is", "device name is", "no active devices"),
        *("expire is", "retry is", "priority is"),
    )
    | _all(MESSAGE, "message cannot be blank", "message is too long"),
)
# spec.matrix.org, client-server API, "Standard error response".
MATRIX = ProviderErrors(
    ("errcode",),
    _all(
        CHANNEL,
        *("M_FORBIDDEN", "M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_GUEST_ACCESS_FORBIDDEN", "M_USER_DEACTIVATED"),
        *("M_USER_LOCKED", "M_USER_SUSPENDED", "M_NOT_FOUND", "M_UNRECOGNIZED", "M_INVALID_PARAM", "M_MISSING_PARAM"),
        *("M_CONSENT_NOT_GIVEN", "M_RESOURCE_LIMIT_EXCEEDED"),
    )
    | _all(MESSAGE, "M_TOO_LARGE", "M_BAD_JSON", "M_NOT_JSON")
    | _all(LATER, "M_LIMIT_EXCEEDED"),
)
# mattermost/server, channels/app/webhook.go, HandleIncomingWebhook; disabled webhooks are a 501.
MATTERMOST = ProviderErrors(
    ("id",),
    _all(
        CHANNEL,
        *("web.incoming_webhook.invalid.app_error", 501),
        *("web.incoming_webhook.channel.app_error", "web.incoming_webhook.channel_locked.app_error"),
        *("web.incoming_webhook.permissions.app_error", "web.incoming_webhook.user.app_error"),
        *("api.post.create_post.can_not_post_to_deleted.error", "api.post.create_post.town_square_read_only"),
    )
    | _all(
        MESSAGE,
        *("web.incoming_webhook.parse.app_error", "web.incoming_webhook.text.app_error"),
        *("web.incoming_webhook.split_props_length.app_error", "web.incoming_webhook.decode.app_error"),
    ),
)
# signal-cli-rest-api responds 400 to every error, with signal-cli's text: SendMessageResultUtils, and its own api.go.
SIGNAL = ProviderErrors(
    ("error",),
    _all(LATER, "rate limit", "rate limiting", "CAPTCHA proof required", "Network failure")
    | _all(
        CHANNEL,
        *("Untrusted Identity", "untrusted identities", "Unregistered user", "not registered", "unregistered"),
        *("does not exist", "invalid recipient", "invalid group", "more than one", "not a member"),
    )
    | _all(MESSAGE, "couldn't process", "please provide", "please specify", "signal messenger", "a signal message")
    | {400: LATER},
)
# developer.work.weixin.qq.com/document/path/90313, global error codes. The HTTP status is always 200.
WECOM = ProviderErrors(
    ("errcode",),
    _all(LATER, "-1", "6000", "45009", "45011", "45033")  # busy, conflict, too often, too fast, too many at once
    | _all(CHANNEL, "93000", "93004", "93008", "40001", "48002", "60020")  # robot gone, disabled, not in the group
    | _all(MESSAGE, "40008", "40033", "40058", "44004", "45002", "47001"),
)
# waha.devlike.pro/docs, sessions: an answer 422 names a session that is not WORKING.
WHATSAPP = ProviderErrors(
    ("message", "error", "exception.message"),
    _all(LATER, "session status") | _all(CHANNEL, "find a session", "does not exist"),
)
# developers.line.biz/en/reference/messaging-api, "Error messages", and "Handle HTTP status code 429 errors".
LINE = ProviderErrors(
    ("message",),
    _all(
        CHANNEL,
        *("You have reached your monthly limit", "Failed to send messages", "Authentication failed"),
        *("Access to this API is not available", "The property, 'to'"),
    )
    | _all(MESSAGE, "request body could not be parsed"),
)
# docs.pushbullet.com, "Errors"; `param` names what is invalid.
PUSHBULLET = ProviderErrors(
    ("error.code", "error.param"),
    _all(CHANNEL, "invalid_access_token", "pushbullet_pro_required", "device_iden", "channel_tag"),
)
# developer.pagerduty.com, "Events API v2", response codes: 400 lists what is wrong with the event.
PAGERDUTY = ProviderErrors(
    ("message", "errors.*"),
    _all(CHANNEL, "routing key", "routing_key", "integration key"),
)
# docs.opsgenie.com, "API response": 402 is an account whose plan ended, 422 a body or a key that is none.
OPSGENIE = ProviderErrors(
    ("message", "errors.*"),
    _all(CHANNEL, "Key format is not valid", "API Key does not exist", "Could not authenticate", "is not authorized"),
)
# grafana/oncall, engine/apps/integrations: 403 for an unknown key, 404 for another address.
GRAFANA_ONCALL = ProviderErrors()
# pagertree.com/docs, "Webhook integration": 404 for an unknown integration.
PAGERTREE = ProviderErrors()
# twilio.com/docs/api/errors.
TWILIO = ProviderErrors(
    ("code", "error_code"),
    _all(LATER, "14107", "20429", "21611", "30001", "30022", "63018", "63038")  # too many at once or today
    | _all(
        CHANNEL,
        *("20003", "20005", "20404", "90010", "30002"),  # credentials, account
        *("21211", "21214", "21217", "21265", "21408", "21610", "21612", "21614", "14101"),  # to
        *("30004", "30005", "30006"),  # blocked, unknown, landline
        *("21212", "21606", "21608", "21635", "21659", "21660", "21661", "21701", "21703", "21704", "21712"),  # from
        *("30032", "30034"),  # a sender that is not registered
    )
    | _all(MESSAGE, "21602", "21605", "21617", "21619", "30007"),
)
# twilio.com/docs/sendgrid, "Mail Send errors": `field` names what is wrong. Recipients are read by the sender.
SENDGRID = ProviderErrors(
    ("errors.*.field",), _all(CHANNEL, "from", "reply_to", "personalizations") | _all(MESSAGE, "content", "subject")
)
# RFC 8030, 7.3: 404 is a subscription that has ended; 410 as well. Reasons of Apple's and errnos of Mozilla's services.
WEBPUSH = ProviderErrors(
    ("reason", "errno"),
    _all(GONE, "102", "103", "105", "106", "Unregistered", "ExpiredToken")
    | _all(CHANNEL, "109", "VapidPkHashMismatch", "BadJwtToken", "BadAuthorizationHeader")
    | {404: GONE, 410: GONE},
)
# binwiederhier/ntfy, server/errors.go: topic, priority, token, access.
NTFY = ProviderErrors(
    ("code",),
    _all(CHANNEL, "40007", "40009", "40010", "40023", "40101", "40301")
    | _all(MESSAGE, "40011", "40017", "40018", "40024", "41301", "41303"),
)
# Receivers of webhooks have no common error codes; statuses mean what RFC 9110 says.
WEBHOOK = ProviderErrors()
# Its services answer to the sandbox, whose `FailedRequest` reads the status.
APPRISE = ProviderErrors()
# SMTP is not HTTP: `smtp` reads reply codes.
SMTP = ProviderErrors()

PROVIDER_ERRORS: dict[type[ChannelConfig], ProviderErrors] = {
    channels.Webhook: WEBHOOK,
    channels.Smtp: SMTP,
    channels.Slack: SLACK,
    channels.Discord: DISCORD,
    channels.Telegram: TELEGRAM,
    channels.Ntfy: NTFY,
    channels.Gotify: GOTIFY,
    channels.Pushover: PUSHOVER,
    channels.Matrix: MATRIX,
    channels.Mattermost: MATTERMOST,
    channels.Teams: TEAMS,
    channels.GoogleChat: GOOGLE_CHAT,
    channels.Signal: SIGNAL,
    channels.Wecom: WECOM,
    channels.Whatsapp: WHATSAPP,
    channels.Line: LINE,
    channels.Pushbullet: PUSHBULLET,
    channels.Pagerduty: PAGERDUTY,
    channels.Opsgenie: OPSGENIE,
    channels.GrafanaOncall: GRAFANA_ONCALL,
    channels.Pagertree: PAGERTREE,
    channels.Twilio: TWILIO,
    channels.Sendgrid: SENDGRID,
    channels.Webpush: WEBPUSH,
    channels.Apprise: APPRISE,
}


def judge(error: DeliveryError, provider: type[ChannelConfig]) -> None:
    """Set what the error concerns, where the provider's documented errors say more than the status."""
    if error.response is None or (verdict := find_verdict(error.response, PROVIDER_ERRORS[provider])) is None:
        return
    error.permanent = verdict is not Verdict.LATER
    error.channel_level = verdict in {Verdict.CHANNEL, Verdict.GONE}
    error.endpoint_gone = verdict is Verdict.GONE


def find_verdict(response: ProviderResponse, errors: ProviderErrors) -> Verdict | None:
    """What the provider's table says of a response; None when it says nothing."""
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # its words may be those of a proxy
        return errors.verdicts.get(response.status)
    said = "\n".join(_error_texts(response.body, errors.fields))
    for word, verdict in errors.verdicts.items():
        if isinstance(word, str) and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", said, re.IGNORECASE):
            return verdict
    return errors.verdicts.get(response.status)


def _error_texts(body: bytes, fields: tuple[str, ...]) -> Iterator[str]:
    """The texts and numbers of these fields."""
    decoded = json_object(body)
    for field in fields:
        if field == TEXT:
            yield body.decode(errors="replace")
        else:
            yield from (str(one) for one in _values(decoded, field.split(".")) if isinstance(one, str | int))


def _values(value: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        yield value
        return
    name, *rest = path
    if name == "*":
        for one in value if isinstance(value, list) else []:
            yield from _values(one, rest)
    elif isinstance(value, dict) and name in value:
        yield from _values(value[name], rest)
