"""Prometheus metrics of a worker.

Every counter starts at 0 with all its label values: `rate()` does not see the step from nothing to 1.
"""

from itertools import product

from prometheus_client import Counter, Gauge, Histogram

from schema.channels import PROVIDERS
from schema.status import Status

LATENESS_BUCKETS = (0.01, 0.025, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

CHECKS = Counter("watchkeeper_checks", "Checks run, by result.", ["result"])
CHECK_LATENESS = Histogram(
    "watchkeeper_check_lateness_seconds", "Start of a check minus its due time.", buckets=LATENESS_BUCKETS
)
CHECK_DURATION = Histogram(
    "watchkeeper_check_duration_seconds",
    "How long checks took.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
HEARTBEATS_STORED = Counter("watchkeeper_heartbeats_stored", "Heartbeats stored.")
INGEST_DURATION = Histogram("watchkeeper_ingest_duration_seconds", "One batch, from its job to the commit.")
ALERT_LAG = Gauge(
    "watchkeeper_alert_lag_seconds", "How late storing and sending are; checks start more slowly while it is high."
)
NOTIFICATIONS = Counter("watchkeeper_notifications", "Delivery attempts, by outcome.", ["state", "type"])
NOTIFICATION_LATENCY = Histogram(
    "watchkeeper_notification_latency_seconds",
    "From the stored event until the provider accepted it.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
STATES = ("sent", "failed", "dead")  # of an attempt; a failed one is retried
for _state, _type in product(STATES, PROVIDERS):
    NOTIFICATIONS.labels(state=_state, type=_type)
_STATUSES = (Status.DOWN, Status.UP, Status.DEGRADED, Status.PENDING, Status.UNKNOWN)
CHECKS_BY_STATUS = {status: CHECKS.labels(result=status.name.lower()) for status in _STATUSES}
