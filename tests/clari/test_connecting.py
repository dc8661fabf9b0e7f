"""What goes wrong on the way to Clari is named, with its remedy; a proxy's password never is."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from clari_pipeline.clari import AuthFailed, ClariError, Retry
from clari_pipeline.clari.errors import CertificateUntrusted, ClariDown, HostUnknown, ProxyFailed
from clari_pipeline.sandbox import Sandbox
from tests.clari.conftest import call, call_at, posts, request_for
from tests.helpers.ways import answering, self_signed

FEW = Retry(attempts=3, first_wait_s=0.001, max_wait_s=0.002)
NOWHERE = "https://clari.invalid/v4"
CALLS = pytest.mark.parametrize("is_post", [False, True], ids=["get", "post"])


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def closed() -> Iterator[str]:
    """A port of this machine at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def failure(url: str, *, is_post: bool, timeout: float = 5) -> ClariError:
    """The error of an idempotent call, or of the export call, at that address."""
    with pytest.raises(ClariError) as raised:
        call_at(
            url,
            lambda client: client.submit_export(request_for()) if is_post else client.limits(),
            retry=FEW,
            request_timeout_s=timeout,
        )
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    return raised.value


@CALLS
def test_a_certificate_of_nobody_is_named_and_ssl_cert_file_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_post: bool
) -> None:
    certificate = self_signed(tmp_path)
    with answering(200, b'{"jobId": "1", "jobs": {}}', certificate=certificate) as place:
        error = failure(f"https://{place}/v4", is_post=is_post)
        assert isinstance(error, CertificateUntrusted)
        assert "of 127.0.0.1 is not trusted (self-signed certificate)" in str(error)
        assert "SSL_CERT_FILE" in str(error)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert call_at(f"https://{place}/v4", lambda client: client.submit_export(request_for())) == "1"


@CALLS
def test_a_name_that_does_not_resolve_is_named(is_post: bool) -> None:
    error = failure(NOWHERE, is_post=is_post)
    assert isinstance(error, HostUnknown)
    assert "the name clari.invalid does not resolve: check CLARI_BASE_URL" in str(error)


@CALLS
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (407, "put its user and password into HTTPS_PROXY (http://user:password@"),
        (403, "have it allow clari.invalid"),
        (502, "answers 502 to a connection to clari.invalid"),
    ],
)
def test_a_proxy_that_refuses_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, is_post: bool, status: int, said: str
) -> None:
    with answering(status) as place:
        monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:secret@{place}")
        error = failure(NOWHERE, is_post=is_post)
    assert isinstance(error, ProxyFailed)
    assert f"the proxy {place} that HTTPS_PROXY names answers {status}" in str(error)
    assert said in str(error)


@pytest.mark.parametrize(("proxy", "said"), [(None, "refuses connections"), ("proxy.invalid:3128", "does not resolve")])
def test_a_proxy_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, closed: str, proxy: str | None, said: str
) -> None:
    monkeypatch.setenv("all_proxy", f"http://somebody:secret@{proxy or closed}")
    error = failure(NOWHERE, is_post=False)
    assert isinstance(error, ProxyFailed)
    assert f"the proxy {proxy or closed} that all_proxy names {said}" in str(error)


def test_a_proxy_that_wants_a_password_is_named_on_this_machine_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request without encryption, to a sandbox, goes to the proxy itself."""
    with answering(407) as place:
        monkeypatch.setenv("http_proxy", f"http://somebody:secret@{place}")
        error = failure("http://localhost:9/v4", is_post=False)
        assert isinstance(error, ProxyFailed)
        assert "that http_proxy names answers 407" in str(error)
        monkeypatch.setenv("no_proxy", "localhost")
        assert isinstance(failure("http://localhost:9/v4", is_post=False), ClariDown)


@CALLS
def test_a_server_that_is_down_is_named(closed: str, is_post: bool) -> None:
    error = failure(f"http://{closed}/v4", is_post=is_post)
    assert type(error) is ClariDown
    assert f"http://{closed}/v4 is down" in str(error)
    assert "(connection refused)" in str(error)


def test_a_server_that_is_silent_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v4"
        error = failure(url, is_post=False, timeout=0.1)
    assert type(error) is ClariDown
    assert "does not answer (timed out)" in str(error)


# A stray 401


@CALLS
def test_one_401_is_tried_once_more(sandbox: Sandbox, is_post: bool) -> None:
    """Whoever is answered so once is not told to make a new key; an export is queued once."""
    sandbox.fail_next("submit" if is_post else "limits", ["401"])
    call(sandbox, lambda client: client.submit_export(request_for()) if is_post else client.limits())
    assert (len(sandbox.requests), len(posts(sandbox))) == (2, 2 * is_post)


@CALLS
def test_a_second_401_is_believed(sandbox: Sandbox, is_post: bool) -> None:
    with pytest.raises(AuthFailed, match="create a new token"):
        call_at(
            sandbox.base_url,
            lambda client: client.submit_export(request_for()) if is_post else client.limits(),
            "another-key",
        )
    assert len(sandbox.requests) == 2
