"""Secrets that a target repeats are masked; default values that are no secrets are not."""

from typing import Any

from actors.probes.kit import redaction
from actors.probes.kit.redaction import SecretForms, SecretHolder
from actors.probes.kit.result import ProbeResult
from schema.field_types import MASK
from schema.monitors import Snapshot
from schema.targets import Snmp
from tests import make


def snmp(community: str, **changes: Any) -> Snapshot:
    return make.snapshot(Snmp(host="192.0.2.1", oid="1.3.6.1.2.1.1.3.0", community=community), **changes)


async def redacted_message(community: str, message: str) -> str:
    return (await SecretForms().redact(ProbeResult(message=message), snmp(community))).message


async def test_a_secret_that_comes_back_is_masked():
    assert await redacted_message("tea-and-cake", "no access for tea-and-cake") == f"no access for {MASK}"


async def test_a_default_secret_is_not_redacted():
    assert (
        await redacted_message("public", "192.0.2.1 is not a public address: refused")
        == "192.0.2.1 is not a public address: refused"
    )


async def test_parts_of_an_address_as_long_as_a_token_are_masked_for_viewers():
    target = make.http(url="https://a.example/b?key=tea-and-cake&page=100", body="user=ann&pass=tea")
    result = ProbeResult(message="no tea-and-cake after 100 ms", detail={"echo": "user=ann&pass=tea"})
    found = await SecretForms().redact(result, make.snapshot(target))
    assert (found.message, found.detail) == (f"no {MASK} after 100 ms", {"echo": MASK})


async def test_the_secrets_of_a_version_are_collected_once(monkeypatch):
    collected: list[Snapshot] = []
    collect = redaction.secret_holders

    def note(snapshot: Snapshot) -> list[SecretHolder]:
        collected.append(snapshot)
        return collect(snapshot)

    monkeypatch.setattr(redaction, "secret_holders", note)
    forms, result = SecretForms(), ProbeResult(message="no access for tea-and-cake or milk-and-bread")
    first, second, other = snmp("tea-and-cake"), snmp("milk-and-bread", version=2), snmp("x" * 9, series=2)
    messages = [(await forms.redact(result, one)).message for one in (first, first, other, second, second, first)]
    assert collected == [first, other, second, first]
    assert messages[0] == messages[1] == messages[5] == f"no access for {MASK} or milk-and-bread"
    assert messages[2] == result.message
    assert messages[3] == messages[4] == f"no access for tea-and-cake or {MASK}"
