"""A sync that finds no way to Clari says why: one line for all quarters, its section of the runbook, no password."""

from pathlib import Path

import pytest

from tests.helpers.terminal import Terminal
from tests.helpers.ways import answering, self_signed


def assert_said(terminal: Terminal, *words: str, section: str) -> None:
    answer = terminal("sync", "--last", "3")
    lines = [line for line in answer.err.splitlines() if line.startswith("clari-pipeline:")]
    assert (answer.code, len(lines)) == (1, 1), answer.err
    assert all(word in lines[0] for word in words), lines
    assert lines[0].endswith(f"(docs/runbook.md#{section})")
    assert "secret" not in answer.out + answer.err
    states = terminal.query("select distinct state, error_kind is null from clari.export_job")
    assert states == [("FAILED", False)]


def test_a_certificate_that_is_not_trusted(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(200, certificate=self_signed(tmp_path)) as place:
        monkeypatch.setenv("CLARI_BASE_URL", f"https://{place}/v4")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert_said(terminal, "not trusted", "SSL_CERT_FILE", section="certificate_untrusted")


@pytest.mark.parametrize(("status", "remedy"), [(407, "put its user and password into"), (403, "have it allow")])
def test_a_proxy_that_refuses(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, status: int, remedy: str) -> None:
    with answering(status) as place:
        monkeypatch.setenv("CLARI_BASE_URL", "https://clari.invalid/v4")
        monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:secret@{place}")
        monkeypatch.setenv("NO_PROXY", "")
        assert_said(
            terminal, f"the proxy {place} that HTTPS_PROXY names answers {status}", remedy, section="proxy_failed"
        )
