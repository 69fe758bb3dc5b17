"""A message has one acknowledgement link, even when its text ends with the same link."""

import json
from urllib.parse import parse_qs

import pytest

from actors.senders.kit import email_body
from actors.senders.providers import grafana_oncall, opsgenie, pagerduty, pagertree, sendgrid, twilio, webpush
from app.domain.text.message_text import compose_text
from tests.actors.senders import sample_messages
from tests.actors.senders.sample_messages import channel

ACK = "https://watch.example/a/1"
ASKED = sample_messages.message(incident_id="3b1f", ack_url=ACK)
PLAIN = compose_text(ASKED, with_link=False)
PAGING = {"pagerduty": pagerduty, "opsgenie": opsgenie, "grafana_oncall": grafana_oncall, "pagertree": pagertree}


@pytest.mark.parametrize("provider", PAGING)
def test_a_service_that_pages_has_it_once(provider: str) -> None:
    (request,) = PAGING[provider].render(channel(provider, "https://x.example"), ASKED)
    assert request.body.count(ACK.encode()) == 1
    assert b"Down since" in request.body


def test_a_text_message_has_it_once() -> None:
    form = parse_qs(twilio.render(channel("twilio", "https://x.example"), ASKED).body.decode())
    assert form["Body"] == [f"{PLAIN.title}\n{PLAIN.text}\nAcknowledge: {ACK}"]


def test_a_letter_has_it_once_in_each_form() -> None:
    assert email_body.render_text(PLAIN, ASKED).count(ACK) == email_body.render_html(PLAIN, ASKED).count(ACK) == 1
    assert sendgrid.render(channel("sendgrid", "https://x.example"), ASKED).body.count(ACK.encode()) == 2


def test_a_browser_has_it_beside_the_text() -> None:
    payload = json.loads(webpush.payload_of(ASKED))
    assert (payload["body"], payload["ack_url"]) == (PLAIN.text, ACK)
