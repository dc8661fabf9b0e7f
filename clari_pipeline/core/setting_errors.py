"""Errors in settings and usage, each raised before any request to Clari."""

from collections.abc import Mapping

from clari_pipeline.core.runbook import PipelineError


class SettingsError(PipelineError, ValueError):
    """A setting is missing or invalid. The message names the variable and the remedy, never a secret.

    `faults` maps each invalid variable to its message.
    """

    def __init__(self, message: str, *, faults: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.faults = dict(faults or {})


class UsageError(SettingsError):
    """Options or arguments of a command are invalid, or exclude each other."""


class KeyMissing(SettingsError):
    """No API key is set."""


class SandboxInProduction(SettingsError):
    """`CLARI_ENV` is prod, and the key is a sandbox's, or the warehouse holds a sandbox's invented figures."""


class ForecastsMissing(SettingsError):
    """`CLARI_FORECAST_IDS` is not set."""


class ChannelsMissing(SettingsError):
    """`CLARI_ALERT_URLS` is not set, and a command needs a channel."""


class ChannelUnusable(SettingsError):
    """An address in `CLARI_ALERT_URLS` cannot be used."""


class DriverMissing(SettingsError):
    """The engine in `CLARI_WAREHOUSE_URL` needs an extra of this package that is not installed."""


class DataFolderUnwritable(SettingsError):
    """`CLARI_DATA_DIR` is not writable, so that no document could be landed."""
