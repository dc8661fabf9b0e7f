"""Retries by stamina, logged and never printed."""

import logging

from stamina import retry_context
from stamina.instrumentation import set_on_retry_hooks

__all__ = ["retry_context"]

_log = logging.getLogger(__name__)


# Left alone, stamina reports through structlog where that is installed, which prints on stdout: `--json` owns it.
set_on_retry_hooks([lambda details: _log.info("%s; retry in %.1f s", details.caused_by, details.wait_for)])
