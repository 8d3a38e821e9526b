"""FRR on the lab's routers: start it, ask it; the lab and its tests call. Everything lies in the lab's own folders, nothing in /etc/frr."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from examples.lab.topology import Network

DAEMONS = ("zebra", "staticd", "bgpd")
LIBEXEC = Path("/usr/lib/frr")
USER = "frr"


def start(network: Network, configurations: Path) -> None:
    """Start each router's daemons with the configuration ``configurations/<router>.conf``."""
    for router in network.plan.routers:
        folder = _folder(network, router)
        folder.mkdir(mode=0o750)
        shutil.copy(configurations / f"{router}.conf", folder / "frr.conf")
        (folder / "vtysh.conf").write_text(f"service integrated-vtysh-config\nhostname {router}\n", encoding="utf-8")
        # The daemons start with nothing and get the one configuration of all of them through vtysh, as in production.
        (folder / "none.conf").touch()
        for file in (folder, *folder.iterdir()):
            shutil.chown(file, USER, USER)
        for daemon in DAEMONS:
            _start_daemon(network, router, daemon)
        _vtysh(network, router, "-b")


def ask(network: Network, router: str, command: str) -> str:
    """What the router's shell prints for a show command."""
    return _vtysh(network, router, "-c", command)


def ask_json(network: Network, router: str, command: str) -> Any:
    """What the router's shell says as JSON for a show command."""
    return json.loads(ask(network, router, f"{command} json"))


def running_configuration(network: Network, router: str) -> str:
    return ask(network, router, "show running-config no-header")


def established(network: Network, router: str) -> bool:
    """Whether every BGP session of the router is up."""
    peers = ask_json(network, router, "show bgp ipv4 unicast summary").get("peers", {})
    return bool(peers) and all(peer["state"] == "Established" for peer in peers.values())


def has_route(network: Network, router: str, prefix: str) -> bool:
    """Whether the router learned the prefix by BGP and gave it to its kernel."""
    routes = ask_json(network, router, f"show ip route {prefix}").get(prefix, [])
    in_frr = any(route["protocol"] == "bgp" and route.get("installed") for route in routes)
    return in_frr and bool(network.call(router, "ip", "-4", "route", "show", prefix).strip())


def _folder(network: Network, router: str) -> Path:
    return network.run / router


def _start_daemon(network: Network, router: str, daemon: str) -> None:
    folder = _folder(network, router)
    command = [
        *(str(LIBEXEC / daemon), "--daemon", "--user", USER, "--group", USER),
        *("--config_file", str(folder / "none.conf"), "--pid_file", str(folder / f"{daemon}.pid")),
        *("--vty_socket", str(folder), "--vty_port", "0", "--socket", str(folder / "zserv.api")),
        *("--log", f"file:{folder / daemon}.log"),
    ]
    # A daemon takes the machine's name for the router's unless it has a name space for that as well.
    named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', router, *command]
    subprocess.run(
        network.inside(router, named), check=True, timeout=60, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _vtysh(network: Network, router: str, *arguments: str) -> str:
    folder = str(_folder(network, router))
    command = ["vtysh", "--vty_socket", folder, "--config_dir", folder, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def wait_until_established(network: Network, patience: float = 60.0) -> None:
    """Wait until every router has all its BGP sessions. Raises TimeoutError after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while not all(established(network, router) for router in network.plan.routers):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the routers did not find each other within {patience:.0f} s; see {network.run}")
        time.sleep(0.2)
