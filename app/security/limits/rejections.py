"""How many were turned away so that others are served, by reason."""

from prometheus_client import Counter

# locked: guessed too often; rate: asked too often; size, slow: the body or message was too large, or too late;
# sockets: too many WebSockets; time: we took too long ourselves
REASONS = ("locked", "rate", "size", "slow", "sockets", "time")
REJECTED = Counter("watchkeeper_refused_total", "Requests and messages turned away", ["reason"])
for _reason in REASONS:
    REJECTED.labels(_reason)
