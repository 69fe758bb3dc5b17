"""Prometheus metrics of the scheduler: punctuality, queues, deliveries, incidents, channels."""

from prometheus_client import Gauge

from app import queue

QUEUE_DEPTH = Gauge("watchkeeper_queue_depth", "Jobs waiting.", ["queue"])
QUEUE_AGE = Gauge("watchkeeper_queue_age_seconds", "Age of the oldest waiting job.", ["queue"])
SCHEDULE_LAG = Gauge("watchkeeper_schedule_lag_seconds", "How far the earliest due time has passed.")
STALE_MONITORS = Gauge("watchkeeper_monitors_stale", "Active monitors without a real result for two intervals.")
LOST_SLOTS = Gauge(
    "watchkeeper_slots_lost", "Slots that were queued twice without a result, since Redis was last emptied."
)
OVERDUE_DELIVERY = Gauge("watchkeeper_delivery_overdue_seconds", "How long the oldest due delivery has not been sent.")
OPEN_DELIVERIES = Gauge("watchkeeper_deliveries_open", "Deliveries neither sent nor dead.")
OPEN_INCIDENTS = Gauge("watchkeeper_incidents_open", "Incidents that are not resolved.")
MONITORS = Gauge("watchkeeper_monitors", "Active monitors.")
OLDEST_DELIVERY = Gauge("watchkeeper_delivery_oldest_age_seconds", "Age of the oldest open delivery.")
OPEN_CIRCUITS = Gauge("watchkeeper_channels_circuit_open", "Channels whose circuit is open after failures.")
DISABLED_CHANNELS = Gauge("watchkeeper_channels_disabled", "Channels that are disabled after permanent failures.")
for _queue in queue.QUEUES.values():  # start at 0, as counters do
    QUEUE_DEPTH.labels(queue=_queue)
    QUEUE_AGE.labels(queue=_queue)
