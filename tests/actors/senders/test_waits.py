"""The wait that each provider asks for, as its own documents say, through the real senders."""

import re
from time import time

import msgspec
import pytest

from actors.senders import DeliveryError, send
from actors.senders.kit.context import SenderContext
from actors.senders.kit.retry_after import WAITS
from schema.channels import Discord, Signal
from tests.actors.senders import sample_messages
from tests.actors.senders.sample_messages import HTTP_PROVIDERS, channel
from tests.receiver import Order, Receiver

# provider → the headers and body of a 429 (WeCom: of a 200), {epoch} being a time in 40 s, and the wait in seconds
DOCUMENTED: dict[str, tuple[dict[str, str], str, float | None]] = {
    "webhook": ({"Retry-After": "40"}, "", 40),
    "slack": ({"Retry-After": "30"}, "", 30),
    "discord": (
        {"X-RateLimit-Reset-After": "6.457", "X-RateLimit-Scope": "user", "Retry-After": "65"},
        '{"message":"You are being rate limited.","retry_after":64.57,"global":false}',
        6.457,
    ),
    "telegram": (
        {},
        '{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":31}}',
        31,
    ),
    "ntfy": ({}, '{"code":42901,"http":429,"error":"limit reached: too many requests"}', None),
    "gotify": ({"Retry-After": "40"}, "", 40),
    "pushover": (
        {"X-Limit-App-Limit": "10000", "X-Limit-App-Remaining": "0", "X-Limit-App-Reset": "{epoch}"},
        '{"status":0,"errors":["application is over its quota"]}',
        40,
    ),
    "matrix": ({}, '{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests","retry_after_ms":2000}', 2),
    "mattermost": ({"X-Ratelimit-Limit": "100", "X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "1"}, "", 1),
    "teams": ({"Retry-After": "17"}, '{"error":{"code":"WorkflowRunActionRateLimited"}}', 17),
    "google_chat": (
        {},
        (
            '{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":['
            '{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}}'
        ),
        1.5,
    ),
    "signal": (
        {},
        (
            '{"error":"Failed to send (some) messages:\\nCAPTCHA proof required for sending to \\"+12025550123\\",'
            ' available options \\"RECAPTCHA\\" with challenge token \\"x\\", or wait \\"300\\" seconds."}'
        ),
        300,
    ),
    "wecom": ({}, '{"errcode":45009,"errmsg":"api freq out of limit"}', None),
    "whatsapp": ({"Retry-After": "40"}, "", 40),
    "line": ({}, '{"message":"The API rate limit has been exceeded. Try again later."}', None),
    "pushbullet": ({"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "{epoch}"}, "", 40),
    "grafana_oncall": ({"Retry-After": "40"}, "", 40),
    "opsgenie": (
        {"X-RateLimit-State": "THROTTLED", "X-RateLimit-Period-In-Sec": "60"},
        '{"message":"You are making too many requests!","took":0.0}',
        60,
    ),
    "pagerduty": ({"Retry-After": "40"}, '{"status":"throttle exceeded"}', 40),
    "pagertree": ({"Retry-After": "40"}, "", 40),
    "twilio": ({}, '{"code":20429,"message":"Too Many Requests","status":429}', None),
    "sendgrid": (
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "{epoch}"},
        '{"errors":[{"field":null,"message":"too many requests"}]}',
        40,
    ),
    "webpush": ({"Retry-After": "40"}, "", 40),
}


async def refusal(provider: str, receiver: Receiver, context: SenderContext, order: Order) -> DeliveryError:
    receiver.answer(order)
    config = channel(provider, receiver.url)
    if isinstance(config, Signal):  # a group: its members may have the message
        config = msgspec.structs.replace(config, recipients=["+4915100000001"])
    with pytest.raises(DeliveryError) as failed:
        await send(config, sample_messages.message(), context)
    return failed.value


def test_every_provider_over_http_has_a_documented_response() -> None:
    assert set(DOCUMENTED) == set(HTTP_PROVIDERS)


@pytest.mark.parametrize("provider", DOCUMENTED)
async def test_a_documented_response_states_the_wait(provider: str, receiver: Receiver, context: SenderContext) -> None:
    headers, body, wait_s = DOCUMENTED[provider]
    headers = {name: value.replace("{epoch}", str(int(time()) + 40)) for name, value in headers.items()}
    status = {"wecom": 200, "signal": 400}.get(provider, 429)
    failed = await refusal(provider, receiver, context, Order(status=status, headers=headers, body=body))
    assert not failed.permanent
    if wait_s is None:
        assert failed.retry_after_s is None
    else:  # a time loses what the test takes
        tolerance_s = 20 if "epoch" in str(DOCUMENTED[provider]) else 0
        assert wait_s - tolerance_s <= (failed.retry_after_s or 0) <= wait_s


@pytest.mark.parametrize("provider", HTTP_PROVIDERS)
async def test_no_provider_makes_us_wait_longer_than_its_own_limits(
    provider: str, receiver: Receiver, context: SenderContext
) -> None:
    failed = await refusal(provider, receiver, context, Order(status=429, headers={"Retry-After": "86400"}))
    assert failed.retry_after_s == WAITS[provider].max_s


@pytest.mark.parametrize(
    "path",
    ["/api/webhooks/42/token", "/api/v6/webhooks/42/token", "/api/v10/webhooks/42/token?thread_id=7"],
)
async def test_discord_is_called_at_the_version_whose_units_are_known(
    path: str, receiver: Receiver, context: SenderContext
) -> None:
    await send(Discord(webhook_url=f"{receiver.url}{path}"), sample_messages.message(), context)
    (arrival,) = receiver.arrivals
    assert re.sub(r"[?&]wait=true", "", arrival.path) == "/api/v10/webhooks/42/token" + path.partition("token")[2]


async def test_an_address_that_is_no_webhook_of_discord_s_stays_as_it_is(
    receiver: Receiver, context: SenderContext
) -> None:
    await send(Discord(webhook_url=f"{receiver.url}/proxy?to=/api/webhooks/42"), sample_messages.message(), context)
    assert receiver.arrivals[0].path == "/proxy?to=/api/webhooks/42&wait=true"
