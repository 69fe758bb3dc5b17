"""Notification channels, webhooks, deliveries."""
