"""stamina's `retry_context`, with a hook that logs retries instead of printing them."""

import logging

from stamina import retry_context
from stamina.instrumentation import set_on_retry_hooks

__all__ = ["retry_context"]

_log = logging.getLogger(__name__)


# By default stamina logs through structlog where that is installed, which prints on stdout, where `--json` prints.
set_on_retry_hooks([lambda details: _log.info("%s; retry in %.1f s", details.caused_by, details.wait_for)])
