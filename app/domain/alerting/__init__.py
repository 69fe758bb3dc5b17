"""Who is alerted and when: routing, suppression, digests, backoff, circuit breaker. Pure."""
