"""Network practice on five real edge routers around a core: each workflow of this folder runs once; `make practice` runs it as root.

It ends with 0 when each ended as it says here.
"""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime, timedelta

from examples.common import report
from examples.lab import requirements
from examples.lab.laboratory import LabIsBusy
from examples.practice.laboratory import EDGE, Practice, practice

SITES = {"ams": "198.51.100.0/26", "fra": "198.51.100.64/26", "lon": "198.51.100.128/26", "par": "198.51.100.192/26"}


def main() -> int:
    lacking = requirements.missing()
    if lacking:
        print(lacking, file=sys.stderr)
        return 1
    # A lab that is asked to end takes its network down.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        with practice("practice") as lab:
            return _all(lab)
    except LabIsBusy as error:
        print(error, file=sys.stderr)
        return 1


def _all(lab: Practice) -> int:
    ended = [
        _frozen(lab),
        _one(lab, "Maintenance of one router of a site: drained meanwhile", "maintenance.yml", "-e", "router=ams1"),
        _one(
            lab,
            "A new policy everywhere: canary, then waves. One router has a mistyped prefix list: its site is taken back, within the failure budget",
            *("waves.yml", "-e", '{"mistyped": ["fra1"]}'),
        ),
        _one(lab, "The site that was left, with a rollback timer on the device", "confirmed.yml", "-e", "target=fra"),
        _one(
            lab,
            "An emergency: break-glass with a reason and a second person, and the board's review afterwards",
            *("emergency.yml", "-e", '{"break_glass": true, "reason": "Routes of Paris leak to the internet"}'),
        ),
    ]
    report.heading("Through whom the core reaches each site now")
    report.text(
        "\n".join(f"{site}  {prefix:<18} {', '.join(sorted(lab.next_hops(prefix)))}" for site, prefix in SITES.items())
    )
    report.text(f"\n{len(EDGE)} edge routers; {sum(ended)} of {len(ended)} workflows ended as they should")
    return 0 if all(ended) else 1


def _one(lab: Practice, title: str, workflow: str, *options: str) -> bool:
    report.heading(title)
    return lab.run(workflow, *options, run=workflow.removesuffix(".yml")) == 0


def _frozen(lab: Practice) -> bool:
    """In a freeze nothing is touched: the run fails at its first step."""
    report.heading("A freeze: nothing may be changed")
    now = datetime.now(UTC)
    lab.freeze(now - timedelta(hours=1), now + timedelta(hours=1))
    try:
        return lab.run("waves.yml", run="frozen") == 1
    finally:
        lab.freeze(now + timedelta(days=7), now + timedelta(days=8))


if __name__ == "__main__":
    sys.exit(main())
