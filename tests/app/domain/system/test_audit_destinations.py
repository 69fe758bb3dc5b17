"""Where a check connects is recorded by type, host and port, and by nothing that could be a secret."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.domain.system import audit_destinations
from schema.channels import PROVIDERS
from schema.targets import TARGETS
from tests.planted import places, planted

NOWHERE = {"push", "group", "manual"}  # these connect to nothing


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("https://example.org/a/b?token=sesame", "example.org:443"),
        ("http://example.org", "example.org:80"),
        ("HTTP://example.org:8080#x", "example.org:8080"),
        ("ws://[::1]/", "[::1]:80"),
        ("wss://[::1]:444/", "[::1]:444"),
        ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
        ("tcp://127.0.0.1:2375", "127.0.0.1:2375"),
        ("redis://:sesame@cache:6379/0", "cache:6379"),
        ("mysql://ann:sesame@db.example/shop?ssl=1", "db.example"),
        ("mongodb://ann:sesame@a:1,b:2/?x=y", "a:1,b:2"),
        ("mysql://ann:ses/ame@db.example/shop", audit_destinations.UNSHOWN_ADDRESS),
        ("mysql://ann:ses?ame@db.example/shop", audit_destinations.UNSHOWN_ADDRESS),
        ("mysql://ann:s@same@db.example/shop", audit_destinations.UNSHOWN_ADDRESS),
        ("Server=tcp:db.example,1433;Password=sesame", "db.example,1433"),
        ("Password=sesame;Server=db.example", audit_destinations.UNSHOWN_ADDRESS),
        ("sesame", audit_destinations.UNSHOWN_ADDRESS),
        ("json://ann:sesame@127.0.0.1:9/", "127.0.0.1:9"),
    ],
)
def test_addresses_are_reduced_to_host_and_port(address: str, place: str) -> None:
    assert audit_destinations.host_and_port(address) == place


@pytest.mark.parametrize(("name", "path"), places(), ids=lambda one: one)
def test_audit_destinations_contain_no_secrets(name: str, path: str, tmp_path: Path) -> None:
    one = planted(name, path, tmp_path)
    config = msgspec.convert({**one.config, "type": name}, (TARGETS | PROVIDERS)[name])
    found = audit_destinations.destinations_of(config)
    assert one.secret not in " ".join(found)
    assert all(place.startswith(f"{name} ") for place in found)


LEAST: dict[str, dict[str, Any]] = {
    "dns": {"host": "example.org", "resolver_server": "192.0.2.1", "resolvers": ["192.0.2.2"]},
    "domain": {"domain": "example.org"},
    "docker": {"container": "c"},
    "kafka-producer": {"brokers": ["a:9092", "b:9092"], "topic": "t", "message": "m"},
    "snmp": {"host": "a", "oid": "1.3.6.1"},
    "mqtt": {"host": "a", "topic": "t"},
    "tcp": {"host": "a", "port": 9},
    "steam": {"host": "a"},
    "http": {"url": "http://a/"},
    "website": {"url": "http://a/"},
    "websocket": {"url": "ws://a/"},
    "grpc": {"host": "a", "port": 9},
    "mail": {"host": "a", "protocol": "imap"},
    "rabbitmq": {"nodes": ["http://a:1", "https://b"], "username": "u"},
}


@pytest.mark.parametrize("name", sorted(TARGETS.keys() - NOWHERE))
def test_every_type_that_connects_names_its_destinations(name: str) -> None:
    assert audit_destinations.destinations_of(
        msgspec.convert({"type": name, **LEAST.get(name, {"host": "a"})}, TARGETS[name])
    )


def test_several_places_are_each_named_once() -> None:
    dns = msgspec.convert({"type": "dns", **LEAST["dns"], "resolvers": ["192.0.2.1", "192.0.2.2"]}, TARGETS["dns"])
    assert audit_destinations.destinations_of(dns) == ["dns example.org", "dns 192.0.2.1", "dns 192.0.2.2"]
