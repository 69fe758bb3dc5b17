"""Every service of the catalogue, in the cage: what it wants to send comes to our door, and goes no other way."""

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from actors.apprise_sandbox import docs_page
from actors.senders.kit.context import Tools, opened
from actors.senders.kit.errors import Undelivered
from actors.senders.kit.sandbox_requests import Errands
from actors.senders.providers import apprise
from app.domain.alerting import apprise_urls
from app.security.network.resolver import Names
from schema.channels import Apprise
from schema.services import FILE, services
from schema.settings import EgressPolicy
from tests.actors.senders import given

EXAMPLES: dict[str, dict[str, dict[str, object]]] = json.loads(Path(__file__).with_name("examples.json").read_text())
ROOT = Path(__file__).parents[3]
SURVEY = """
import sys
from actors.apprise_sandbox import catalogue as survey, docs_page as page
found = survey.catalogue()
sys.stdout.buffer.write(survey.written(found) + b"\\f" + page.page_of(found).encode())
"""  # in a process of its own: it loads all of Apprise
NOWHERE = EgressPolicy(deny=["0.0.0.0/0", "::/0"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def denied() -> AsyncIterator[Tools]:
    """Tools that reach nothing; every name has an address."""
    tools = opened(Names(lambda _: ("93.184.215.14",)))
    tools.egress.follow(NOWHERE)
    yield tools
    await tools.close()


def example(service: str) -> Apprise:
    return msgspec.convert({"type": "apprise", "service": service, **EXAMPLES[service]}, Apprise)


def test_the_catalogue_is_what_the_installed_apprise_says() -> None:
    said = subprocess.run([sys.executable, "-c", SURVEY], check=True, capture_output=True, cwd=ROOT).stdout
    catalogue, _, table = said.partition(b"\f")
    assert catalogue == FILE.read_bytes(), "run: just services"
    assert table == docs_page.FILE.read_bytes(), "run: just services"


def test_a_row_of_the_page_is_a_row_of_the_catalogue() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| \[(.+?)\]\((https://\S+)\) \| (.*) \|$", docs_page.FILE.read_text(), re.MULTILINE
    )
    assert [(id_, name) for id_, name, _, _ in rows] == [(one.id, one.name) for one in services().values()]
    for id_, _, _, fields in rows:
        assert re.findall(r"`(\w+)`", fields) == [one.name for one in services()[id_].fields]


def test_every_service_has_an_example() -> None:
    assert sorted(EXAMPLES) == sorted(services())


@pytest.mark.parametrize("service", services())
@pytest.mark.asyncio(loop_scope="module")
async def test_a_service_sends_by_our_door_and_no_other_way(denied: Tools, service: str) -> None:
    config, errands = example(service), Errands(denied.http)
    assert list(apprise_urls.faults(config)) == []
    done = await denied.cages.carry_out(apprise.render(config, given.message()), errands.run)
    assert (errands.made, done.sent, done.held) == (1, False, [])
    with pytest.raises(Undelivered, match=r"in a network that is denied: refused$") as failed:
        apprise.settle(done, errands)
    assert failed.value.permanent


@pytest.mark.parametrize("service", services())
def test_a_service_is_known_by_each_of_its_schemes(service: str) -> None:
    for scheme in services()[service].schemes:
        assert apprise_urls.service(Apprise(url=f"{scheme}://x")) is services()[service]


@pytest.mark.parametrize(
    "scheme",
    [
        *("mailto", "mqtt", "xmpp", "irc", "amqp", "syslog", "rsyslog", "windows", "macosx", "dbus", "gnome", "growl"),
        *("smpp", "aprs", "blink1", "fcm", "vapid", "nostr", "file", "http", "https", "config", "custom"),
    ],
)
def test_what_stays_on_this_machine_or_needs_sockets_is_no_service(scheme: str) -> None:
    assert apprise_urls.service(Apprise(url=f"{scheme}://x")) is None
