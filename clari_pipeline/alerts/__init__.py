"""Alerts: found after a run, written into the outbox, and sent to every channel."""
