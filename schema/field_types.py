"""Annotated field types with sizes and ranges that several structs share, for validation and OpenAPI alike."""

from enum import IntEnum
from typing import Annotated

from msgspec import Meta

MASK = "********"  # replaces a secret in every response; sent back, it keeps the stored secret


class Restricted(IntEnum):
    """Which part of a value viewers may not see, since it may grant access: `Meta(extra={"restricted": …})`."""

    QUERY = 1
    PATH = 2
    ALL = 3


NAME_LIMIT = 150  # characters
Name = Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT, description="Name to show.")]
Text = Annotated[str, Meta(max_length=2_000)]
Uuid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]  # in responses; ids in requests are looked up instead
Secret = Annotated[
    str,
    Meta(
        max_length=4_096,
        extra={"secret": True},
        description="Stored encrypted; shown as ********.",
    ),
]
Body = Annotated[
    str,
    Meta(
        max_length=65_536,
        extra={"restricted": Restricted.ALL},
        description="Body of the request. Not shown to viewers.",
    ),
]
Headers = Annotated[
    dict[Annotated[str, Meta(max_length=128)], Secret],
    Meta(
        max_length=50,
        description="Request headers by name. Headers that frame a message, such as Connection, are refused.",
    ),
]
Host = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        description="Host name or IP address, without scheme and port. International names are accepted.",
        examples=["example.org", "192.0.2.7", "2001:db8::7"],
    ),
]
Port = Annotated[int, Meta(ge=1, le=65_535)]
ProxyId = Annotated[str, Meta(max_length=64, description="Id of the proxy to connect through. Empty: none.")]
Interval = Annotated[int, Meta(ge=5, le=2_678_400, description="Seconds between checks, 5 seconds to 31 days.")]
Timeout = Annotated[float, Meta(gt=0, le=600, description="Time limit of one check, in seconds; at most the interval.")]
Cron = Annotated[
    str,
    Meta(
        max_length=100,
        description="Cron schedule instead of an interval: minute, hour, day of month, month, day of week.",
        examples=["*/15 8-18 * * MON-FRI"],
    ),
]
Timezone = Annotated[
    str, Meta(min_length=1, max_length=64, description="Time zone such as Europe/Berlin. Default: UTC.")
]
