"""Errors in settings and usage, each found before anything is asked of Clari."""

from collections.abc import Mapping

from clari_pipeline.core.runbook import PipelineError


class SettingsError(PipelineError, ValueError):
    """A setting is missing or wrong. The message names the variable and the remedy, never a secret.

    `faults` are the single messages by variable, where several may be wrong.
    """

    def __init__(self, message: str, *, faults: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.faults = dict(faults or {})


class UsageError(SettingsError):
    """Options or arguments of a command that do not fit."""


class KeyMissing(SettingsError):
    """There is no key to ask Clari with."""


class SandboxInProduction(SettingsError):
    """`CLARI_ENV` is prod, and the key is a sandbox's or the warehouse full of its figures, which are invented."""


class ForecastsMissing(SettingsError):
    """No forecast is named."""


class ChannelsMissing(SettingsError):
    """No channel is set to send an alert to."""


class ChannelUnusable(SettingsError):
    """An address in `CLARI_ALERT_URLS` cannot be used."""


class DriverMissing(SettingsError):
    """What `CLARI_WAREHOUSE_URL` names needs an extra of this package."""


class DataFolderUnwritable(SettingsError):
    """Nothing could be landed in `CLARI_DATA_DIR`: found before Clari is asked."""
