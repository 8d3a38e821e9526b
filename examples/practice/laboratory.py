"""A lab of five edge routers around a core, where the practices of examples/practice run; `make practice` and the tests work in one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from examples.common import mail
from examples.common.baseline import render_baseline
from examples.common.changerail import CHECKOUT, Changerail, environment
from examples.common.people import PEOPLE, Crew
from examples.common.stage import Stage
from examples.lab import requirements, routers
from examples.lab.laboratory import HOME, alone
from examples.lab.topology import End, Network, Plan

PRACTICE = Path(__file__).resolve().parent
INVENTORY = PRACTICE / "inventory.yml"
EDGE = ("ams1", "ams2", "fra1", "lon1", "par1")
PLAN = Plan(
    routers=("core1", *EDGE),
    cables=tuple((End("core1", f"to-{router}"), End(router, "to-core1")) for router in EDGE),
)


@dataclass(frozen=True)
class Practice:
    """A lab that is up. ``stage`` has its files, ``changerail`` runs in it."""

    network: Network
    stage: Stage
    changerail: Changerail

    def run(self, workflow: str, *options: str, run: str, work: Mapping[str, Any] | None = None) -> int:
        """Run one of the workflows beside this file, with people who do their part; give changerail's exit code."""
        with Crew(self.changerail, run, self.stage.keys, work or {}, PEOPLE):
            return self.changerail.run(*self.command(workflow, *options, run=run))

    def command(self, workflow: str, *options: str, run: str) -> list[str]:
        """The arguments of `changerail` for such a run."""
        file = os.path.relpath(PRACTICE / workflow, self.changerail.folder)
        return ["run", file, "-i", str(INVENTORY), "-e", f"@{self.stage.variables}", "--run-id", run, *options]

    def configurations(self) -> dict[str, str]:
        """What each router runs now."""
        return {router: routers.running_configuration(self.network, router) for router in PLAN.routers}

    def next_hops(self, prefix: str) -> set[str]:
        """The routers through which the core's kernel reaches a prefix."""
        text = self.network.call("core1", "ip", "-4", "route", "show", prefix)
        return {router for router in EDGE if f"to-{router} " in text}

    def freeze(self, begins: datetime, ends: datetime) -> None:
        """Say that nothing may be changed in that time."""
        self.stage.write_calendar("freeze", "Freeze of the edge", begins, ends)


@contextlib.contextmanager
def practice(name: str) -> Iterator[Practice]:
    """Build the lab from nothing, with its files in ``.work/lab/<name>``, and take it down again, whatever happens.

    Raises LabIsBusy while another lab of this checkout is up.
    """
    os.environ["PATH"] = requirements.search_path()
    network = Network.of_checkout(CHECKOUT, PLAN)
    with alone():
        network.remove()
        stage = Stage.fresh(HOME / name)
        with (
            tempfile.TemporaryDirectory(prefix="changerail-") as scratch,
            mail.Server("127.0.0.1", 0, stage.mail) as post,
        ):
            try:
                changerail = Changerail(environment(stage.home, stage.project, Path(scratch)), folder=PRACTICE)
                built = Practice(network, stage, changerail)
                _build(built, post.port)
                yield built
            finally:
                network.remove()


def _build(lab: Practice, mail_port: int) -> None:
    now = datetime.now(UTC)
    lab.network.build()
    lab.stage.write_calendar(
        "window", "Change window of the edge", now - timedelta(minutes=1), now + timedelta(hours=2)
    )
    lab.stage.write_project(f"127.0.0.1:{mail_port}", INVENTORY)
    lab.stage.write_variables({"lab_prefix": lab.network.prefix, "lab_run": str(lab.network.run)})
    render_baseline(lab.changerail, lab.stage, INVENTORY, PRACTICE / "playbooks" / "render.yml")
    routers.start(lab.network, lab.stage.baseline)
    routers.wait_until_established(lab.network)
