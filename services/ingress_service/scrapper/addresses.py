"""Which addresses a scraper may connect to: public ones, checked after the name is resolved.

The connection goes to the very address that was checked, so that a name server cannot answer differently
the second time.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Collection
from functools import cache
from typing import TypeAlias

import httpcore
import httpx

from services.ingress_service.scrapper.deadline import Deadline, TimedBackend
from services.ingress_service.scrapper.errors import AddressRefusedError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_ADDRESSES = 4
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses as IPv6-only networks write them (RFC 6052)."""
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
"""What is given out to the world (RFC 4291); other blocks hold sites, translators and the like."""


def is_public(address: Address) -> bool:
    """Whether an address, also one that carries an IPv4 address inside, is reachable from everywhere."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address not in GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast


def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a host, in the resolver's order; `OSError` where there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


@cache
def tls() -> ssl.SSLContext:
    """How certificates are checked; made once, because reading the authorities takes long."""
    return httpx.create_ssl_context()


class CheckedTransport(httpx.HTTPTransport):
    """Connects to checked addresses only, on the first request and after every redirect, until a deadline."""

    def __init__(self, deadline: Deadline, allow_private_hosts: Collection[str] = ()) -> None:
        super().__init__(verify=tls(), retries=0, trust_env=False)
        self._pool = httpcore.ConnectionPool(tls(), network_backend=TimedBackend(deadline))
        self._allowed = {host.lower() for host in allow_private_hosts}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Resolve, check, and connect to the checked addresses in turn under the original host name."""
        host = request.url.raw_host.decode("ascii").strip("[]")
        *others, last = self._checked(host, request.url)
        for address in others:
            try:
                return super().handle_request(_pinned(request, host, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return super().handle_request(_pinned(request, host, last))

    def _checked(self, host: str, url: httpx.URL) -> list[Address]:
        if url.scheme not in {"http", "https"}:
            raise AddressRefusedError(f"{url.scheme} is not fetched: only http and https are")
        try:
            addresses = resolve(host, url.port or (443 if url.scheme == "https" else 80))
        except OSError as error:
            raise httpx.ConnectError(f"{host} cannot be resolved: {error.strerror}") from error
        if host.lower() not in self._allowed and not all(map(is_public, addresses)):
            raise AddressRefusedError(
                f"{host} has an address that is not public; allow_private_hosts can name it"
            )
        return list(dict.fromkeys(addresses))[:MAX_ADDRESSES]


def _pinned(request: httpx.Request, host: str, address: Address) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )
