"""Cut the network: loopback works, everything beyond it fails at once.

First choice is a network namespace of this process and all it starts, in which only loopback is up
(network_namespaces(7), user_namespaces(7)); nothing can leave it, whatever language it is written in. Where namespaces
are not allowed (macOS, some containers), a guard in each Python process refuses names and connections beyond loopback.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1  # linux/sockios.h, linux/if.h
GUARD = Path(__file__).parent / "socket_guard"
NAMESPACE = "cut by a network namespace in which only loopback is up"
GUARDED = (
    "guarded: every Python process refuses names and connections beyond loopback (namespaces are not allowed here)"
)


def cut(*, namespaces: bool = True) -> str:
    """Cut the network of this process and of all that it starts; return in words how.

    Call it before threads start: a process with several threads may not enter a user namespace.
    With namespaces=False the guard is used without a try.
    """
    if namespaces:
        # A real root needs no user namespace, in which it could not write to other users' files.
        for flags in (CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNET):
            if _works(flags):
                _enter(flags)
                return NAMESPACE
    others = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != str(GUARD)]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(GUARD), *others])
    sys.path.insert(0, str(GUARD))
    import socket_guard

    socket_guard.install()
    return GUARDED


def _works(flags: int) -> bool:
    """Try in a child: a half-entered namespace cannot be left again."""
    if not hasattr(os, "fork") or not sys.platform.startswith("linux"):
        return False
    child = os.fork()
    if child == 0:
        try:
            _enter(flags)
            os._exit(0 if _only_loopback() else 1)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _enter(flags: int) -> None:
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    if flags & CLONE_NEWUSER:  # the same user inside as outside
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        now = struct.unpack("16sH14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", now | IFF_UP))


def _only_loopback() -> bool:
    """Whether loopback carries bytes and the documentation network 192.0.2.0/24 (RFC 5737) cannot be reached."""
    with socket.socket() as listener, socket.socket() as caller:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        caller.connect(listener.getsockname())
    with socket.socket() as outward:
        outward.settimeout(1)
        return outward.connect_ex(("192.0.2.1", 9)) == errno.ENETUNREACH
