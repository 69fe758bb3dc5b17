"""Targets: one struct per monitor type, by family, and the tagged union of them all.

A new type is one struct here, one row in `TARGETS`, one file in `actors/probes/types/`, one page in `docs/monitors/`.
"""

from typing import Any

from schema.targets.address import Url
from schema.targets.brokers import KafkaProducer, Mqtt, Rabbitmq, SaslMechanism
from schema.targets.certificates import Ssl
from schema.targets.composed import Group, GroupPolicy, Manual
from schema.targets.databases import Mongodb, Mysql, Postgres, Redis, Sqlserver, SslMode
from schema.targets.dns import Dns, DnsTransport, RecordType
from schema.targets.domain import Domain
from schema.targets.http import Http, HttpBasicAuth, HttpBearerAuth, Method, StatusCodes
from schema.targets.mail import Mail, MailProtocol, MailSecurity
from schema.targets.network import Ping, Tcp
from schema.targets.push import Push
from schema.targets.services import Docker, Grpc, Ldap, Ntp, Snmp, Ssh, Steam
from schema.targets.website import Website
from schema.targets.websocket import WebSocket

__all__ = [
    "TARGETS",
    "Dns",
    "DnsTransport",
    "Docker",
    "Domain",
    "Group",
    "GroupPolicy",
    "Grpc",
    "Http",
    "HttpBasicAuth",
    "HttpBearerAuth",
    "KafkaProducer",
    "Ldap",
    "Mail",
    "MailProtocol",
    "MailSecurity",
    "Manual",
    "Method",
    "Mongodb",
    "Mqtt",
    "Mysql",
    "Ntp",
    "Ping",
    "Postgres",
    "Push",
    "Rabbitmq",
    "RecordType",
    "Redis",
    "SaslMechanism",
    "Snmp",
    "Sqlserver",
    "Ssh",
    "Ssl",
    "SslMode",
    "StatusCodes",
    "Steam",
    "Target",
    "Tcp",
    "Url",
    "WebSocket",
    "Website",
]

Target = (
    Http
    | Tcp
    | Ping
    | Dns
    | Push
    | Redis
    | Postgres
    | Ssh
    | Ntp
    | Ssl
    | Mysql
    | Ldap
    | Mail
    | Mongodb
    | Website
    | Snmp
    | Mqtt
    | Grpc
    | Rabbitmq
    | Group
    | Manual
    | Docker
    | WebSocket
    | Steam
    | Domain
    | KafkaProducer
    | Sqlserver
)
TARGETS: dict[str, type[Any]] = {
    "http": Http,
    "tcp": Tcp,
    "ping": Ping,
    "dns": Dns,
    "push": Push,
    "redis": Redis,
    "postgres": Postgres,
    "ssh": Ssh,
    "ntp": Ntp,
    "ssl": Ssl,
    "mysql": Mysql,
    "ldap": Ldap,
    "mail": Mail,
    "mongodb": Mongodb,
    "website": Website,
    "snmp": Snmp,
    "mqtt": Mqtt,
    "grpc": Grpc,
    "rabbitmq": Rabbitmq,
    "group": Group,
    "manual": Manual,
    "docker": Docker,
    "websocket": WebSocket,
    "steam": Steam,
    "domain": Domain,
    "kafka-producer": KafkaProducer,
    "sqlserver": Sqlserver,
}
