"""The systems of other teams in the lab: DNS (bind9), the firewall (nftables and its API), mail. Start them, and act as those teams do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from examples.lab.topology import DNS, FW, SERVER, Network

CHECKOUT = Path(__file__).resolve().parents[2]
ZONE = "example.net"
NAME = f"edge.{ZONE}"
RULE = "edge-203.0.113.0-24"
FIREWALL_PORT = 8080
MAIL_PORT = 2525

_NAMED_CONF = """\
include "{folder}/team.key";
options {{
    directory "{folder}";
    pid-file "{folder}/named.pid";
    session-keyfile "{folder}/session.key";
    listen-on {{ {address}; }};
    listen-on-v6 {{ none; }};
    recursion no;
    dnssec-validation no;
}};
controls {{ }};
zone "{zone}" {{
    type primary;
    file "{folder}/zone";
    update-policy {{ grant team zonesub A; }};
}};
"""
_ZONE = """\
$TTL 60
@  IN SOA ns1 hostmaster 1 3600 600 86400 1
@  IN NS  ns1
ns1 IN A  {address}
"""
# Traffic from the servers may leave; nothing may come in until the firewall team adds a rule.
_RULES = """\
table inet edge {
    chain forward {
        type filter hook forward priority filter; policy drop;
        ip saddr 203.0.113.0/24 accept
    }
}
"""


def start(network: Network, mail: Path) -> None:
    """Start all of them; each answers when this returns. ``mail`` is the folder that messages are kept in."""
    _start_dns(network)
    subprocess.run(network.inside("fw", ["nft", "-f", "-"]), input=_RULES, check=True, text=True, timeout=30)
    _start_program(network, "fw", "examples.lab.firewall_api", [FW, str(FIREWALL_PORT)])
    _start_program(network, "ops", "examples.common.mail", ["127.0.0.1", str(MAIL_PORT), str(mail)])


def add_dns_record(network: Network) -> None:
    """What the DNS team does: a signed dynamic update."""
    update = f"server {DNS}\nzone {ZONE}\nupdate add {NAME} 60 A {SERVER}\nsend\n"
    command = network.inside("ops", ["nsupdate", "-k", str(_dns_folder(network) / "team.key")])
    subprocess.run(command, input=update, check=True, text=True, timeout=30)


def add_firewall_rule(network: Network) -> None:
    """What the firewall team does: a rule that lets pings in, found by its comment."""
    match = ["ip", "daddr", "203.0.113.0/24", "icmp", "type", "echo-request"]
    network.call("fw", "nft", "add", "rule", "inet", "edge", "forward", *match, "accept", "comment", f'"{RULE}"')


def break_server(network: Network) -> None:
    """Take the server off its network: what is deployed after this cannot be verified."""
    network.call("server", "ip", "link", "set", "eth0", "down")


def _dns_folder(network: Network) -> Path:
    return network.run / "named"


def _start_dns(network: Network) -> None:
    folder = _dns_folder(network)
    folder.mkdir(mode=0o700)
    key = subprocess.run(["tsig-keygen", "team"], check=True, stdout=subprocess.PIPE, text=True, timeout=30).stdout
    (folder / "team.key").write_text(key, encoding="ascii")
    (folder / "zone").write_text(_ZONE.format(address=DNS), encoding="ascii")
    configuration = folder / "named.conf"
    configuration.write_text(_NAMED_CONF.format(folder=folder, address=DNS, zone=ZONE), encoding="ascii")
    # It goes into the background once it serves.
    subprocess.run(
        network.inside("dns", ["named", "-c", str(configuration), "-L", str(folder / "log")]), check=True, timeout=60
    )


def _start_program(network: Network, place: str, module: str, arguments: Sequence[str]) -> None:
    """Start one of our own programs in that place and wait for the line it prints when it serves."""
    process = subprocess.Popen(
        network.inside(place, [sys.executable, "-m", module, *arguments]),
        cwd=CHECKOUT, env=os.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    if process.stdout.readline().strip() != "ready":
        raise RuntimeError(f"{module} did not start in {network.namespace(place)}; it ended with {process.wait()}")
