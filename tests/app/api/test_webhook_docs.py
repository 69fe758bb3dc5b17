"""The webhook page is correct: its verifier verifies, its example is accepted, its fields are complete."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given as for_any, strategies as st

from actors.senders.providers import webhook
from schema.channels import Webhook
from schema.webhooks import WebhookDraft
from tests.actors.senders import sample_messages
from tests.test_docs import column

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
DOCUMENT = Path(__file__).parents[2] / "seeds" / "document_003"


def verifier() -> Callable[[bytes, dict[str, str], str], bool]:
    room: dict[str, Any] = {}
    exec(CODE, room)
    check: Callable[[bytes, dict[str, str], str], bool] = room["is_ours"]
    return check


def test_the_verifier_has_six_lines():
    assert len([line for line in CODE.splitlines() if line.strip()]) <= 6


@for_any(msg=st.text(), secret=st.text(min_size=1))
def test_the_verifier_agrees_with_what_is_sent(msg, secret):
    request = webhook.render(Webhook(url="http://a.example", secret=secret), sample_messages.message(msg=msg))
    is_ours = verifier()
    assert is_ours(request.body, request.headers, secret)
    assert not is_ours(request.body + b" ", request.headers, secret)
    assert not is_ours(request.body, request.headers, f"{secret}x")
    assert not is_ours(request.body, {}, secret)


def test_the_verifier_takes_the_old_secret_while_both_sign():
    config = Webhook(url="http://a.example", secret="new", previous_secret="old")
    request, is_ours = webhook.render(config, sample_messages.message()), verifier()
    assert [is_ours(request.body, request.headers, one) for one in ("new", "old", "older")] == [True, True, False]


def test_the_examples_are_the_documents():
    registration, payload = [json.loads(one) for one in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    assert registration == json.loads((DOCUMENT / "webhook_request.json").read_text())
    wanted = json.loads((DOCUMENT / "webhook_payload.json").read_text())
    del payload["data"]["delivery_id"], payload["signature"], wanted["signature"]
    assert payload == wanted


def test_every_field_has_its_row():
    fields = WebhookDraft.__struct_fields__
    assert sorted(column(PAGE, 1)[: len(fields)]) == sorted(fields)
