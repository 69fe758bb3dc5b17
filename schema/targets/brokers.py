"""Targets that are message brokers."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.field_types import Host, Port, Restricted, Secret
from schema.targets.address import Url
from schema.targets.encryption import CaCert, ClientCert, ClientKey, IgnoreTlsErrors, OptionalHost

Username = Annotated[str, Meta(max_length=255, description="As the broker knows it.")]


class Mqtt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="mqtt"):
    """An MQTT topic: does a message come, and what is in it."""

    host: Host
    port: Port = 1883
    topic: Annotated[str, Meta(min_length=1, max_length=1_024, description="May have the wildcards `+` and `#`.")]
    wait_for_message: Annotated[
        bool, Meta(description="For a message, as long as the timeout lets; else a subscription is enough.")
    ] = True
    ignore_retained: Annotated[
        bool, Meta(description="A message that the broker has kept from before is not the one that is waited for.")
    ] = False
    websocket_path: Annotated[
        str,
        Meta(
            max_length=1_024,
            pattern=r"^(/[^\s#]*)?$",
            extra={"restricted": Restricted.QUERY},
            description="Speak through a WebSocket at this path, often `/mqtt`; empty: without one. Viewers are not "
            "shown its query.",
        ),
    ] = ""
    path: Annotated[
        str, Meta(max_length=255, description="Where in a JSON payload the value is: names and numbers parted by dots.")
    ] = ""
    username: Username = ""
    password: Secret = ""
    tls: Annotated[bool, Meta(description="Encrypted from the first byte.")] = False
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
        description="A host and a port, such as kafka.lan:9092 or [2001:db8::7]:9092.",
        examples=["kafka.lan:9092"],
    ),
]


class KafkaProducer(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="kafka-producer"
):
    """A Kafka topic: does it take a message, and keep it on every replica in sync."""

    brokers: Annotated[
        list[Broker], Meta(min_length=1, max_length=20, description="Each `host:port`; the first that answers counts.")
    ]
    topic: Annotated[str, Meta(max_length=249, pattern=r"^[A-Za-z0-9._-]+$", description="It is written to.")]
    message: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=10_000,
            extra={"restricted": Restricted.ALL},
            description="What every check writes. Not shown to viewers.",
        ),
    ]
    allow_auto_topic_creation: Annotated[bool, Meta(description="Let a broker make the topic when there is none.")] = (
        False
    )
    username: Username = ""
    password: Secret = ""
    mechanism: Annotated[SaslMechanism, Meta(description="How the user signs in (SASL).")] = SaslMechanism.PLAIN
    tls: Annotated[bool, Meta(description="Encrypted from the first byte.")] = False
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
    """A RabbitMQ: is one of its nodes without an alarm, and does it take a sign-in."""

    nodes: Annotated[list[Url], Meta(max_length=20, description="Management addresses; one good one is enough.")] = []
    host: OptionalHost = ""
    port: Port = 5672
    virtual_host: Annotated[str, Meta(min_length=1, max_length=127, description="What a sign-in opens.")] = "/"
    username: Username
    password: Secret = ""
    tls: Annotated[bool, Meta(description="The sign-in is encrypted; its port is usually 5671.")] = False
    ignore_tls_errors: IgnoreTlsErrors = False
    ca_cert: CaCert = ""
    client_cert: ClientCert = ""
    client_key: ClientKey = ""
    assertions: Assertions = []

    def __post_init__(self) -> None:
        """Raises ValueError when there is nothing to check."""
        if not self.nodes and not self.host:
            raise ValueError("needs `nodes`, or a `host` to sign in at, or both")
