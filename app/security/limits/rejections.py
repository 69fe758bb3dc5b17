"""Counts requests and messages that were rejected to protect the service, by reason."""

from prometheus_client import Counter

# locked: too many failed logins; rate: rate limit; size, slow: the body or message was too large, or too slow;
# sockets: too many WebSockets; time: the request timed out on our side
REASONS = ("locked", "rate", "size", "slow", "sockets", "time")
REJECTED = Counter("watchkeeper_requests_rejected_total", "Rejected requests and messages, by reason.", ["reason"])
for _reason in REASONS:
    REJECTED.labels(_reason)
