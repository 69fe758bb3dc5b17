"""What must hold of a config beyond its types: whatever reads a part of it reads it once before it is stored.

Pure. So a check never finds out that it can't be asked with. A type that has rules of its own has a function here;
hosts, addresses and certificates are validated wherever they stand. `app/store/monitoring/config_secrets.py` calls it
before it stores.
"""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from app.domain.alerting import apprise_urls, vapid
from app.domain.config_rules import http, services
from app.domain.config_rules.certificates import pem_faults
from app.domain.config_rules.error import Fault
from app.domain.config_rules.hosts import place_faults
from app.domain.monitoring import assertable_fields
from app.domain.system import egress_rules
from schema.channels import Apprise, Webhook, Webpush
from schema.errors import FieldError
from schema.proxies import ProxyConfig, ProxyDraft
from schema.settings import EgressPolicy
from schema.targets import (
    Grpc,
    Http,
    Ldap,
    Mongodb,
    Mysql,
    Postgres,
    Redis,
    Snmp,
    Sqlserver,
    Ssh,
    Website,
    WebSocket,
)

__all__ = ["field_errors"]


def field_errors(config: Any) -> list[FieldError]:
    """Every field that can't be used, by its dotted path in the config; secrets must be open."""
    return [FieldError(field, words) for field, words in _faults(config)]


def _faults(config: Any) -> Iterator[Fault]:
    if isinstance(config, Struct) and not isinstance(config, Apprise):  # whose addresses have rules of their own
        yield from place_faults(config)
        yield from pem_faults(config)
    if rules := RULES.get(type(config)):
        yield from rules(config)
    yield from assertable_fields.faults(config)


def _egress_faults(policy: EgressPolicy) -> Iterator[Fault]:
    for field, networks in (("allow", policy.allow), ("deny", policy.deny)):
        for number, network in enumerate(networks):
            try:
                egress_rules.network_of(network)
            except ValueError:
                yield f"{field}.{number}", "must be an IP address, or a network such as 10.0.0.0/8 or fd00::/8"


def _webpush_faults(config: Webpush) -> Iterator[Fault]:
    if not _reads(vapid.public_key, config.p256dh):
        yield "p256dh", "must be a point on P-256: take it from the subscription as it is"
    if not _reads(vapid.private_key, config.private_key):
        yield "private_key", "must be a number that P-256 has: `watchkeeper webpush-key` makes one"


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


RULES: dict[type, Callable[[Any], Iterator[Fault]]] = {
    Http: http.http_faults,
    Website: http.website_faults,
    WebSocket: http.websocket_faults,
    Webhook: http.webhook_faults,
    Postgres: services.postgres_faults,
    Mysql: services.mysql_faults,
    Redis: services.redis_faults,
    Sqlserver: services.sqlserver_faults,
    Mongodb: services.mongodb_faults,
    Ldap: services.ldap_faults,
    Snmp: services.snmp_faults,
    Ssh: services.ssh_faults,
    Grpc: services.grpc_faults,
    ProxyDraft: services.proxy_faults,
    ProxyConfig: services.proxy_faults,
    EgressPolicy: _egress_faults,
    Apprise: apprise_urls.faults,
    Webpush: _webpush_faults,
}
