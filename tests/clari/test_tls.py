"""Whom TLS connections trust: read once for all clients, and what the environment names, as before."""

from pathlib import Path

import certifi
import pytest

from clari_pipeline.clari.client import tls_context

_END = "-----END CERTIFICATE-----\n"


def test_clients_share_one_context_for_as_long_as_the_environment_names_the_same_authorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that `SSL_CERT_FILE` names is trusted instead, by the next client."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    usual = tls_context()
    assert tls_context() is usual
    first, _, _ = Path(certifi.where()).read_text(encoding="utf-8").partition(_END)
    (tmp_path / "company.pem").write_text(first + _END, encoding="utf-8")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "company.pem"))
    assert len(tls_context().get_ca_certs()) == 1 < len(usual.get_ca_certs())
    first_two = Path(certifi.where()).read_text(encoding="utf-8").split(_END)[:2]
    (tmp_path / "company.pem").write_text("".join(one + _END for one in first_two), encoding="utf-8")
    assert len(tls_context().get_ca_certs()) == 2  # a file that was renewed in place
    monkeypatch.delenv("SSL_CERT_FILE")
    assert tls_context() is usual
