"""Secrets that a target repeats are masked; default values that are no secrets are not."""

from actors.probes.kit.redaction import redact, secret_holders
from actors.probes.kit.result import ProbeResult
from schema.field_types import MASK
from schema.targets import Snmp
from tests import make


def redacted_message(community: str, message: str) -> str:
    target = Snmp(host="192.0.2.1", oid="1.3.6.1.2.1.1.3.0", community=community)
    return redact(ProbeResult(message=message), secret_holders(make.snapshot(target))).message


def test_a_secret_that_comes_back_is_masked():
    assert redacted_message("tea-and-cake", "no access for tea-and-cake") == f"no access for {MASK}"


def test_a_default_secret_is_not_redacted():
    assert (
        redacted_message("public", "192.0.2.1 is not a public address: refused")
        == "192.0.2.1 is not a public address: refused"
    )


def test_parts_of_an_address_as_long_as_a_token_are_masked_for_viewers():
    target = make.http(url="https://a.example/b?key=tea-and-cake&page=100", body="user=ann&pass=tea")
    result = ProbeResult(message="no tea-and-cake after 100 ms", detail={"echo": "user=ann&pass=tea"})
    found = redact(result, secret_holders(make.snapshot(target)))
    assert (found.message, found.detail) == (f"no {MASK} after 100 ms", {"echo": MASK})
