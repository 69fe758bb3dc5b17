"""The pipeline: schedule, check, ingest, notify, with its probes and senders."""
