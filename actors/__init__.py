"""The engine room: schedule, check, ingest, notify, and the hands they use."""
