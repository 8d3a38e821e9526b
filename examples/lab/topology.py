"""A lab's network: namespaces, cables, addresses, and what runs in them; the labs and their tests build and remove it through here.

``EDGE`` is the network of the reference flow:

::

    server ─────────────── fw ─────────────── ams1 ─────────────── fra1 ─────────────── host
        203.0.113.0/24   nftables  192.0.2.4/30     192.0.2.0/30       198.51.100.0/24
                           │
                          ops ─── dns              management: the engine, people and mail are in ops

Everything carries the lab's prefix, which is made of the checkout's path: a lab finds what an earlier one of the same checkout left,
and never touches anything else.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

OPS_DNS, DNS = "10.255.1.1", "10.255.1.2"
OPS_FW, FW = "10.255.2.1", "10.255.2.2"
SERVER = "203.0.113.1"


@dataclass(frozen=True)
class End:
    """One end of a cable. ``address`` is "" where the router configures it itself."""

    place: str
    interface: str
    address: str = ""


@dataclass(frozen=True)
class Plan:
    """What is in a network. ``routers`` run FRR; ``others`` are all other places, of which ``forwarding`` pass packets on."""

    routers: tuple[str, ...]
    cables: tuple[tuple[End, End], ...]
    others: tuple[str, ...] = ()
    forwarding: tuple[str, ...] = ()
    default_routes: Mapping[str, str] = field(default_factory=dict)


_EDGE_CABLES = (
    (End("ops", "to-dns", f"{OPS_DNS}/30"), End("dns", "to-ops", f"{DNS}/30")),
    (End("ops", "to-fw", f"{OPS_FW}/30"), End("fw", "to-ops", f"{FW}/30")),
    (End("server", "eth0", f"{SERVER}/24"), End("fw", "servers", "203.0.113.254/24")),
    (End("fw", "to-ams1", "192.0.2.6/30"), End("ams1", "to-fw")),
    (End("ams1", "to-fra1"), End("fra1", "to-ams1")),
    (End("fra1", "hosts"), End("host", "eth0", "198.51.100.10/24")),
)
EDGE = Plan(
    routers=("ams1", "fra1"),
    cables=_EDGE_CABLES,
    others=("ops", "dns", "fw", "server", "host"),
    forwarding=("fw",),
    default_routes={"server": "203.0.113.254", "fw": "192.0.2.5", "host": "198.51.100.1"},
)


@dataclass(frozen=True)
class Network:
    """The namespaces of one lab. ``prefix`` begins the name of each; ``run`` is a folder with a path short enough for sockets."""

    prefix: str
    plan: Plan = EDGE

    @classmethod
    def of_checkout(cls, checkout: Path, plan: Plan = EDGE) -> Network:
        return cls(f"crlab-{hashlib.sha256(os.fsencode(checkout)).hexdigest()[:6]}", plan)

    @property
    def run(self) -> Path:
        return Path("/run", self.prefix)

    def namespace(self, place: str) -> str:
        return f"{self.prefix}-{place}"

    def inside(self, place: str, command: Sequence[str]) -> list[str]:
        """The command line that runs ``command`` in that place."""
        return ["ip", "netns", "exec", self.namespace(place), *command]

    def call(self, place: str, *command: str) -> str:
        """Run a command in that place and give what it prints. Raises CalledProcessError."""
        return _call(*self.inside(place, command))

    def build(self) -> None:
        """Make the namespaces and cables. The routers' own addresses come with their configuration."""
        self.run.mkdir(mode=0o755)
        for place in (*self.plan.others, *self.plan.routers):
            _call("ip", "netns", "add", self.namespace(place))
            _call("ip", "-n", self.namespace(place), "link", "set", "lo", "up")
        for place in (*self.plan.forwarding, *self.plan.routers):
            self.call(place, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for near, far in self.plan.cables:
            peer = ["peer", "name", far.interface, "netns", self.namespace(far.place)]
            _call("ip", "link", "add", near.interface, "netns", self.namespace(near.place), "type", "veth", *peer)
            for end in (near, far):
                self._connect(end)

    def route(self) -> None:
        """Set the default routes of what is no router; their gateways must have addresses by now."""
        for place, gateway in self.plan.default_routes.items():
            _call("ip", "-n", self.namespace(place), "route", "add", "default", "via", gateway)

    def _connect(self, end: End) -> None:
        ip = ["ip", "-n", self.namespace(end.place)]
        if end.address:
            _call(*ip, "address", "add", end.address, "dev", end.interface)
        _call(*ip, "link", "set", end.interface, "up")

    def namespaces(self) -> list[str]:
        """The lab's namespaces that are there, whichever lab of this checkout made them."""
        names = [line.split()[0] for line in _call("ip", "netns", "list").splitlines() if line]
        return [name for name in names if name.startswith(f"{self.prefix}-")]

    def processes(self) -> list[int]:
        """The ids of everything that runs in them."""
        return [int(pid) for name in self.namespaces() for pid in _call("ip", "netns", "pids", name).split()]

    def remove(self) -> None:
        """End everything that runs in the lab's namespaces and remove them."""
        end_processes(self.processes())
        for name in self.namespaces():
            _call("ip", "netns", "delete", name)
        shutil.rmtree(self.run, ignore_errors=True)


def end_processes(pids: Sequence[int], patience: float = 5.0) -> None:
    """Ask processes to end; after ``patience`` seconds make them."""
    alive = list(pids)
    for sent in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + patience
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sent)
        while alive and time.monotonic() < deadline:
            alive = [pid for pid in alive if _runs(pid)]
            time.sleep(0.05)


def _runs(pid: int) -> bool:
    """Whether the process is there and no zombie that waits for its parent."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return status.rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _call(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
