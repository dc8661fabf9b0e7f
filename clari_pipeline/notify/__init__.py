"""Alerts become messages, messages reach people. Knows nothing of Clari, of the warehouse or of settings."""

from clari_pipeline.notify.channels import Channel, ChannelError, Channels, Delivery, Timeouts, split_addresses
from clari_pipeline.notify.messages import Alert, Headline, Message, compose

__all__ = [
    "Alert",
    "Channel",
    "ChannelError",
    "Channels",
    "Delivery",
    "Headline",
    "Message",
    "Timeouts",
    "compose",
    "split_addresses",
]
