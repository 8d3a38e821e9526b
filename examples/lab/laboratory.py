"""A lab that is up: network, routers, other teams' systems, and `changerail` inside of it. The lab and its tests work in one."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from examples.common.baseline import render_baseline
from examples.common.changerail import CHECKOUT, Changerail, environment
from examples.common.people import PEOPLE, Crew
from examples.common.stage import Stage
from examples.lab import requirements, routers, services
from examples.lab.topology import DNS, FW, Network

HOME = CHECKOUT / ".work" / "lab"
INVENTORY = Path(__file__).with_name("inventory.yml")


class LabIsBusy(Exception):
    """Another lab of this checkout is up."""


@dataclass(frozen=True)
class Lab:
    network: Network
    stage: Stage
    changerail: Changerail

    @property
    def run_id(self) -> str:
        return self.stage.home.name

    def run(self) -> int:
        """Run the change, with people and teams who do their part; give changerail's exit code."""
        work = {
            "change/neighbours-are-ready/firewall-rule": functools.partial(services.add_firewall_rule, self.network),
            "change/neighbours-are-ready/dns-record": functools.partial(services.add_dns_record, self.network),
        }
        with Crew(self.changerail, self.run_id, self.stage.keys, work, PEOPLE):
            return self.changerail.run(
                *("run", "change.yml", "-i", str(INVENTORY), "-e", f"@{self.stage.variables}", "--run-id", self.run_id)
            )

    def configurations(self) -> dict[str, str]:
        """What each router runs now."""
        return {router: routers.running_configuration(self.network, router) for router in self.network.plan.routers}


@contextlib.contextmanager
def laboratory(name: str) -> Iterator[Lab]:
    """Build a lab from nothing, with its files in ``.work/lab/<name>``, and take it down again, whatever happens.

    What an earlier lab left behind goes first. Raises LabIsBusy while another one of this checkout is up.
    """
    os.environ["PATH"] = requirements.search_path()
    network = Network.of_checkout(CHECKOUT)
    with alone():
        network.remove()
        stage = Stage.fresh(HOME / name)
        inside_ops = functools.partial(network.inside, "ops")
        try:
            settings = environment(stage.home, stage.project, network.run / "ansible")
            lab = Lab(network, stage, Changerail(settings, inside_ops))
            _build(lab)
            yield lab
        finally:
            network.remove()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the checkout's one lab. The lock goes with its holder, however that ends."""
    HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(HOME / "lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabIsBusy(f"another lab of this checkout is up; it holds {HOME / 'lock'}") from None
        yield


def _build(lab: Lab) -> None:
    network, stage = lab.network, lab.stage
    network.build()
    services.start(network, stage.mail)
    stage.write_project(f"127.0.0.1:{services.MAIL_PORT}", INVENTORY)
    stage.write_variables(
        {
            "lab_prefix": network.prefix,
            "lab_run": str(network.run),
            "firewall": f"http://{FW}:{services.FIREWALL_PORT}",
            "dns_server": DNS,
            "dns_port": 53,
        }
    )
    render_baseline(lab.changerail, stage, INVENTORY)
    routers.start(network, stage.baseline)
    network.route()
    routers.wait_until_established(network)
