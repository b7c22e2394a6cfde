"""No way into the inner network (row I11): the server calls addresses that strangers chose, and must not become their
hand behind the firewall.

What is judged is the very address that a connection is made to. A name is resolved once, here; each of its addresses
must be a public one; and the connection goes to that number, with the name in TLS and in `Host` alone. So a name that
changes its mind (DNS rebinding) gains nothing. Redirects are not followed by who uses this.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import httpcore
import httpx
from django.conf import settings

LONGEST_URL = 2048
# Of the registries of special-purpose addresses (RFC 6890, kept by IANA) and what older Pythons call public by mistake.
INNER = tuple(
    map(
        ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
            *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            *(
                "::/96",
                "64:ff9b:1::/48",
                "100::/64",
                "100:0:0:1::/64",
                "2001::/23",
                "2001:db8::/32",
                "2620:4f:8000::/48",
            ),
            *("3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
        ),
    )
)
# An IPv4 address travels in these, and what carries it on would deliver it: NAT64 (RFC 6052), 6to4 (RFC 3056).
NAT64, SIX_TO_FOUR = ip_network("64:ff9b::/96"), ip_network("2002::/16")

Address = IPv4Address | IPv6Address


class Refused(Exception):
    """An address that is not called. `code`: which rule says so."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, taken apart once: what is judged is what is called."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """As `Host` has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return host if self.port == usual else f"{host}:{self.port}"


def target_of(url: str) -> Target:
    """The parts of a URL that may be called, as far as its text tells. Raises Refused: `too_long`, `malformed`,
    `scheme`, `userinfo`, `port`, `private_address`.
    """
    if len(url) > LONGEST_URL:
        raise Refused("too_long", "the address is too long")
    try:
        parts = httpx.URL(url)
        host = parts.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise Refused("malformed", "the address is malformed") from None
    if parts.scheme not in ("https", "http"):
        raise Refused("scheme", "the address begins with neither https nor http")
    if parts.userinfo:
        raise Refused("userinfo", "the address holds a name or a password")
    # A fragment is no part of what is asked; who wrote one meant something that would not be.
    if not host or not parts.is_absolute_url or parts.fragment or not url.isprintable() or " " in url:
        raise Refused("malformed", "the address is malformed")
    default = 443 if parts.scheme == "https" else 80
    target = Target(parts.scheme, host, default if parts.port is None else parts.port, parts.raw_path.decode("ascii"))
    try:
        judge(target, ip_address(host))
    except ValueError:  # a name
        if not settings.RDV_WEBHOOKS_ALLOWED_NETWORKS:
            _judge_way(target)
    return target


def judge(target: Target, address: Address) -> None:
    """Raises Refused unless `target` may be called at this address."""
    if any(address in network for network in settings.RDV_WEBHOOKS_ALLOWED_NETWORKS):
        return
    _judge_way(target)
    if not is_public(address):
        raise Refused("private_address", "the address leads into a private network")


def _judge_way(target: Target) -> None:
    if target.scheme == "http" and not settings.RDV_WEBHOOKS_HTTP:
        raise Refused("scheme", "the address is not https")
    if target.port not in settings.RDV_WEBHOOKS_PORTS and not (target.scheme == "http" and target.port == 80):
        raise Refused("port", f"port {target.port} is not called")


def is_public(address: Address) -> bool:
    """Whether all the world may reach this address, and it is nobody's own."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        inner = address.ipv4_mapped
        if inner is None and address in NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and address in SIX_TO_FOUR:
            inner = address.sixtofour
        if inner is not None:
            return is_public(inner)
    special = address.is_multicast or address.is_reserved or not address.is_global
    return not special and not any(address in network for network in INNER if network.version == address.version)


# Names that are never answered hold a thread each until the resolver gives up: they have threads of their own.
_resolvers = ThreadPoolExecutor(max_workers=64, thread_name_prefix="resolver")


async def addresses_of(target: Target) -> list[Address]:
    """Where its name leads now, in the order of the system's preference. Raises Refused (`unresolved`, and as `judge`):
    one address that is not public among several refuses all of them.
    """
    loop = asyncio.get_running_loop()
    try:
        found: Iterable[Any] = await loop.run_in_executor(_resolvers, resolve, target.host, target.port)
    except (OSError, UnicodeError):
        raise Refused("unresolved", f"{target.host} leads nowhere") from None
    addresses = list(dict.fromkeys(ip_address(where[0]) for *_kind, where in found))
    if not addresses:
        raise Refused("unresolved", f"{target.host} leads nowhere")
    for address in addresses:
        judge(target, address)
    return addresses


def resolve(host: str, port: int) -> Iterable[Any]:
    """As `socket.getaddrinfo`; by its name here, so that a test can be a DNS server that lies."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """How httpcore connects, through the guard; TLS is told the name by httpcore, from the address of the request."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        until = time.monotonic() + (timeout or 0)
        addresses = await addresses_of(Target(self._scheme, host, port, ""))
        for left in reversed(range(len(addresses))):
            address = addresses[len(addresses) - 1 - left]
            # None may take the time of those after it.
            share = (until - time.monotonic()) / (left + 1) if timeout is not None else None
            try:
                return await self._network.connect_tcp(str(address), port, timeout=share, socket_options=socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not left:
                    raise
        raise AssertionError("there is an address at least")

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        raise Refused("scheme", "a socket of this machine is never called")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)
