"""What the lab needs of the machine, and how to get it; the lab and its tests ask before anything is built."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# What is looked for, and the Debian package that brings it.
_COMMANDS = {
    "vtysh": "frr",
    "/usr/lib/frr/frr-reload.py": "frr-pythontools",
    "/usr/lib/frr/bgpd": "frr",
    "ip": "iproute2",
    "nft": "nftables",
    "named": "bind9",
    "tsig-keygen": "bind9",
    "nsupdate": "bind9-dnsutils",
    "dig": "bind9-dnsutils",
    "ping": "iputils-ping",
    "sysctl": "procps",
    "ssh-keygen": "openssh-client",
}


def missing() -> str:
    """What is missing and what to do about it; "" when the lab can run."""
    if os.uname().sysname != "Linux":
        return f"The lab needs Linux for its network namespaces; this is {os.uname().sysname}. `make demo` runs here."
    absent = {name: package for name, package in _COMMANDS.items() if not _found(name)}
    lines = []
    if os.geteuid() != 0:
        lines.append("The lab must run as root, because it makes network namespaces: sudo make lab")
    if absent:
        lines.append(f"Not found: {', '.join(absent)}. On Debian or Ubuntu:")
        lines.append(f"  apt-get install {' '.join(sorted(set(absent.values())))}")
    return "\n".join(lines)


def search_path() -> str:
    """``PATH`` with the folders of programs for root, which a plain user's or a minimal environment may lack."""
    return os.pathsep.join(
        [*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    )


def _found(name: str) -> bool:
    return Path(name).exists() if "/" in name else shutil.which(name, path=search_path()) is not None
