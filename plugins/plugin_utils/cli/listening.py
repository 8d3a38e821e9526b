# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a server listens: what the command line says, checked, and the sockets made of it or handed over by systemd. Only ``serve`` calls it."""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, RunError

DEFAULT = "127.0.0.1:8400"
_FIRST_HANDED = 3
"""The first file descriptor that systemd hands over; sd_listen_fds(3)."""
_BACKLOG = 2048


@dataclass(frozen=True)
class Place:
    """An address and port, or (``path``) a socket file."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return self.path or (f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}")


def place_of(text: str) -> Place:
    """``HOST:PORT``, ``[IPv6]:PORT``, ``PORT`` (on loopback) or ``unix:/path``. Raises AuthorError."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/"):
            raise AuthorError(
                f"--listen {text}: expected the absolute path of a socket file, such as unix:/run/changerail/serve.sock"
            )
        return Place(path=path)
    host, _colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isdecimal() or int(port) > 65535:
        raise AuthorError(f"--listen {text}: expected HOST:PORT, PORT or unix:/path, such as {DEFAULT}")
    return Place(host or "127.0.0.1", int(port))


def check(address: str, tls: bool, proxies: Sequence[str]) -> None:
    """Refuse to speak in clear to other machines, unless it was said that only a proxy does the talking. ``address`` is numeric. Raises AuthorError."""
    if tls or proxies or ipaddress.ip_address(address).is_loopback:
        return
    raise AuthorError(
        f"refusing to listen on {address} without TLS: passwords and answers would cross the network in clear. Give --tls-cert and --tls-key, "
        f"or listen on loopback; if a reverse proxy on another machine does TLS, name it: --proxy ADDRESS"
    )


def opened(place: Place, tls: bool, proxies: Sequence[str]) -> list[socket.socket]:
    """Sockets that listen at ``place``. Raises AuthorError when that is refused or no address of this machine, RunError when it is taken."""
    if place.path:
        return [_file_socket(place)]
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise AuthorError(f"--listen {place}: {place.host!r} is no address: {error.strerror or error}") from None
    sockets: list[socket.socket] = []
    for family, kind, protocol, _name, address in found:
        check(str(address[0]).partition("%")[0], tls, proxies)
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind(address)
            made.listen(_BACKLOG)
        except OSError as error:
            made.close()
            raise RunError(f"--listen {place}: {error.strerror or error}; another server may have it") from None
        sockets.append(made)
    return sockets


def handed_over(environment: Mapping[str, str], tls: bool, proxies: Sequence[str]) -> list[socket.socket]:
    """The sockets systemd listens at for this process; none without. Raises AuthorError when one is refused."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(environment.get("LISTEN_FDS") or 0)
    sockets = [socket.socket(fileno=number) for number in range(_FIRST_HANDED, _FIRST_HANDED + count)]
    for made in sockets:
        os.set_inheritable(made.fileno(), False)
        if made.family != socket.AF_UNIX:
            check(str(made.getsockname()[0]), tls, proxies)
    return sockets


def where(made: socket.socket) -> str:
    """Where a socket listens, for people."""
    name = made.getsockname()
    return str(name) if made.family == socket.AF_UNIX else str(Place(name[0], name[1]))


def is_local(made: socket.socket) -> bool:
    """Whether only this machine can reach it."""
    return made.family == socket.AF_UNIX or ipaddress.ip_address(made.getsockname()[0]).is_loopback


def tell_systemd(environment: Mapping[str, str], text: str) -> None:
    """Tell systemd how it stands (sd_notify(3)); without systemd it does nothing."""
    address = environment.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    # That nobody hears it is no reason not to serve.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(address)
        sender.sendall(text.encode())


def _file_socket(place: Place) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if os.path.exists(place.path) and stat.S_ISSOCK(os.stat(place.path).st_mode):
            # One that nobody listens at was left by a server that was killed.
            try:
                made.connect(place.path)
            except ConnectionRefusedError:
                os.unlink(place.path)
            made.close()
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Owner and group: the group is how the proxy gets in.
        before = os.umask(0o117)
        try:
            made.bind(place.path)
        finally:
            os.umask(before)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise RunError(f"--listen unix:{place}: {error.strerror or error}") from None
    return made
