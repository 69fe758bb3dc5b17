"""Every service of the catalogue runs in the sandbox, and its requests go only through our HTTP client."""

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
from actors.senders.kit.context import SenderContext, make_context
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.sandbox_requests import SandboxRequests
from actors.senders.providers import apprise
from app.domain.alerting import apprise_urls
from app.security.network.resolver import Resolver
from schema.channels import Apprise
from schema.services import CATALOGUE_FILE, services_by_id
from schema.settings import EgressPolicy
from tests.actors.senders import sample_messages
from tests.services import every_service, family_of

EXAMPLES: dict[str, dict[str, dict[str, object]]] = json.loads(Path(__file__).with_name("examples.json").read_text())
ROOT = Path(__file__).parents[3]
SURVEY = """
import sys
from actors.apprise_sandbox import catalogue, docs_page
found = catalogue.list_services()
sys.stdout.buffer.write(catalogue.encode_catalogue(found) + b"\\f" + docs_page.render_page(found).encode())
"""  # in a process of its own: it loads all of Apprise
NOWHERE = EgressPolicy(deny=["0.0.0.0/0", "::/0"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def denied() -> AsyncIterator[SenderContext]:
    """Tools that reach nothing; every name has an address."""
    context = make_context(Resolver(lambda _: ("93.184.215.14",)))
    context.egress.use_policy(NOWHERE)
    yield context
    await context.close()


def example(service: str) -> Apprise:
    return msgspec.convert({"type": "apprise", "service": service, **EXAMPLES[service]}, Apprise)


def test_the_catalogue_matches_the_installed_apprise() -> None:
    printed = subprocess.run([sys.executable, "-c", SURVEY], check=True, capture_output=True, cwd=ROOT).stdout
    catalogue, _, table = printed.partition(b"\f")
    assert catalogue == CATALOGUE_FILE.read_bytes(), "run: just services"
    assert table == docs_page.FILE.read_bytes(), "run: just services"


def test_a_row_of_the_page_is_a_row_of_the_catalogue() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| \[(.+?)\]\((https://\S+)\) \| (.*) \|$", docs_page.FILE.read_text(), re.MULTILINE
    )
    assert [(id_, name) for id_, name, _, _ in rows] == [(one.id, one.name) for one in services_by_id().values()]
    for id_, _, _, fields in rows:
        assert re.findall(r"`(\w+)`", fields) == [one.name for one in services_by_id()[id_].fields]


def test_a_usual_run_has_a_service_of_each_family() -> None:
    usual = [services_by_id()[str(one.values[0])] for one in every_service() if not one.marks]
    assert sorted(map(family_of, usual)) == sorted({family_of(one) for one in services_by_id().values()})


def test_every_service_has_an_example() -> None:
    assert sorted(EXAMPLES) == sorted(services_by_id())


@pytest.mark.parametrize("service", every_service())
@pytest.mark.asyncio(loop_scope="module")
async def test_a_service_sends_through_the_parent_and_no_other_way(denied: SenderContext, service: str) -> None:
    config, errands = example(service), SandboxRequests(denied.http)
    assert list(apprise_urls.config_errors(config)) == []
    done = await denied.sandboxes.send(apprise.render(config, sample_messages.message()), errands.send)
    assert (errands.n_sent, done.sent, done.denied) == (1, False, [])
    with pytest.raises(DeliveryError, match=r"in a network that is denied: refused$") as failed:
        apprise.check_result(done, errands)
    assert failed.value.permanent


@pytest.mark.parametrize("service", every_service())
def test_a_service_is_known_by_each_of_its_schemes(service: str) -> None:
    for scheme in services_by_id()[service].schemes:
        assert apprise_urls.find_service(Apprise(url=f"{scheme}://x")) is services_by_id()[service]


@pytest.mark.parametrize(
    "scheme",
    [
        *("mailto", "mqtt", "xmpp", "irc", "amqp", "syslog", "rsyslog", "windows", "macosx", "dbus", "gnome", "growl"),
        *("smpp", "aprs", "blink1", "fcm", "vapid", "nostr", "file", "http", "https", "config", "custom"),
    ],
)
def test_services_that_are_local_or_need_sockets_are_excluded(scheme: str) -> None:
    assert apprise_urls.find_service(Apprise(url=f"{scheme}://x")) is None
