"""Links that acknowledge: signed for one incident and one channel, with an end; nothing else opens."""

from dataclasses import replace
from uuid import UUID

import pytest

from app.security.auth import ack_links
from app.security.auth.ack_links import LIFETIME_MS, AckLink, ForgedLink
from app.security.secrets import sealing, signed_tokens
from app.settings import Settings

INCIDENT, CHANNEL = (str(UUID(int=number)) for number in (7, 8))
LINK = AckLink(INCIDENT, CHANNEL, 1_795_000_000_000)


def test_a_link_opens_as_what_it_was_made_for() -> None:
    assert ack_links.read_token(ack_links.token_of(LINK)) == LINK


def test_every_attempt_of_a_delivery_has_the_same_short_link() -> None:
    url = ack_links.url_for("https://watch.example.org/", INCIDENT, CHANNEL, LINK.expires_ms - LIFETIME_MS)
    assert url == f"https://watch.example.org/ack/{ack_links.token_of(LINK)}"
    assert len(url) < 110


@pytest.mark.parametrize("at", range(0, 75, 5))
def test_a_changed_link_is_forged(at: int) -> None:
    token = ack_links.token_of(LINK)
    changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
    with pytest.raises(ForgedLink):
        ack_links.read_token(changed)


@pytest.mark.parametrize("token", ["", "x", "ä" * 75, "A" * 75, "A" * 10_000, str(UUID(int=7))])
def test_anything_else_is_forged(token: str) -> None:
    with pytest.raises(ForgedLink):
        ack_links.read_token(token)


def test_other_signed_tokens_are_rejected_as_ack_links() -> None:
    with pytest.raises(ForgedLink):
        ack_links.read_token(signed_tokens.issue_token(ack_links.PURPOSE, 60, sub=INCIDENT))


def test_a_link_outlives_the_rotation_of_the_secret_and_not_its_end(settings: Settings) -> None:
    token, new = ack_links.token_of(LINK), "another key, long enough"
    sealing.prepare(replace(settings, api_secret_key=new, api_secret_key_previous=settings.api_secret_key))
    assert ack_links.read_token(token) == LINK
    sealing.prepare(replace(settings, api_secret_key=new))
    with pytest.raises(ForgedLink):
        ack_links.read_token(token)


@pytest.mark.parametrize(
    ("changes", "base"),
    [
        ({"client_url": "https://watch.example.org"}, "https://watch.example.org"),
        ({"server_host": "192.0.2.7", "server_port": 80}, "http://192.0.2.7:80"),
        ({"server_host": "0.0.0.0", "server_port": 8034}, "http://localhost:8034"),
        ({"server_host": "::1", "server_port": 8034}, "http://[::1]:8034"),
    ],
)
def test_links_lead_to_where_people_see_us(settings: Settings, changes: dict, base: str) -> None:
    assert ack_links.base_url(replace(settings, **changes)) == base
