"""The base of receivers with several recipients: they take a message for some of them, or answer too late.

They print their control port. Messages go to a second port. Their channel's text is `TEMPLATE`.

GET /delivery-port    {"port": …} where messages go
GET /mode/<mode>      ok; some (recipients are refused as often as their odds say); late (messages are delivered, and
                      half of them are answered when the sender has given up)
GET /log              `RecipientLog`
"""

import random
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from bench import wire
from bench.receiver import Delivery

FAILING = ("some", "late")
MODES = ("ok", "some", "some", "some", "late", "late")  # a mode that stands here several times comes as often
LATE_SHARE = 0.5
MAX_EVENTS = 51  # of a digest that a template can list: its newest one and 50 others
TEMPLATE = (  # a line for each event
    '~{{ status_code }} {{ name }} {{ at }} {{ started_at | default: "-" }}{% for one in group %}\n'
    '~{{ one.status_code }} {{ one.name }} {{ one.at }} {{ one.started_at | default: "-" }}{% endfor %}'
)
_LINE = re.compile(r"^~([01]) (\S+) (\S+) (\S+)\s*$", re.MULTILINE)
_EVENTS = {"0": "monitor.down", "1": "monitor.up"}


class Odds(msgspec.Struct, frozen=True):
    """How often a recipient is refused, from 0 to 1.

    always_refused    for good, in every mode
    refused           for good     later    for now
    """

    refused: float = 0.0
    later: float = 0.0
    always_refused: bool = False


class Treatment(StrEnum):
    """What becomes of a message for one recipient."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    LATER = "later"


class RecipientLog(msgspec.Struct):
    """What happened at all recipients.

    deliveries    one for each recipient and event; those of a digest share the message's id
    refused       how often each recipient was refused for good      later    for now
    late          messages that were answered too late
    longest       the most events that a message had
    """

    deliveries: list[Delivery] = []
    refused: dict[str, int] = {}
    later: dict[str, int] = {}
    late: int = 0
    longest: int = 0


class Arrival(msgspec.Struct):
    """A message at one recipient; `is_answered`: the sender got the response, unless it was killed."""

    recipient: str
    id: str
    text: str
    at_ms: float
    is_answered: bool


class PartialReceiver:
    """The mode, the odds, and what arrived."""

    def __init__(self, odds: Mapping[str, Odds], seed: int) -> None:
        self.mode, self.port = "ok", 0
        self.arrivals: list[Arrival] = []
        self.late = 0
        self._odds, self._chance = odds, random.Random(seed)
        self._refused, self._later = Counter[str](), Counter[str]()

    def treat(self, recipient: str) -> Treatment:
        """Decide about a recipient, and count what is refused."""
        odds = self._odds[recipient]
        if odds.always_refused or (self.mode == "some" and self._chance.random() < odds.refused):
            self._refused[recipient] += 1
            return Treatment.REFUSED
        if self.mode == "some" and self._chance.random() < odds.later:
            self._later[recipient] += 1
            return Treatment.LATER
        return Treatment.ACCEPTED

    def is_late(self) -> bool:
        """Whether the next message is answered too late; counts it."""
        late = self.mode == "late" and self._chance.random() < LATE_SHARE
        self.late += late
        return late

    def happens(self, share: float) -> bool:
        """Whether something happens that happens so often."""
        return self._chance.random() < share

    def deliver(self, recipients: Sequence[str], message_id: str, text: str, *, is_answered: bool) -> None:
        """Record a message at its recipients."""
        now_ms = time.time() * 1000
        self.arrivals += [Arrival(one, message_id, text, now_ms, is_answered) for one in recipients]

    def control(self, asker: wire.Wire, head: bytes, body: bytes) -> None:
        """Answer a control request."""
        del body
        path = head.split(b" ", 2)[1].decode()
        asker.send(wire.reply(msgspec.json.encode(self._obey(path))))

    def _obey(self, path: str) -> object:
        if path == "/delivery-port":
            return {"port": self.port}
        if path == "/log":
            return self.log()
        mode = path.removeprefix("/mode/")
        if mode not in MODES:
            raise ValueError(f"no mode is called {mode}")
        self.mode = mode
        return {}

    def log(self) -> RecipientLog:
        """What happened so far."""
        read = [read_arrival(one) for one in self.arrivals]
        return RecipientLog(
            [delivery for deliveries in read for delivery in deliveries],
            dict(self._refused),
            dict(self._later),
            self.late,
            max(map(len, read), default=0),
        )


def read_arrival(arrival: Arrival) -> list[Delivery]:
    """The events of a message. Raises ValueError when it has none: then its text is not our template's."""
    lines = _LINE.findall(arrival.text)
    if not lines:
        raise ValueError(f"a message without events: {arrival.text[:200]}")
    return [
        Delivery(
            arrival.id,
            _EVENTS[status],
            name,
            _epoch_ms(at),
            arrival.at_ms,
            0.0 if started_at == "-" else _epoch_ms(started_at),
            arrival.recipient,
            is_answered=arrival.is_answered,
        )
        for status, name, at, started_at in lines
    ]


def _epoch_ms(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp() * 1000
