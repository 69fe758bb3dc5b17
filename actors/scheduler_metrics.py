"""Prometheus metrics of the scheduler: punctuality, queues, deliveries, incidents, channels."""

from prometheus_client import Gauge

from app import queue

QUEUE_DEPTH = Gauge("watchkeeper_queue_depth", "Jobs waiting.", ["queue"])
QUEUE_AGE = Gauge("watchkeeper_queue_age_seconds", "Age of the oldest waiting job.", ["queue"])
SCHEDULE_LAG = Gauge("watchkeeper_schedule_lag_seconds", "How far the earliest due time has passed.")
STALE_MONITORS = Gauge("watchkeeper_unchecked_monitors", "Active monitors without a real result for two intervals.")
LOST_SLOTS = Gauge(
    "watchkeeper_slots_lost", "Slots that were queued twice and of which no result came, since Redis was made."
)
OVERDUE_DELIVERY = Gauge("watchkeeper_delivery_overdue_seconds", "How long the oldest due delivery has not been sent.")
OPEN_DELIVERIES = Gauge("watchkeeper_deliveries_open", "Deliveries neither sent nor dead.")
OPEN_INCIDENTS = Gauge("watchkeeper_incidents_open", "Incidents that are not resolved.")
MONITORS = Gauge("watchkeeper_monitors", "Active monitors.")
OLDEST_DELIVERY = Gauge("watchkeeper_delivery_oldest_seconds", "Age of the oldest open delivery.")
OPEN_CIRCUITS = Gauge("watchkeeper_channels_resting", "Channels left alone for a while, because they failed.")
DISABLED_CHANNELS = Gauge(
    "watchkeeper_channels_paused", "Channels that are told nothing, because they refused for good."
)
for _queue in queue.QUEUES.values():  # start at 0, as counters do
    QUEUE_DEPTH.labels(queue=_queue)
    QUEUE_AGE.labels(queue=_queue)
