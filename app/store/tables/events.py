"""Rows of events and of their deliveries: the outbox."""

from piccolo.columns import BigInt, Integer, Text
from piccolo.table import Table


class EventRow(Table, tablename="events"):
    """A fact, stored in the transaction that made it true."""

    id = Text(primary_key=True)
    kind = Text()
    monitor_id = Text(null=True, default=None)
    incident_id = Text(null=True, default=None)
    at_ms = BigInt()
    data = Text()
    created_ms = BigInt()


class DeliveryRow(Table, tablename="deliveries"):
    """One event to one channel; (event_id, channel_id) is unique, so doubling can't be stored.

    state    pending → sending → sent | dead | suppressed; back to pending when a try failed
             suppressed: not told on purpose, `error` says why
    at_ms    the event's: deliveries of one monitor to one channel go out in this order
    course   empty: as it comes; gated: a gate holds it; grouped: it waits for others; resent: somebody asked for it
    """

    id = Text(primary_key=True)
    event_id = Text()
    channel_id = Text()
    monitor_id = Text(null=True, default=None)
    state = Text(default="pending")
    attempts = Integer(default=0)
    at_ms = BigInt()
    next_at_ms = BigInt()
    lease_ms = BigInt(default=0)  # while sending: until when the claim holds
    error = Text(default="")
    carrier_id = Text(null=True, default=None)  # the delivery whose message tells this one, too
    reopened_ms = BigInt(null=True, default=None)  # suppressed until then: what the monitor hangs on was up again
    course = Text(default="")
    since_ms = BigInt(null=True, default=None)  # from when its age counts; None: since it was made
    created_ms = BigInt()
    sent_ms = BigInt(null=True, default=None)


class DeliveryAttemptRow(Table, tablename="delivery_attempts"):
    """One try of a delivery, and how it went."""

    delivery_id = Text()
    attempt = Integer()
    at_ms = BigInt()
    took_ms = Integer()
    state = Text()  # as the delivery's after it; a try that failed for now is "pending"
    error = Text(default="")
