#!/usr/bin/env bash
# circuitbreaker 2.1.3: an exception that is not the `expected_exception` counts as a success: it sets the count of
# failures back to 0, and closes a circuit that is open.
#
# Who guards an API that several threads or tasks ask meets it: one call finds the service down and opens the circuit;
# another, begun before that, ends with an error of its own (a bad request, a key that may not do this), and the circuit
# is closed again, so that everybody asks the service that is down. And three failures in a row are never three where a
# bad request comes between them.
#
# Expected before it was run: that an error that says nothing about the service changes nothing. Seen: as above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check circuitbreaker==2.1.3
cd "$folder"
venv/bin/python - <<'PYTHON'
from circuitbreaker import CircuitBreaker


def meets(breaker, error):
    """The breaker after a call that was let through and ended in this error."""
    try:
        with breaker:
            raise error
    except type(error):
        return breaker.opened, breaker.failure_count


once = CircuitBreaker(failure_threshold=1, recovery_timeout=3600, expected_exception=ConnectionError)
assert meets(once, ConnectionError()) == (True, 1)
assert meets(once, ValueError()) == (False, 0)

thrice = CircuitBreaker(failure_threshold=3, recovery_timeout=3600, expected_exception=ConnectionError)
seen = [meets(thrice, error) for error in (ConnectionError(), ConnectionError(), ValueError(), ConnectionError())]
assert seen == [(False, 1), (False, 2), (False, 0), (False, 1)]
print("as described")
PYTHON
