"""The lab: the demo's change on real routers, twice; `make lab` runs it as root.

First everything goes well. Then, in a lab built anew, the server behind the new prefix is off its network, and the same workflow
runs again: verification fails, the routers are rolled back, the record says so and the person on call is told.
"""

from __future__ import annotations

import signal
import sys

from examples.common import report
from examples.common.intent import show_change
from examples.lab import requirements, routers, services
from examples.lab.laboratory import Lab, LabIsBusy, laboratory

PREFIX = "203.0.113.0/24"


def main() -> int:
    lacking = requirements.missing()
    if lacking:
        print(lacking, file=sys.stderr)
        return 1
    # A lab that is asked to end takes its network down.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        return _good() or _failing()
    except LabIsBusy as error:
        print(error, file=sys.stderr)
        return 1


def _good() -> int:
    """The change goes through; 0 when it did and the network says so."""
    report.heading("The lab: two FRR routers, bind9, nftables and a mail server in network namespaces")
    with laboratory("change") as lab:
        report.heading("The change, as it was committed")
        report.text(show_change(lab.stage.intent))
        report.heading("The run")
        code = lab.run()
        report.run(lab.changerail, lab.stage, lab.run_id)
        report.heading("What the peer's routing table says")
        report.text(routers.ask(lab.network, "fra1", f"show ip route {PREFIX}"))
        report.heading("A ping across")
        report.text(lab.network.call("host", "ping", "-n", "-c", "3", "-i", "0.2", "203.0.113.1"))
    return code


def _failing() -> int:
    """The change fails its verification; 0 when everything was undone."""
    report.heading("The same change, with the server off its network: it must fail and be rolled back")
    with laboratory("failing") as lab:
        before = lab.configurations()
        services.break_server(lab.network)
        code = lab.run()
        report.run(lab.changerail, lab.stage, lab.run_id)
        report.heading("The routers")
        return _undone(lab, before, code)


def _undone(lab: Lab, before: dict[str, str], code: int) -> int:
    """Print what the routers say after a rollback; 0 when the run failed (exit code 1) and nothing of it is left."""
    differing = [router for router, running in lab.configurations().items() if running != before[router]]
    routed = routers.has_route(lab.network, "fra1", PREFIX)
    report.text(f"run as before the change: {'all' if not differing else 'not ' + ', '.join(differing)}")
    report.text(f"route to {PREFIX} on fra1: {'still there' if routed else 'none'}")
    return 0 if code == 1 and not differing and not routed else 1


if __name__ == "__main__":
    sys.exit(main())
