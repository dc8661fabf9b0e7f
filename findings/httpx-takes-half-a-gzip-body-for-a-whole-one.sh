#!/usr/bin/env bash
# httpx 0.28.1: a compressed body that ends early is a whole answer, and of a body of several gzip members only the first
# is read. Nothing is raised.
#
# Who downloads an export that is compressed on the way meets it: a proxy that breaks off after half of the body, in an
# answer whose length nobody stated, leaves a shorter document or none at all. gzip's own trailer, which holds the length
# and a checksum of the text, is missing then; httpx looks at it only if it came. Files that were put together of two
# gzip files, as `cat a.gz b.gz` makes them and Python's gzip and curl read them, lose all but the first.
#
# Expected before it was run: DecodingError, as for a checksum that is wrong; both members. Seen: as above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check httpx==0.28.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import gzip

import httpx

text = b"".join(b"user,%d\n" % number for number in range(20_000))
whole = gzip.compress(text)


def read(body):
    """What a client has of an answer that is this body, compressed."""
    answer = httpx.Response(200, headers={"content-encoding": "gzip"}, content=body)
    with httpx.Client(transport=httpx.MockTransport(lambda _request: answer)) as client:
        return client.get("http://clari.invalid/results").content


assert read(whole) == text
assert read(whole[:-8]) == text  # without its trailer
half = read(whole[: len(whole) // 2])
assert half == text[: len(half)] and 0 < len(half) < len(text)
assert read(whole + whole) == text
assert gzip.decompress(whole + whole) == text + text
try:
    read(whole[:-8] + bytes(8))
except httpx.DecodingError:
    print("as described")
else:
    raise SystemExit("a trailer that is wrong was not noticed either")
PYTHON
