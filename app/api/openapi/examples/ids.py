"""Ids in the examples, which stand for ids of the installation."""

MONITOR_ID = "3f6c1d0a-5a5e-4a6e-9d5c-0c1f2e3d4b5a"
CHANNEL_ID = "7b0d9c52-1c7e-4f3a-8e2b-6d5c4b3a2f1e"
TAG_ID = "c2a1b0f9-8e7d-4c6b-a5f4-3e2d1c0b9a8f"
