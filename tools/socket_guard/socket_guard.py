"""Refuse names and connections beyond loopback in this Python process."""

import errno
import ipaddress
import socket
from collections.abc import Callable
from typing import Any

_RESOLVERS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")
_SENDERS = ("connect", "connect_ex", "sendto", "sendmsg")


def _address(host: str | bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None


def _own_name(host: str | bytes | None) -> bool:
    return host in (None, "", b"", "localhost", b"localhost", socket.gethostname())


def _loopback(host: str | bytes) -> bool:
    if _own_name(host):
        return True
    address = _address(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _resolver(original: Callable) -> Callable:
    def guarded(host: str | bytes | None, *args: Any, **kwargs: Any) -> Any:
        if not _own_name(host) and _address(host) is None:
            raise socket.gaierror(socket.EAI_NONAME, f"the network is cut, so the name {host!r} is not looked up")
        return original(host, *args, **kwargs)

    return guarded


def _sender(name: str, original: Callable) -> Callable:
    def guarded(self: socket.socket, *args: Any) -> Any:
        address = args[-1] if name != "sendmsg" else (args[3] if len(args) > 3 else None)
        outward = self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple)
        if outward and not _loopback(address[0]):
            if name == "connect_ex":
                return errno.ENETUNREACH
            raise OSError(errno.ENETUNREACH, f"the network is cut, so nothing is sent to {address[0]}")
        return original(self, *args)

    return guarded


def install() -> None:
    """Patch the socket module; once is enough."""
    if getattr(socket, "_course_guard", False):
        return
    socket._course_guard = True
    for name in _RESOLVERS:
        setattr(socket, name, _resolver(getattr(socket, name)))
    for name in _SENDERS:
        setattr(socket.socket, name, _sender(name, getattr(socket.socket, name)))
