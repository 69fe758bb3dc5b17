"""Groups and manual monitors: the status of their slots."""

import dataclasses

import pytest

from actors.probes import run_probe
from app import db
from app.security.secrets import sealing
from app.store.transactions import monitors
from schema.status import Status
from schema.targets import Group, GroupPolicy, Manual
from schema.targets.composed import ManualStatus
from tests import make


async def outcome_of(context, target):
    outcome = await run_probe(make.slot(), make.snapshot(target), context)
    return outcome.status, outcome.message


@pytest.mark.parametrize(
    ("policy", "expected"),
    [(GroupPolicy.ALL, (Status.DOWN, "1 of 2 up, 2 must be")), (GroupPolicy.ANY, (Status.DEGRADED, "1 of 2 up"))],
)
async def test_a_group_is_what_its_members_are(store, context, policy, expected):
    sealing.prepare(store)
    ids = [(await monitors.create(make.monitor())).monitor.id for _ in range(2)]
    await db.rows("UPDATE series SET status = CASE no WHEN 1 THEN 1 ELSE 0 END")
    assert await outcome_of(context, Group(members=ids, policy=policy)) == expected


async def test_a_group_without_members_is_unknown(store, context):
    assert await outcome_of(context, Group(members=["gone"])) == (Status.UNKNOWN, "no member is active")


async def test_without_a_database_a_group_is_unknown(settings, context, tmp_path):
    await db.start(dataclasses.replace(settings, db_type="sqlite", db_path=str(tmp_path / "no tables")))
    outcome = await outcome_of(context, Group(members=["any"]))
    await db.stop()
    assert outcome == (Status.UNKNOWN, "our own database does not answer")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Manual(), (Status.UP, "")),
        (Manual(status=ManualStatus.DEGRADED, message="half open"), (Status.DEGRADED, "half open")),
        (Manual(status=ManualStatus.DOWN), (Status.DOWN, "set to down")),
        (Manual(status=ManualStatus.DOWN, message="burst pipe"), (Status.DOWN, "burst pipe")),
    ],
)
async def test_a_manual_monitor_has_its_configured_status(context, target, expected):
    assert await outcome_of(context, target) == expected
