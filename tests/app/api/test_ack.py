"""The acknowledgement page of a message: GET changes nothing, the button acknowledges, every state has a page."""

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from app import db
from app.api.http import audit_trail
from app.env_vars import Rate
from app.security.auth import ack_links
from app.security.auth.ack_links import AckLink
from app.store.alerting import channels
from app.store.audit import log
from app.store.audit.log import AuditQuery
from app.store.incidents import incidents
from app.store.incidents.incidents import IncidentQuery
from app.store.monitoring import series
from app.store.transactions import monitors, results
from schema.channels import ChannelPatch
from schema.incidents import EntryKind, IncidentDetail, IncidentStatus
from schema.monitors import Snapshot
from tests import make
from tests.app.api.running_app import calling, served

NOW, STEP = make.NOW_MS, make.MINUTE_MS
FOREVER = 2**50
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


class Outage:
    """A monitor that is down, and the link that a channel was sent."""

    snapshot: Snapshot
    incident_id: str
    channel_id: str

    def path(self, **changes: Any) -> str:
        link = AckLink(
            **{"incident_id": self.incident_id, "channel_id": self.channel_id, "expires_ms": FOREVER, **changes}
        )
        return f"/ack/{ack_links.token_of(link)}"

    async def story(self) -> IncidentDetail:
        return await incidents.get(self.incident_id)

    async def end(self) -> None:
        good = make.outcome(series=self.snapshot.series, at_ms=NOW + STEP)
        await results.store_results(make.results(good), {self.snapshot.series: self.snapshot}, NOW + STEP)


@pytest.fixture
async def outage(client) -> Outage:
    audit_trail.clear_throttle()
    one = Outage()
    one.channel_id = (await channels.create(make.channel(name="<b>ops</b>"))).id
    changed = await monitors.create(make.monitor(name="<script>web", notification_channel_ids=[one.channel_id]))
    (one.snapshot,) = await series.list_snapshots([changed.schedules[0].series])
    down = make.down(series=one.snapshot.series)
    await results.store_results(make.results(down), {one.snapshot.series: one.snapshot}, NOW)
    ((incident,), _) = await incidents.list_page(IncidentQuery())
    one.incident_id = incident.id
    return one


async def test_looking_changes_nothing_however_often(client, outage):
    for _ in range(3):
        page = await client.get(outage.path())
        assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert '<form method="post">' in page.text
    assert (await outage.story()).status is IncidentStatus.OPEN
    assert await log.count(AuditQuery()) == 0


async def test_times_are_in_the_channels_zone(client, outage):
    assert "UTC." in (await client.get(outage.path())).text
    await channels.update(outage.channel_id, ChannelPatch(timezone="Asia/Tokyo"))
    for page in (await client.get(outage.path()), await client.post(outage.path()), await client.get(outage.path())):
        assert re.search(r"Since [\d-]+ [\d:]+ JST\.", page.text)
        assert "UTC" not in page.text
    assert re.search(r"Acknowledged at [\d-]+ [\d:]+ JST by ", page.text)
    await outage.end()
    assert re.search(r"It was resolved at [\d-]+ [\d:]+ JST, ", (await client.get(outage.path())).text)


async def test_times_are_in_the_servers_zone_without_that_of_a_channel(application, client, outage):
    application.state.settings = replace(application.state.settings, tz="Europe/Berlin")
    assert re.search(r"Since [\d-]+ [\d:]+ CES?T\.", (await client.get(outage.path())).text)


async def test_the_button_acknowledges_once_and_names_the_channel(client, outage):
    for _ in range(2):
        page = await client.post(outage.path(), data={})
        assert (page.status_code, "<form" in page.text) == (200, False)
        assert "by a link sent to &lt;b&gt;ops&lt;/b&gt;." in page.text
    story = await outage.story()
    assert (story.status, story.acknowledged_by) == (IncidentStatus.ACKNOWLEDGED, "a link sent to <b>ops</b>")
    assert [one.kind for one in story.timeline] == [EntryKind.DETECTED, EntryKind.ACKNOWLEDGED]
    assert "<form" not in (await client.get(outage.path())).text


async def test_an_acknowledgement_is_audited_without_its_link_token(client, outage):
    token = outage.path().removeprefix("/ack/")
    await client.post(outage.path())
    entry = (await log.list_page(AuditQuery()))[0][0]
    assert (entry.action, entry.resource_id, entry.outcome) == ("incident.acknowledged", outage.incident_id, "done")
    assert entry.change == {"channel_id": outage.channel_id, "channel": "<b>ops</b>"}
    await client.post(f"/ack/{token[:-1]}")
    entries = (await log.list_page(AuditQuery()))[0]
    assert (len(entries), token[:20] in str(entries)) == (2, False)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_useless_link_explains_why(client, outage, method):
    expected = {
        "/ack/made-up": (404, "This link is not complete"),
        outage.path()[:-2]: (404, "This link is not complete"),
        outage.path(expires_ms=1): (410, "This link has expired"),
        outage.path(incident_id=UNKNOWN_ID): (410, "This incident is no longer here"),
        outage.path(channel_id=UNKNOWN_ID): (410, "This incident is no longer here"),
    }
    for path, (status, title) in expected.items():
        page = await client.request(method, path)
        assert (page.status_code, f"<h1>{title}</h1>" in page.text, "<form" in page.text) == (status, True, False), path
    await outage.end()
    page = await client.request(method, outage.path())
    assert (page.status_code, "It was resolved at" in page.text, "<form" in page.text) == (410, True, False)
    assert (await outage.story()).acknowledged_at is None


async def test_the_page_runs_no_script_and_escapes_what_people_named(client, outage):
    page = await client.get(outage.path())
    assert "<h1>&lt;script&gt;web is down</h1>" in page.text
    assert "<script" not in page.text
    policy = page.headers["Content-Security-Policy"]
    style = re.search("<style>(.*?)</style>", page.text, re.DOTALL)
    assert style is not None
    assert b64encode(sha256(style.group(1).encode()).digest()).decode() in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in page.text.partition("<body>")[2]
    wanted = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-robots-tag": "noindex"}
    assert {name: page.headers[name] for name in wanted} == wanted


async def test_parameters_that_a_mail_program_adds_do_no_harm(client, outage):
    assert (await client.get(f"{outage.path()}?utm_source=mail")).status_code == 200


async def test_links_are_tried_no_faster_than_sign_ins(database):
    app = served(replace(database, rate_limit_auth=Rate(3, 3_600)))
    async with calling(app) as client:
        responses = [await client.get("/ack/made-up") for _ in range(5)]
    assert [response.status_code for response in responses] == [404, 404, 404, 429, 429]
    wait_s = responses[-1].headers["Retry-After"]
    assert f"Try again in {wait_s} seconds." in responses[-1].text
    assert responses[-1].headers["Content-Type"].startswith("text/html")
    assert responses[-1].headers["Cache-Control"] == "no-store"


async def test_an_unavailable_database_is_reported_as_a_page(client, outage, monkeypatch):
    async def away(*_: object) -> None:
        raise TimeoutError("locked")

    monkeypatch.setattr("app.store.incidents.acknowledgements.get_context", away)
    page = await client.get(outage.path())
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert "<h1>Something went wrong</h1>" in page.text


async def test_recipients_of_the_alert_are_notified_of_the_acknowledgement(client, outage):
    await client.post(outage.path())
    (row,) = await db.rows("SELECT incident_id FROM events WHERE kind = 'incident.acknowledged'")
    assert row["incident_id"] == outage.incident_id
