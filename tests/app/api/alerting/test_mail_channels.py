"""E-mail channels over HTTP: names beside addresses, and headers of one's own."""

from typing import Any

import pytest

from tests.app.api.running_app import ADMIN_TOKEN

PATH = "/api/v1/notification-channels"
CONFIGS: dict[str, dict[str, Any]] = {
    "smtp": {"host": "mail.example", "sender": "a@a.example", "to": ["b@a.example"]},
    "sendgrid": {"api_key": "k", "sender": "a@a.example", "to": ["b@a.example"]},
}


@pytest.fixture
def api(client):
    client.headers.update({"Authorization": f"Bearer {ADMIN_TOKEN}"})
    return client


async def created(api, type_: str, **changes: Any):
    return await api.post(PATH, json={"name": "mail", "type": type_, "config": CONFIGS[type_] | changes})


@pytest.mark.parametrize("type_", CONFIGS)
@pytest.mark.parametrize("field", ["sender", "to", "cc", "bcc", "reply_to"])
@pytest.mark.parametrize(
    ("mailbox", "is_valid"),
    [
        ("Watchkeeper <wk@example.org>", True),
        ('"Doe, Jane" <jane@example.org>', True),
        ("Überwachung <wk@example.org>", True),
        ("<wk@example.org>", True),
        ("x" * 200 + "<wk@example.org>", True),
        ("x" * 201 + "<wk@example.org>", False),
        ("Watchkeeper wk@example.org", False),
        ("Watchkeeper <wk>", False),
        ("A <a@example.org>, B <b@example.org>", False),
        ("A <a@example.org> <b@example.org>", False),
        ("A\r\nBcc: b@evil.example <a@example.org>", False),
        ("A\u2028 <a@example.org>", False),
        ("A <a@example.org>\n", False),
    ],
)
async def test_a_name_may_stand_before_an_address(api, type_, field, mailbox, is_valid):
    value = [mailbox] if field in {"to", "cc", "bcc"} else mailbox
    response = await created(api, type_, **{field: value})
    assert response.status_code == (201 if is_valid else 422), response.text
    if not is_valid:
        (error,) = response.json()["error"]["details"]["fields"]
        assert error["field"].startswith(f"config.{field}")


@pytest.mark.parametrize("type_", CONFIGS)
@pytest.mark.parametrize(
    ("headers", "is_valid"),
    [
        ({"X-Priority": "1", "List-Id": "<alerts.example.org>", "X-Team": "Löschzug"}, True),
        *(
            ({name: "x"}, False)
            for name in (
                *("From", "sender", "TO", "Cc", "Bcc", "Subject", "Date", "Message-ID", "References", "In-Reply-To"),
                *("Reply-To", "Auto-Submitted", "MIME-Version", "Content-Type", "Content-X", "Resent-To", "Received"),
                *("DKIM-Signature", "Return-Path", "X-SG-ID", "a b", "a:b", "", "ä", "x\r\nBcc"),
            )
        ),
        *(({"X-Own": value}, False) for value in ("", "a\r\nBcc: b@evil.example", "a\nb", "a\u2028b", "x" * 901)),
        ({f"X-{number}": "x" for number in range(21)}, False),
    ],
)
async def test_headers_of_ones_own_replace_none_of_ours(api, type_, headers, is_valid):
    response = await created(api, type_, headers=headers)
    assert response.status_code == (201 if is_valid else 422), response.text
    if not is_valid:
        fields = [one["field"] for one in response.json()["error"]["details"]["fields"]]
        assert all(one.startswith("config.headers") for one in fields)
