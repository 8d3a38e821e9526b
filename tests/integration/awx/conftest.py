# The example of examples/awx with a volume of its own, and routers that are files; pytest loads it.
from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.awx import EXAMPLE, Controller

from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import login

SITES = {"fra": ["fra1"], "ams": ["ams1"]}


def inventory(routers: Path) -> dict[str, Any]:
    """As AWX writes it. Its routers are files, reached on this machine."""
    hosts = [host for site in SITES.values() for host in site]
    return {
        **{site: {"hosts": names} for site, names in SITES.items()},
        "all": {"hosts": hosts, "vars": {"ansible_connection": "local", "routers": str(routers)}},
        "_meta": {"hostvars": {host: {"ansible_python_interpreter": sys.executable} for host in hosts}},
    }


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    volume, routers = tmp_path / "volume", tmp_path / "routers"
    volume.mkdir(mode=0o700)
    routers.mkdir()
    for names in SITES.values():
        for name in names:
            (routers / f"{name}.conf").write_text("network 198.51.100.0/24\n")
    project = yaml.safe_load((EXAMPLE / "changerail.yml").read_text(encoding="utf-8"))
    project["connections"]["local"]["records"] = str(volume / "records")
    project["trusted_os_users"] = [login(os.getuid())]
    (volume / "changerail.yml").write_text(yaml.safe_dump(project), encoding="utf-8")
    return Controller(
        volume,
        inventory(routers),
        {"changerail": {"home": str(volume), "config": str(volume / "changerail.yml")}},
    )
