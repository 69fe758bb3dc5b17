"""Validates configs beyond their types: every parser that a check uses parses its field once before it is stored. Pure.

So no check fails because of its config. Types with rules of their own have a function here; hosts, URLs and
certificates are validated in every config. `app/store/monitoring/config_secrets.py` calls `field_errors` before it
stores a config.
"""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from app.domain.alerting import apprise_urls, vapid
from app.domain.config_rules import http, mail, services
from app.domain.config_rules.certificates import certificate_errors
from app.domain.config_rules.error import ConfigError
from app.domain.config_rules.hosts import host_errors
from app.domain.monitoring import assertable_fields
from app.domain.system import egress_rules
from schema.channels import Apprise, Sendgrid, Smtp, Webhook, Webpush
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
    """An error for every unusable field, by its dotted path in the config; secrets must be decrypted."""
    return [FieldError(field, message) for field, message in _config_errors(config)]


def _config_errors(config: Any) -> Iterator[ConfigError]:
    if isinstance(config, Struct) and not isinstance(config, Apprise):  # its addresses have rules of their own
        yield from host_errors(config)
        yield from certificate_errors(config)
    if rules := RULES.get(type(config)):
        yield from rules(config)
    yield from assertable_fields.assertion_errors(config)


def _egress_errors(policy: EgressPolicy) -> Iterator[ConfigError]:
    for field, networks in (("allow", policy.allow), ("deny", policy.deny)):
        for number, network in enumerate(networks):
            try:
                egress_rules.parse_network(network)
            except ValueError:
                yield f"{field}.{number}", "must be an IP address, or a network such as 10.0.0.0/8 or fd00::/8"


def _webpush_errors(config: Webpush) -> Iterator[ConfigError]:
    if not _is_parseable(vapid.parse_public_key, config.p256dh):
        yield "p256dh", "must be a point on P-256; copy it from the subscription"
    if not _is_parseable(vapid.parse_private_key, config.private_key):
        yield "private_key", "must be a private key for P-256; `watchkeeper webpush-key` creates one"


def _is_parseable(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


RULES: dict[type, Callable[[Any], Iterator[ConfigError]]] = {
    Http: http.http_errors,
    Website: http.website_errors,
    WebSocket: http.websocket_errors,
    Webhook: http.webhook_errors,
    Smtp: mail.mail_errors,
    Sendgrid: mail.mail_errors,
    Postgres: services.postgres_errors,
    Mysql: services.mysql_errors,
    Redis: services.redis_errors,
    Sqlserver: services.sqlserver_errors,
    Mongodb: services.mongodb_errors,
    Ldap: services.ldap_errors,
    Snmp: services.snmp_errors,
    Ssh: services.ssh_errors,
    Grpc: services.grpc_errors,
    ProxyDraft: services.proxy_errors,
    ProxyConfig: services.proxy_errors,
    EgressPolicy: _egress_errors,
    Apprise: apprise_urls.config_errors,
    Webpush: _webpush_errors,
}
