"""Why no connection to Clari came about: a certificate, a name that does not resolve, or a proxy."""

import os
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

import httpx

from clari_pipeline.clari.errors import CertificateUntrusted, ClariUnreachable, HostUnknown, ProxyFailed

_WANTS_A_PASSWORD = 407


def named(error: httpx.RequestError, address: str) -> ClariUnreachable | None:
    """The error that names why a request to `address` could not be sent; None for any other cause.

    None of it has reached Clari. Nothing of a proxy but its host and port is named: its address may hold a password.
    """
    if not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return None
    host, proxy = urlsplit(address).hostname or "", proxy_of(address)
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CertificateUntrusted(
                f"the certificate of {host} is not trusted ({cause.verify_message}): where a proxy of your company's "
                "opens encrypted connections, put the file of its certificate authority into SSL_CERT_FILE",
                is_lasting=True,
            )
    if proxy is not None:
        return _of_proxy(error, causes, host, *proxy)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return HostUnknown(f"the name {host} does not resolve: check CLARI_BASE_URL, and this machine's DNS")
    return None


def refused_by_proxy(status: int, address: str) -> ProxyFailed | None:
    """The error for a response of a proxy that wants a password; None for any other response."""
    if status != _WANTS_A_PASSWORD or (proxy := proxy_of(address)) is None:
        return None
    return _refused(status, urlsplit(address).hostname or "", *proxy)


def proxy_of(address: str) -> tuple[str, str] | None:
    """The environment variable that names the proxy of requests to `address`, with its host and port; None without."""
    parts = urlsplit(address)
    for name in (f"{parts.scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            if proxy := os.environ.get(variable):
                if proxy_bypass(parts.hostname or ""):
                    return None
                found = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
                return variable, found.netloc.rpartition("@")[2]
    return None


def _of_proxy(
    error: httpx.RequestError, causes: list[BaseException], host: str, variable: str, place: str
) -> ProxyFailed:
    status = str(error).partition(" ")[0]
    if isinstance(error, httpx.ProxyError) and status.isdecimal():
        return _refused(int(status), host, variable, place)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        what = "does not resolve"
    elif any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        what = "refuses connections"
    else:
        what = "does not answer"
    return ProxyFailed(
        f"the proxy {place} that {variable} names {what}: check {variable}, or put {host} into NO_PROXY, "
        "if no proxy is needed"
    )


def _refused(status: int, host: str, variable: str, place: str) -> ProxyFailed:
    """A 4xx lasts: it is the proxy's rule. A 5xx may pass."""
    remedy = (
        f"put its user and password into {variable} (http://user:password@{place})"
        if status == _WANTS_A_PASSWORD
        else f"have it allow {host}"
    )
    answer = f"the proxy {place} that {variable} names answers {status} to a connection to {host}"
    return ProxyFailed(f"{answer}: {remedy}", is_lasting=status < 500)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised from, down to the system's."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            yield from cause.exceptions
        cause = cause.__cause__ or cause.__context__
