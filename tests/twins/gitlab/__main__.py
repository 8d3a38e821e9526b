# Runs the GitLab twin: `python -m …tests.twins.gitlab --port 0 --state FOLDER --project net/edge=REPOSITORY`; its first line is its address.
from __future__ import annotations

import argparse
import json
from pathlib import Path

from ansible_collections.netops.changerail.tests.twins.gitlab.access import SELF
from ansible_collections.netops.changerail.tests.twins.gitlab.server import Server
from ansible_collections.netops.changerail.tests.twins.gitlab.settings import Settings
from ansible_collections.netops.changerail.tests.twins.kit.server import serve, tls_context


def _project(text: str) -> tuple[str, Path]:
    path, dummy, repository = text.partition("=")
    if "/" not in path or not Path(repository).is_dir():
        raise argparse.ArgumentTypeError(f"{text}: expected group/name=FOLDER of a Git repository")
    return path, Path(repository)


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for GitLab, on loopback. Its jobs run for real, as you.")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument(
        "--state", type=Path, required=True, help="folder for job logs and artifacts; what else it knows ends with it"
    )
    parser.add_argument("--settings", default="{}", help="fields of settings.py, as JSON")
    parser.add_argument(
        "--project", type=_project, action="append", default=[], help="group/name=FOLDER of a Git repository"
    )
    parser.add_argument("--tls", action="store_true", help="serve HTTPS; ca.pem is put into the state folder")
    options = parser.parse_args()
    options.state.mkdir(parents=True, exist_ok=True)
    server = Server(Settings(**json.loads(options.settings)), options.state, dict(options.project))
    tls = tls_context(options.state, SELF.username) if options.tls else None
    serve(server.app, options.port, tls, server.pipelines.stop)


main()
