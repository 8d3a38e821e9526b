# Runs the ServiceNow twin: `python -m …tests.twins.servicenow --port 0 --state FOLDER`; its first line of output is its address.
from __future__ import annotations

import argparse
import json
from pathlib import Path

from ansible_collections.netops.changerail.tests.twins.kit.server import keep, kept, serve, tls_context
from ansible_collections.netops.changerail.tests.twins.servicenow.instance import Instance
from ansible_collections.netops.changerail.tests.twins.servicenow.people import INTEGRATION
from ansible_collections.netops.changerail.tests.twins.servicenow.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for a ServiceNow instance, on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument(
        "--state", type=Path, required=True, help="folder for the records, kept from one start to the next"
    )
    parser.add_argument("--settings", default="{}", help="fields of settings.py, as JSON")
    parser.add_argument(
        "--tls", action="store_true", help="serve HTTPS; ca.pem and a client certificate are put into the state folder"
    )
    options = parser.parse_args()
    options.state.mkdir(parents=True, exist_ok=True)
    records = options.state / "instance.json"
    instance = Instance(Settings(**json.loads(options.settings)), kept(records))
    tls = tls_context(options.state, INTEGRATION) if options.tls else None
    serve(instance.app, options.port, tls, lambda: keep(records, instance.as_dict()))


main()
