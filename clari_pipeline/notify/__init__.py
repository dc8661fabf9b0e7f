"""Renders alerts as messages and sends them to channels; depends on neither Clari, the warehouse nor settings."""

from clari_pipeline.notify.channels import (
    Channel,
    Channels,
    Delivery,
    Timeouts,
    open_channels,
    required_channels,
    split_addresses,
)
from clari_pipeline.notify.messages import Alert, Headline, Message, Severity, compose, greeting
from clari_pipeline.notify.sample import sample

__all__ = [
    "Alert",
    "Channel",
    "Channels",
    "Delivery",
    "Headline",
    "Message",
    "Severity",
    "Timeouts",
    "compose",
    "greeting",
    "open_channels",
    "required_channels",
    "sample",
    "split_addresses",
]
