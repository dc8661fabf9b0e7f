"""Alerts: raised, sent, kept until they are sent."""
