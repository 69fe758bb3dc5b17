"""The first steps, with the Python client that openapi-generator makes: one class for each tag."""

import inspect
import os
import time
from collections.abc import Callable
from uuid import UUID

import watchkeeper_client as wk
from watchkeeper_client.exceptions import NotFoundException

URL = os.environ["WATCHKEEPER_URL"]
EMAIL, PASSWORD = os.environ["EMAIL"], os.environ["PASSWORD"]


def until(what: str, true: Callable[[], bool]) -> None:
    """Ask until something is true, for a minute at most."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, f"not within a minute: {what}"
        time.sleep(0.2)
    print(what)


# Sign up, sign in, and make a key.
auth = wk.AuthApi(wk.ApiClient(wk.Configuration(host=URL)))
assert auth.register(wk.Registration(email=EMAIL, password=PASSWORD, setup_token=os.environ["SETUP_TOKEN"])).is_admin
tokens = auth.login(wk.Login(email=EMAIL, password=PASSWORD))
person = wk.ApiClient(wk.Configuration(host=URL, access_token=tokens.access_token))
key = wk.APIKeysApi(person).create_api_key(wk.ApiKeyDraft(name="first steps", role=wk.Role.ADMIN)).key
client = wk.ApiClient(wk.Configuration(host=URL, access_token=key))
monitors, incidents, channels = wk.MonitorsApi(client), wk.IncidentsApi(client), wk.NotificationChannelsApi(client)

# A channel, tested.
webhook = wk.WebhookConfigDraft(url=os.environ["RECEIVER_URL"])
draft = wk.WebhookChannelDraft(type="webhook", name="Receiver", config=webhook, is_default=True)
channel = channels.create_channel(wk.ChannelDraft(draft))
assert channels.test_channel(channel.id).ok


# A monitor that is up.
def add(name: str, url: str) -> wk.Monitor:
    config = wk.HttpConfigDraft(url=url)
    return monitors.create_monitor(
        wk.MonitorDraft(wk.HttpMonitorDraft(type="http", name=name, interval=5, config=config))
    )


def is_up(monitor: wk.Monitor) -> bool:
    return monitors.get_monitor(monitor.id).status == wk.Status.UP


good = add("Website", os.environ["WATCHED_URL"])
until("the monitor is up", lambda: is_up(good))
beats = wk.HeartbeatsApi(client).list_monitor_heartbeats(good.id).actual_instance
assert beats.heartbeats[0].status == wk.Status.UP
renamed = monitors.update_monitor(good.id, wk.MonitorPatch(name="Our website"))
assert (renamed.name, renamed.interval) == ("Our website", 5)


# One that is down: its incident is acknowledged, and the channel was alerted.
def ids(status: wk.IncidentStatus) -> list[UUID]:
    return [one.id for one in incidents.list_incidents(status=status).actual_instance.incidents]


def is_alerted() -> bool:
    found = wk.DeliveriesApi(client).list_deliveries(event=wk.EventKind.MONITOR_DOWN, state="sent")
    return found.actual_instance.total == 1


add("Broken", os.environ["BROKEN_URL"])
until("there is an incident", lambda: bool(ids(wk.IncidentStatus.OPEN)))
[incident] = ids(wk.IncidentStatus.OPEN)
assert incidents.acknowledge_incident(incident).status == wk.IncidentStatus.ACKNOWLEDGED
assert ids(wk.IncidentStatus.ACKNOWLEDGED) == [incident]
until("the receiver was alerted", is_alerted)

# A job that reports by itself.
backup = wk.PushMonitorDraft(type="push", name="Backup", interval=3600, config=wk.PushConfigDraft())
job = monitors.create_monitor(wk.MonitorDraft(backup))
token = job.config.actual_instance.token
assert wk.PushApi(wk.ApiClient(wk.Configuration(host=URL))).push_heartbeat(token, msg="42 files").ok
until("the job reported", lambda: is_up(job))


# Every list, whole and as a page, and everything else that is read without an id, is what the document says it is:
# these models are strict.
def is_read(name: str, call: Callable[..., object]) -> bool:
    names = [one.name for one in inspect.signature(call).parameters.values() if one.default is one.empty]
    return name.startswith(("list_", "get_")) and not name.endswith(("_http_info", "_preload_content")) and not names


for _, kind in inspect.getmembers(wk, lambda one: inspect.isclass(one) and one.__name__.endswith("Api")):
    for name, call in inspect.getmembers(kind(client), inspect.ismethod):
        if is_read(name, call):
            call()
            if "limit" in inspect.signature(call).parameters:
                call(limit=5)

# Everything is removed again.
everything = monitors.list_monitors().actual_instance.monitors
assert {one.name for one in everything} == {"Our website", "Broken", "Backup"}
for monitor in everything:
    monitors.delete_monitor(monitor.id)
channels.delete_channel(channel.id)
assert monitors.list_monitors().actual_instance.total == 0
try:
    monitors.get_monitor(good.id)
except NotFoundException as refused:
    assert "RESOURCE_NOT_FOUND" in refused.body
else:
    raise AssertionError("a deleted monitor is still there")
print("done")
