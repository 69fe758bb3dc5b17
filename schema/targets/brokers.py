"""Targets that are message brokers."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.field_types import Host, Port, Restricted, Secret
from schema.targets.address import Url
from schema.targets.encryption import CaCert, ClientCert, ClientKey, IgnoreTlsErrors, OptionalHost

Username = Annotated[str, Meta(max_length=255, description="User name at the broker. Empty: none.")]


class Mqtt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="mqtt"):
    """An MQTT topic: checks that a message arrives, and what it contains."""

    host: Host
    port: Port = 1883
    topic: Annotated[
        str,
        Meta(
            min_length=1, max_length=1_024, description="Topic to subscribe to; may contain the wildcards `+` and `#`."
        ),
    ]
    wait_for_message: Annotated[
        bool,
        Meta(description="Wait for a message until the timeout. false: a successful subscription is enough."),
    ] = True
    ignore_retained: Annotated[bool, Meta(description="Ignore retained messages, and wait for a new one.")] = False
    websocket_path: Annotated[
        str,
        Meta(
            max_length=1_024,
            pattern=r"^(/[^\s#]*)?$",
            extra={"restricted": Restricted.QUERY},
            description="Path for MQTT over WebSocket, often `/mqtt`. Empty: plain MQTT. Viewers don't see its query.",
        ),
    ] = ""
    path: Annotated[
        str,
        Meta(max_length=255, description="Path of the value in a JSON payload: names and indexes separated by dots."),
    ] = ""
    username: Username = ""
    password: Secret = ""
    tls: Annotated[bool, Meta(description="Connect with TLS.")] = False
    ignore_tls_errors: IgnoreTlsErrors = False
    ca_cert: CaCert = ""
    client_cert: ClientCert = ""
    client_key: ClientKey = ""
    assertions: Assertions = []


class SaslMechanism(StrEnum):
    """SASL mechanisms of Kafka; the names are the protocol's own."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


Broker = Annotated[
    str,
    Meta(
        max_length=261,
        pattern=r"^(\[[^\]\s]+\]|[^:\s\[\]]+):[0-9]{1,5}$(?!\n)",
        description="Host and port, such as kafka.lan:9092 or [2001:db8::7]:9092.",
        examples=["kafka.lan:9092"],
    ),
]


class KafkaProducer(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="kafka-producer"
):
    """A Kafka topic: checks that a message is written and acknowledged by all in-sync replicas."""

    brokers: Annotated[
        list[Broker],
        Meta(min_length=1, max_length=20, description="Brokers as `host:port`. The first one that responds is used."),
    ]
    topic: Annotated[str, Meta(max_length=249, pattern=r"^[A-Za-z0-9._-]+$", description="Topic to write to.")]
    message: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=10_000,
            extra={"restricted": Restricted.ALL},
            description="Message that every check writes. Not shown to viewers.",
        ),
    ]
    allow_auto_topic_creation: Annotated[
        bool, Meta(description="Let the broker create the topic if it does not exist.")
    ] = False
    username: Username = ""
    password: Secret = ""
    mechanism: Annotated[SaslMechanism, Meta(description="SASL mechanism.")] = SaslMechanism.PLAIN
    tls: Annotated[bool, Meta(description="Connect with TLS.")] = False
    ignore_tls_errors: IgnoreTlsErrors = False
    ca_cert: CaCert = ""
    client_cert: ClientCert = ""
    client_key: ClientKey = ""
    assertions: Assertions = []

    def __post_init__(self) -> None:
        """Raises ValueError for an invalid port."""
        if invalid := [one for one in self.brokers if not 0 < int(one.rpartition(":")[2]) < 65_536]:  # noqa: PLR2004  # TCP
            raise ValueError(f"`brokers` has a port that is none: {invalid[0]}")


class Rabbitmq(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="rabbitmq"):
    """A RabbitMQ server: checks the alarms of its nodes, and a login."""

    nodes: Annotated[
        list[Url],
        Meta(max_length=20, description="URLs of the management API. The check passes if one node is healthy."),
    ] = []
    host: OptionalHost = ""
    port: Port = 5672
    virtual_host: Annotated[str, Meta(min_length=1, max_length=127, description="Virtual host to open.")] = "/"
    username: Username
    password: Secret = ""
    tls: Annotated[bool, Meta(description="Connect to `host` with TLS, usually on port 5671.")] = False
    ignore_tls_errors: IgnoreTlsErrors = False
    ca_cert: CaCert = ""
    client_cert: ClientCert = ""
    client_key: ClientKey = ""
    assertions: Assertions = []

    def __post_init__(self) -> None:
        """Raises ValueError when there is nothing to check."""
        if not self.nodes and not self.host:
            raise ValueError("needs `nodes`, or a `host` to sign in at, or both")
