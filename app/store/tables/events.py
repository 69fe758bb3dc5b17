"""Tables of the outbox: events, their deliveries, and attempts."""

from piccolo.columns import BigInt, Boolean, Integer, Text
from piccolo.table import Table


class EventRow(Table, tablename="events"):
    """An event, stored in the transaction that it describes. `data` is JSON."""

    id = Text(primary_key=True)
    kind = Text()
    is_test = Boolean(default=False)  # sent by hand to one channel
    monitor_id = Text(null=True, default=None)
    incident_id = Text(null=True, default=None)
    at_ms = BigInt()
    data = Text()
    created_ms = BigInt()


class DeliveryRow(Table, tablename="deliveries"):
    """One event to one channel; (event_id, channel_id) is unique, so duplicates can't be stored.

    state    pending → sending → sent | dead | suppressed; back to pending after a failed attempt
             suppressed: not sent on purpose
    at_ms    the event's time: deliveries of one monitor to one channel go out in this order
    hold     why it waits. Empty: no reason; held: suppressed for now; grouped: waits for a digest;
             resent: sent again on request
    """

    id = Text(primary_key=True)
    event_id = Text()
    channel_id = Text()
    monitor_id = Text(null=True, default=None)
    state = Text(default="pending")
    attempts = Integer(default=0)
    at_ms = BigInt()
    next_attempt_ms = BigInt()
    lease_until_ms = BigInt(default=0)  # while sending: end of the claim's lease
    lease_owner = Text(default="")  # whose it is: `<process>/<attempt>`, see `app.store.alerting.lease_owners`
    reason_code = Text(default="")  # `ReasonCode`: why it waits, was suppressed or is dead; decisions read this
    error = Text(default="")  # the same in words, or the newest attempt's error; only shown
    digest_id = Text(null=True, default=None)  # the digest: the delivery whose message includes this one
    released_ms = BigInt(null=True, default=None)  # when it was released: suppressed until the parent recovered
    hold = Text(default="")
    age_from_ms = BigInt(null=True, default=None)  # start of its age; null: `created_ms`
    created_ms = BigInt()
    sent_ms = BigInt(null=True, default=None)  # when it was accepted, of several recipients by the first one
    recipients = Text(default="[]")  # JSON of `RecipientResult`: those that it is not sent to again
    rejections = Integer(default=0)  # how often a message that contained it was rejected for its content


class DeliveryAttemptRow(Table, tablename="delivery_attempts"):
    """One attempt of a delivery, and its result."""

    delivery_id = Text(primary_key=True)
    attempt = Integer(primary_key=True)
    at_ms = BigInt()
    took_ms = Integer()
    state = Text()  # the delivery's state after it; "pending" when it will be retried
    error = Text(default="")
    recipients = Text(default="[]")  # JSON of `RecipientResult`: how it went for each recipient
