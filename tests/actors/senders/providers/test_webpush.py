"""Web push: what the browser decrypts, and what the push service receives."""

import json
from time import time
from typing import Any

import jwt
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.senders import DeliveryError, send
from actors.senders.kit.context import SenderContext
from actors.senders.kit.webpush_encryption import PLAIN_LIMIT, MessageKeys, encrypt_message
from actors.senders.providers import webpush
from app.domain import config_rules
from app.domain.alerting import vapid
from schema.channels import Webpush
from schema.events import EventKind
from schema.message import Message
from schema.status import Status
from tests.actors.senders import alarm_channels, sample_messages
from tests.actors.senders.sample_messages import channel
from tests.receiver import Arrival, Order, Receiver

WATERMELON = (  # RFC 8291, 5
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_y"
    "l95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)
BROWSER = ec.generate_private_key(ec.SECP256R1())
AUTH = bytes(range(16))


def subscribed(url: str, **changes: Any) -> Any:
    keys = {
        "p256dh": vapid.to_base64url(vapid.encode_public_key(BROWSER.public_key())),
        "auth": vapid.to_base64url(AUTH),
    }
    return channel("webpush", url, **keys | changes)


def read(body: bytes, browser: ec.EllipticCurvePrivateKey = BROWSER) -> Any:
    """As a browser does it: its private key, the shared secret and the header."""
    salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
    sender = body[21 : 21 + length]
    assert (size, length) == (4_096, 65)
    shared = browser.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
    info = b"WebPush: info\0" + vapid.encode_public_key(browser.public_key()) + sender
    secret = HKDF(SHA256(), 32, AUTH, info).derive(shared)
    key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(secret)
    nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(secret)
    plain = AESGCM(key).decrypt(nonce, body[21 + length :], None)
    assert plain.endswith(b"\x02")
    return json.loads(plain[:-1])


async def arrived(receiver: Receiver, context: SenderContext, message: Message, **changes: Any) -> Arrival:
    receiver.answer(Order(status=201, body=""))
    await send(subscribed(receiver.url, **changes), message, context)
    return receiver.arrivals[-1]


def test_the_document_s_example_is_reproduced() -> None:
    once = MessageKeys(
        vapid.parse_private_key("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
        vapid.from_base64url("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    plain = b"When I grow up, I want to be a watermelon"
    body = encrypt_message(plain, alarm_channels.BROWSER, alarm_channels.PUSH_AUTH, once)
    assert vapid.to_base64url(body) == WATERMELON


async def test_only_the_browser_can_decrypt_the_message(receiver: Receiver, context: SenderContext) -> None:
    message = sample_messages.message(incident_id="3b1f", ack_url="https://watch.example/a/1")
    arrival = await arrived(receiver, context, message)
    assert read(arrival.body) == {
        "title": "Shop <b>&</b> *bar* is down",
        "body": "Down since 2026-11-22 12:00:00 UTC.\n503 Service Unavailable\n2026-11-22 12:00:00 UTC",
        "tag": arrival.headers["Topic"],
        "event": "monitor.down",
        "timestamp": "2026-11-22T12:00:00Z",
        "delivery_id": message.delivery_id,
        "ack_url": "https://watch.example/a/1",
    }
    with pytest.raises(InvalidTag):
        read(arrival.body, ec.generate_private_key(ec.SECP256R1()))


async def test_the_push_service_gets_the_standard_headers(receiver: Receiver, context: SenderContext) -> None:
    arrival = await arrived(receiver, context, sample_messages.message(), ttl=60)
    assert (arrival.method, arrival.path) == ("POST", alarm_channels.PUSH_PATH)
    assert {name: arrival.headers[name] for name in ("Content-Encoding", "TTL", "Urgency")} == {
        "Content-Encoding": "aes128gcm",
        "TTL": "60",
        "Urgency": "high",
    }


async def test_the_vapid_token_is_limited_to_this_push_service(receiver: Receiver, context: SenderContext) -> None:
    scheme, token, key = (
        (await arrived(receiver, context, sample_messages.message())).headers["Authorization"].split(" ")
    )
    assert (scheme, token[:2], key[:2]) == ("vapid", "t=", "k=")
    public = vapid.parse_public_key(key.removeprefix("k="))
    claims = jwt.decode(token[2:].rstrip(","), public, ["ES256"], audience=receiver.url)
    assert key[2:] == vapid.public_key_for(alarm_channels.VAPID)
    assert claims["sub"] == "mailto:ops@home.example"
    assert 0 < claims["exp"] - time() <= 86_400


def test_all_events_of_an_incident_share_a_topic() -> None:
    down, up = (
        sample_messages.message(incident_id="a"),
        sample_messages.message(incident_id="a", event=EventKind.MONITOR_UP),
    )
    topics = [webpush.topic_of(one) for one in (down, up, sample_messages.message(incident_id="b"))]
    assert topics[0] == topics[1] != topics[2]
    assert all(len(topic) == 32 and topic.replace("-", "a").replace("_", "a").isalnum() for topic in topics)


async def test_a_recovery_is_sent_with_low_urgency(receiver: Receiver, context: SenderContext) -> None:
    up = sample_messages.message(event=EventKind.MONITOR_UP, status=Status.UP)
    assert (await arrived(receiver, context, up)).headers["Urgency"] == "normal"


@pytest.mark.parametrize("text", ["ü" * 9_999, "\x01" * 9_999, "𝄞" * 9_999])
async def test_the_longest_message_fits_into_what_every_push_service_takes(
    text: str, receiver: Receiver, context: SenderContext
) -> None:
    arrival = await arrived(receiver, context, sample_messages.message(text=text))
    assert len(arrival.body) <= 4_096
    assert len(webpush.payload_of(sample_messages.message(text=text))) <= PLAIN_LIMIT
    assert read(arrival.body)["body"].endswith("…")


async def test_no_two_messages_share_a_key_or_a_salt(receiver: Receiver, context: SenderContext) -> None:
    first, second = [(await arrived(receiver, context, sample_messages.message())).body for _ in range(2)]
    assert first[:16] != second[:16]
    assert first[21:86] != second[21:86]


@pytest.mark.parametrize(
    ("status", "body", "reason", "permanent"),
    [
        (404, "", "answered 404 Not Found", True),
        (
            410,
            '{"code":410,"errno":106,"message":"No such subscription"}',
            "answered 410 Gone: No such subscription",
            True,
        ),
        (403, '{"reason":"BadJwtToken"}', "answered 403 Forbidden: BadJwtToken", True),
        (413, "<html>", "answered 413 Request Entity Too Large", True),
        (429, "", "answered 429 Too Many Requests", False),
        (503, "", "answered 503 Service Unavailable", False),
    ],
)
async def test_push_service_errors_are_permanent_or_temporary(
    status: int, body: str, reason: str, *, permanent: bool, receiver: Receiver, context: SenderContext
) -> None:
    receiver.answer(Order(status=status, body=body))
    with pytest.raises(DeliveryError) as failed:
        await send(subscribed(receiver.url), sample_messages.message(), context)
    assert (failed.value.reason, failed.value.permanent) == (reason, permanent)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"p256dh": "B" + "A" * 86}, "p256dh"), ({"private_key": "A" * 43}, "private_key"), ({}, "")],
)
async def test_invalid_keys_are_refused_when_stored_and_when_used(
    changes: dict[str, str], field: str, receiver: Receiver, context: SenderContext
) -> None:
    config: Webpush = subscribed(receiver.url, **changes)
    assert [one.field for one in config_rules.field_errors(config)] == [field] * bool(field)
    if field:
        with pytest.raises(DeliveryError, match="keys are not what they should be") as failed:
            await send(config, sample_messages.message(), context)
        assert failed.value.permanent


def test_a_key_that_is_made_is_a_pair() -> None:
    private = vapid.generate_private_key()
    assert len(private) == 43
    assert vapid.parse_public_key(vapid.public_key_for(private)) == vapid.parse_private_key(private).public_key()
