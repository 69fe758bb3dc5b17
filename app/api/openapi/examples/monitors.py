"""An example of each type of monitor, enough to try it out and to see what the type needs."""

from typing import Any

from app.api.openapi.examples.ids import MONITOR_ID

CONFIGS: dict[str, dict[str, Any]] = {
    "http": {"url": "https://example.org/", "keyword": "Example Domain"},
    "tcp": {"host": "example.org", "port": 443},
    "ping": {"host": "example.org"},
    "dns": {"host": "example.org", "resolve_type": "MX"},
    "push": {"grace": 300},
    "redis": {"host": "redis.example.org", "command": "DBSIZE"},
    "postgres": {"host": "db.example.org", "username": "watchkeeper", "password": "s3cret", "database": "app"},
    "ssh": {"host": "server.example.org"},
    "ntp": {"host": "pool.ntp.org", "max_offset": 500},
    "ssl": {"host": "example.org", "warning_days": 21, "critical_days": 7},
    "mysql": {"host": "db.example.org", "username": "watchkeeper", "password": "s3cret"},
    "ldap": {"host": "ldap.example.org", "security": "starttls"},
    "mail": {"host": "mail.example.org", "protocol": "imap", "security": "tls"},
    "mongodb": {"connection_string": "mongodb://watchkeeper:s3cret@db.example.org:27017/"},
    "website": {"url": "https://example.org/", "expected_status": 200},
    "snmp": {"host": "switch.example.org", "oid": "1.3.6.1.2.1.1.3.0", "community": "public"},
    "mqtt": {"host": "broker.example.org", "topic": "home/heating/temperature"},
    "grpc": {"host": "grpc.example.org", "port": 50051, "tls": True},
    "rabbitmq": {"nodes": ["https://rabbit.example.org:15671/"], "username": "watchkeeper", "password": "s3cret"},
    "group": {"members": [MONITOR_ID], "policy": "any"},
    "manual": {"status": "up"},
    "docker": {"container": "app-1"},
    "websocket": {"url": "wss://example.org/live", "send": "ping", "expect": "pong"},
    "steam": {"host": "game.example.org", "port": 27015},
    "domain": {"domain": "example.org", "warning_days": 30},
    "kafka-producer": {"brokers": ["kafka.example.org:9092"], "topic": "watchkeeper", "message": "still here"},
    "sqlserver": {"host": "db.example.org", "username": "watchkeeper", "password": "s3cret"},
}
NAMES = {"http": "Front page", "push": "Nightly backup", "manual": "Office building", "group": "Whole shop"}


def drafts() -> dict[str, Any]:
    """Bodies of `CreateMonitor`, by type."""
    return {type_: {"name": NAMES.get(type_, type_), "type": type_, "config": one} for type_, one in CONFIGS.items()}
