"""The first steps, with the client that openapi-python-client makes: typed functions, one module for each operation."""

import os
import time
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from watchkeeper_client import AuthenticatedClient, Client
from watchkeeper_client.api.api_keys import create_api_key
from watchkeeper_client.api.auth import login, register
from watchkeeper_client.api.deliveries import list_deliveries
from watchkeeper_client.api.heartbeats import list_monitor_heartbeats
from watchkeeper_client.api.incidents import acknowledge_incident, list_incidents
from watchkeeper_client.api.monitors import (
    create_monitor,
    delete_monitor,
    get_monitor,
    list_monitors,
    update_monitor,
)
from watchkeeper_client.api.notification_channels import create_channel, delete_channel, test_channel
from watchkeeper_client.api.push import push_heartbeat
from watchkeeper_client.models import (
    ApiKeyDraft,
    Channel,
    ChannelTestResult,
    Deliveries,
    ErrorReply,
    EventKind,
    Heartbeats,
    HttpConfigDraft,
    HttpMonitorDraft,
    IncidentDetail,
    Incidents,
    IncidentStatus,
    IssuedApiKey,
    ListDeliveriesState,
    Login,
    LoginResponse,
    Monitor,
    MonitorPatch,
    Monitors,
    PushConfig,
    PushConfigDraft,
    PushMonitorDraft,
    PushReceipt,
    Registration,
    Role,
    Status,
    User,
    WebhookChannelDraft,
    WebhookConfigDraft,
)

T = TypeVar("T")
URL = os.environ["WATCHKEEPER_URL"]
EMAIL, PASSWORD = os.environ["EMAIL"], os.environ["PASSWORD"]


def a(kind: type[T], reply: object) -> T:
    """The reply, which has to be of this kind."""
    assert isinstance(reply, kind), reply
    return reply


def until(what: str, true: Callable[[], bool]) -> None:
    """Ask until something is true, for a minute at most."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, f"not within a minute: {what}"
        time.sleep(0.2)
    print(what)


# Sign up, sign in, and make a key.
nobody = Client(base_url=URL)
user = Registration(email=EMAIL, password=PASSWORD, setup_token=os.environ["SETUP_TOKEN"])
assert a(User, register.sync(client=nobody, body=user)).is_admin
tokens = a(LoginResponse, login.sync(client=nobody, body=Login(email=EMAIL, password=PASSWORD)))
person = AuthenticatedClient(base_url=URL, token=tokens.access_token)
key = a(IssuedApiKey, create_api_key.sync(client=person, body=ApiKeyDraft(name="first steps", role=Role.ADMIN)))
client = AuthenticatedClient(base_url=URL, token=key.key)

# A channel, tested.
webhook = WebhookConfigDraft(url=os.environ["RECEIVER_URL"])
draft = WebhookChannelDraft(type_="webhook", name="Receiver", config=webhook, is_default=True)
channel = a(Channel, create_channel.sync(client=client, body=draft))
assert a(ChannelTestResult, test_channel.sync(channel.id, client=client)).ok


# A monitor that is up.
def add(name: str, url: str) -> Monitor:
    config = HttpConfigDraft(url=url)
    made = HttpMonitorDraft(type_="http", name=name, interval=5, config=config)
    return a(Monitor, create_monitor.sync(client=client, body=made))


def is_up(monitor: Monitor) -> bool:
    return a(Monitor, get_monitor.sync(monitor.id, client=client)).status is Status.UP


good = add("Website", os.environ["WATCHED_URL"])
until("the monitor is up", lambda: is_up(good))
beats = a(Heartbeats, list_monitor_heartbeats.sync(good.id, client=client))
assert beats.heartbeats[0].status is Status.UP
renamed = a(Monitor, update_monitor.sync(good.id, client=client, body=MonitorPatch(name="Our website")))
assert (renamed.name, renamed.interval) == ("Our website", 5)

# One that is down: its incident is acknowledged, and the channel was alerted.
bad = add("Broken", os.environ["BROKEN_URL"])


def incidents(status: IncidentStatus) -> list[UUID]:
    return [one.id for one in a(Incidents, list_incidents.sync(client=client, status=status)).incidents]


def is_alerted() -> bool:
    found = list_deliveries.sync(client=client, event=EventKind.MONITOR_DOWN, state=ListDeliveriesState.SENT)
    return a(Deliveries, found).total == 1


until("there is an incident", lambda: bool(incidents(IncidentStatus.OPEN)))
[incident] = incidents(IncidentStatus.OPEN)
assert a(IncidentDetail, acknowledge_incident.sync(incident, client=client)).status is IncidentStatus.ACKNOWLEDGED
assert incidents(IncidentStatus.ACKNOWLEDGED) == [incident]
until("the receiver was alerted", is_alerted)

# A job that reports by itself.
job = a(
    Monitor,
    create_monitor.sync(
        client=client,
        body=PushMonitorDraft(type_="push", name="Backup", interval=3600, config=PushConfigDraft()),
    ),
)
token = a(PushConfig, job.config).token
assert isinstance(token, str)
assert a(PushReceipt, push_heartbeat.sync(token, client=nobody, msg="42 files")).ok
until("the job reported", lambda: is_up(job))

# Everything is removed again.
everything = a(Monitors, list_monitors.sync(client=client))
assert {one.name for one in everything.monitors} == {"Our website", "Broken", "Backup"}
for monitor in everything.monitors:
    assert delete_monitor.sync_detailed(monitor.id, client=client).status_code == 204
assert delete_channel.sync_detailed(channel.id, client=client).status_code == 204
assert a(Monitors, list_monitors.sync(client=client)).total == 0
assert a(ErrorReply, get_monitor.sync(good.id, client=client)).error.code == "RESOURCE_NOT_FOUND"
print("done")
