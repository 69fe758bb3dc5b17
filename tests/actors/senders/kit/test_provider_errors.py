"""Each provider's documented errors: which concern the message, which the channel, and which pass by themselves."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from actors.senders import DeliveryError, send
from actors.senders.kit.context import SenderContext
from actors.senders.kit.errors import ProviderResponse
from actors.senders.kit.provider_errors import CHANNEL, GONE, LATER, MESSAGE, PROVIDER_ERRORS, Verdict, find_verdict
from schema.channels import PROVIDERS
from tests.actors.senders import sample_messages
from tests.actors.senders.sample_messages import HTTP_PROVIDERS, channel
from tests.receiver import Order, Receiver


def telegram(text: str) -> dict[str, Any]:
    return {"ok": False, "error_code": 400, "description": text}


def pagerduty(*errors: str) -> dict[str, Any]:
    return {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}


def google(status: str, message: str = "", reason: str = "") -> dict[str, Any]:
    return {"error": {"status": status, "message": message, "details": [{"reason": reason}] if reason else []}}


def mattermost(name: str) -> dict[str, Any]:
    return {"id": f"web.incoming_webhook.{name}.app_error", "message": "No.", "status_code": 400}


def sendgrid(field: str | None) -> dict[str, Any]:
    return {"errors": [{"message": "No.", "field": field, "help": None}]}


# A provider, a status and a body as its documents have them, and what they say.
CASES: list[tuple[str, int, Any, Verdict]] = [
    ("webhook", 400, {}, MESSAGE),
    ("webhook", 413, {}, MESSAGE),
    ("webhook", 301, {}, CHANNEL),
    ("webhook", 308, {}, CHANNEL),
    ("webhook", 401, {}, CHANNEL),
    ("webhook", 405, {}, CHANNEL),
    ("webhook", 410, {}, GONE),
    ("webhook", 503, {}, LATER),
    ("telegram", 400, telegram("Bad Request: chat not found"), CHANNEL),
    ("telegram", 400, telegram("Bad Request: message thread not found"), CHANNEL),
    ("telegram", 400, telegram("Bad Request: TOPIC_CLOSED"), CHANNEL),
    ("telegram", 400, telegram("Bad Request: not enough rights to send text messages to the chat"), CHANNEL),
    ("telegram", 400, telegram("Bad Request: group chat was upgraded to a supergroup chat"), CHANNEL),
    ("telegram", 400, telegram("Bad Request: message is too long"), MESSAGE),
    ("telegram", 400, telegram("Bad Request: can't parse entities: unclosed tag"), MESSAGE),
    ("telegram", 401, telegram("Unauthorized"), CHANNEL),
    ("telegram", 403, telegram("Forbidden: bot was blocked by the user"), CHANNEL),
    ("telegram", 429, telegram("Too Many Requests: retry after 5"), LATER),
    ("slack", 404, "channel_not_found", CHANNEL),
    ("slack", 400, "user_not_found", CHANNEL),
    ("slack", 403, "invalid_token", CHANNEL),
    ("slack", 403, "action_prohibited", CHANNEL),
    ("slack", 404, "no_service", CHANNEL),
    ("slack", 410, "channel_is_archived", CHANNEL),
    ("slack", 400, "invalid_payload", MESSAGE),
    ("slack", 400, "no_text", MESSAGE),
    ("slack", 500, "rollup_error", LATER),
    ("discord", 404, {"code": 10015, "message": "Unknown Webhook"}, GONE),
    ("discord", 401, {"code": 50027, "message": "Invalid Webhook Token"}, CHANNEL),
    ("discord", 400, {"code": 220001, "message": "Webhooks posted to forum channels must have a thread"}, CHANNEL),
    ("discord", 400, {"username": ['Username cannot contain "discord"']}, CHANNEL),
    (
        "discord",
        400,
        {"code": 50035, "errors": {"username": {"_errors": [{"code": "USERNAME_INVALID_CONTAINS"}]}}},
        CHANNEL,
    ),
    ("discord", 400, {"code": 50035, "errors": {"embeds": {}}}, MESSAGE),
    ("discord", 400, {"code": 200000, "message": "blocked by automatic moderation"}, MESSAGE),
    ("discord", 400, {"code": 50006, "message": "Cannot send an empty message"}, MESSAGE),
    ("teams", 400, {"error": {"code": "WorkflowTriggerIsNotEnabled", "message": "Disabled"}}, CHANNEL),
    ("teams", 400, {"error": {"code": "MissingApiVersionParameter"}}, CHANNEL),
    ("teams", 401, {"error": {"code": "DirectApiAuthorizationRequired"}}, CHANNEL),
    ("teams", 400, {"error": {"code": "TriggerInputSchemaMismatch"}}, MESSAGE),
    ("google_chat", 400, google("INVALID_ARGUMENT", "API key not valid.", "API_KEY_INVALID"), CHANNEL),
    ("google_chat", 404, google("NOT_FOUND"), CHANNEL),
    ("google_chat", 400, google("FAILED_PRECONDITION"), CHANNEL),
    ("google_chat", 400, google("INVALID_ARGUMENT", "Invalid JSON payload"), MESSAGE),
    ("google_chat", 429, google("RESOURCE_EXHAUSTED"), LATER),
    ("gotify", 401, {"error": "Unauthorized", "errorCode": 401}, CHANNEL),
    ("gotify", 400, {"error": "Bad Request", "errorCode": 400}, MESSAGE),
    ("pushover", 400, {"user": "invalid", "errors": ["user identifier is not a valid user, group"]}, CHANNEL),
    ("pushover", 400, {"user": "invalid", "errors": ["user identifier is invalid"]}, CHANNEL),
    ("pushover", 400, {"token": "invalid", "errors": ["application token is invalid"]}, CHANNEL),
    ("pushover", 400, {"device": "invalid", "errors": ["device name is not valid for user"]}, CHANNEL),
    ("pushover", 400, {"message": "cannot be blank", "errors": ["message cannot be blank"]}, MESSAGE),
    ("pushover", 429, {"errors": ["application is over its quota"]}, LATER),
    ("matrix", 403, {"errcode": "M_FORBIDDEN"}, CHANNEL),
    ("matrix", 401, {"errcode": "M_UNKNOWN_TOKEN", "soft_logout": False}, CHANNEL),
    ("matrix", 400, {"errcode": "M_INVALID_PARAM", "error": "no such room id"}, CHANNEL),
    ("matrix", 413, {"errcode": "M_TOO_LARGE"}, MESSAGE),
    ("matrix", 400, {"errcode": "M_BAD_JSON"}, MESSAGE),
    ("matrix", 429, {"errcode": "M_LIMIT_EXCEEDED"}, LATER),
    ("mattermost", 400, mattermost("invalid"), CHANNEL),
    ("mattermost", 404, mattermost("channel"), CHANNEL),
    ("mattermost", 501, mattermost("disabled"), CHANNEL),
    ("mattermost", 400, mattermost("text"), MESSAGE),
    ("mattermost", 500, {}, LATER),
    ("signal", 400, {"error": "Specified account does not exist"}, CHANNEL),
    ("signal", 400, {"error": "Failed to send message due to untrusted identities"}, CHANNEL),
    ("signal", 400, {"error": "Couldn't process request - invalid request"}, MESSAGE),
    ("signal", 400, {"error": "Failed to send message"}, LATER),
    ("wecom", 200, {"errcode": 93000, "errmsg": "invalid webhook url"}, CHANNEL),
    ("wecom", 200, {"errcode": 93004, "errmsg": "robot disabled"}, CHANNEL),
    ("wecom", 200, {"errcode": 45002, "errmsg": "content size out of limit"}, MESSAGE),
    ("wecom", 200, {"errcode": 44004, "errmsg": "empty content"}, MESSAGE),
    ("wecom", 200, {"errcode": 99999, "errmsg": "unknown"}, MESSAGE),
    ("wecom", 200, {"errcode": -1, "errmsg": "system error"}, LATER),
    ("wecom", 200, {"errcode": 45009, "errmsg": "api freq out of limit"}, LATER),
    ("whatsapp", 422, {"error": "Session status is not as expected", "status": "STARTING"}, LATER),
    ("whatsapp", 422, {"message": 'Session "ops" does not exist'}, CHANNEL),
    ("whatsapp", 401, {"message": "Unauthorized"}, CHANNEL),
    ("whatsapp", 422, {"message": "text must be a string"}, MESSAGE),
    ("line", 400, {"message": "The property, 'to', in the request body is invalid (line: -, column: -)"}, CHANNEL),
    ("line", 400, {"message": "Failed to send messages"}, CHANNEL),
    ("line", 429, {"message": "You have reached your monthly limit."}, CHANNEL),
    ("line", 429, {"message": "The API rate limit has been exceeded."}, LATER),
    ("line", 400, {"message": "The request body has 1 error(s)"}, MESSAGE),
    ("pushbullet", 401, {"error": {"code": "invalid_access_token"}}, CHANNEL),
    ("pushbullet", 400, {"error": {"code": "pushbullet_pro_required"}}, CHANNEL),
    ("pushbullet", 400, {"error": {"type": "invalid_request", "param": "channel_tag"}}, CHANNEL),
    ("pushbullet", 400, {"error": {"type": "invalid_request", "param": "body"}}, MESSAGE),
    ("pagerduty", 400, pagerduty("Invalid routing key"), CHANNEL),
    ("pagerduty", 400, pagerduty("Length of 'routing_key' is incorrect (should be 32 characters)"), CHANNEL),
    ("pagerduty", 400, pagerduty("'payload.summary' is missing or blank"), MESSAGE),
    ("pagerduty", 429, {}, LATER),
    ("opsgenie", 422, {"message": "Key format is not valid!"}, CHANNEL),
    ("opsgenie", 402, {"message": "Your account has expired"}, CHANNEL),
    ("opsgenie", 422, {"message": "Request body is not processable. Please check the errors."}, MESSAGE),
    ("grafana_oncall", 403, {"detail": "Integration key was not found. Permission denied."}, CHANNEL),
    ("grafana_oncall", 400, {"detail": "JSON parse error"}, MESSAGE),
    ("pagertree", 404, {}, CHANNEL),
    ("pagertree", 400, {}, MESSAGE),
    ("twilio", 401, {"code": 20003}, CHANNEL),
    ("twilio", 400, {"code": 21211}, CHANNEL),
    ("twilio", 400, {"code": 21610}, CHANNEL),
    ("twilio", 400, {"code": 21606}, CHANNEL),
    ("twilio", 400, {"code": 21617}, MESSAGE),
    ("twilio", 201, {"status": "failed", "error_code": 30007}, MESSAGE),
    ("twilio", 201, {"status": "undelivered", "error_code": 30005}, CHANNEL),
    ("twilio", 400, {"code": 21611}, LATER),
    ("sendgrid", 403, sendgrid("from"), CHANNEL),
    ("sendgrid", 400, sendgrid("from.email"), CHANNEL),
    ("sendgrid", 401, sendgrid(None), CHANNEL),
    ("sendgrid", 400, sendgrid("content.0.value"), MESSAGE),
    ("sendgrid", 413, {}, MESSAGE),
    ("webpush", 404, {"errno": 102}, GONE),
    ("webpush", 410, {"errno": 106}, GONE),
    ("webpush", 400, {"reason": "VapidPkHashMismatch"}, CHANNEL),
    ("webpush", 403, {"reason": "BadJwtToken"}, CHANNEL),
    ("webpush", 413, {}, MESSAGE),
    ("ntfy", 403, {"code": 40301, "http": 403, "error": "forbidden"}, CHANNEL),
    ("ntfy", 400, {"code": 40009, "http": 400, "error": "topic invalid"}, CHANNEL),
    ("ntfy", 400, {"code": 40018, "http": 400, "error": "actions invalid"}, MESSAGE),
    ("ntfy", 413, {"code": 41303, "http": 413, "error": "JSON body too large"}, MESSAGE),
    ("ntfy", 429, {"code": 42908, "http": 429, "error": "too many messages"}, LATER),
]


def verdict_of(error: DeliveryError) -> Verdict:
    if not error.permanent:
        return LATER
    if error.endpoint_gone:
        return GONE
    return CHANNEL if error.channel_level else MESSAGE


def test_every_provider_has_a_table_and_every_http_provider_has_cases() -> None:
    assert set(PROVIDER_ERRORS) == set(PROVIDERS.values())
    assert {provider for provider, *_ in CASES} == set(HTTP_PROVIDERS)


@pytest.mark.parametrize(
    ("provider", "status", "body", "verdict"),
    CASES,
    ids=[f"{name}-{status}-{n}" for n, (name, status, *_) in enumerate(CASES)],
)
async def test_a_documented_error_has_its_verdict(
    provider: str, status: int, body: Any, verdict: Verdict, receiver: Receiver, context: SenderContext
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    receiver.answer(Order(status=status, headers={"Location": "/elsewhere"}, body=text))
    with pytest.raises(DeliveryError) as failed:
        await send(channel(provider, receiver.url), sample_messages.message(), context)
    assert verdict_of(failed.value) is verdict


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_words_of_a_server_error_are_not_the_provider_s(provider: str) -> None:
    errors = PROVIDER_ERRORS[PROVIDERS[provider]]
    words = [word for word in errors.verdicts if isinstance(word, str)]
    body = json.dumps({field.partition(".")[0]: words for field in errors.fields}).encode()
    assert find_verdict(ProviderResponse(502, body), errors) is None


@given(st.sampled_from(list(PROVIDERS)), st.integers(200, 599), st.binary(max_size=200))
def test_no_answer_is_too_odd_to_be_judged(provider: str, status: int, body: bytes) -> None:
    verdict = find_verdict(ProviderResponse(status, body), PROVIDER_ERRORS[PROVIDERS[provider]])
    assert verdict is None or verdict in Verdict


@pytest.mark.parametrize("text", ["1001", "100150", "x10015"])
def test_a_code_is_matched_whole(text: str) -> None:
    body = json.dumps({"code": text}).encode()
    assert find_verdict(ProviderResponse(400, body), PROVIDER_ERRORS[PROVIDERS["discord"]]) is None
