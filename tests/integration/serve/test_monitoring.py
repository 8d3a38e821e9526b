"""The metrics as the real Prometheus takes them, the rules as promtool judges them, and every query of rules and dashboard asked for real."""

from __future__ import annotations

import getpass
import json
import re
import shutil
import socket
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.calls import eventually
from support.runs import Bench
from support.serving import PATIENCE, Serving, fetch

MONITORING = Path(__file__).resolve().parents[3] / "examples" / "serve" / "monitoring"
needs_prometheus = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="Debian's prometheus is not installed (.ci/run installs it)"
)
FLOW = f"""
name: a change
steps:
  - {{id: one, example.world.act: {{world: "{{{{ world }}}}"}}}}
  - {{id: ask, approval: {{people: [{getpass.getuser()}], four_eyes: false}}}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    bench = Bench(tmp_path_factory.mktemp("monitored"))
    for number in range(3):
        bench.create(FLOW, run=f"run-{number}")
    with Serving(bench.state.path, ["--log-format", "json"]) as serving:
        serving.wait_until_ready()
        eventually(lambda: 'changerail_runs{state="waiting"} 3.0' in serving.get("/metrics")[1], PATIENCE)
        yield serving


def test_health_and_readiness(server: Serving) -> None:
    assert server.get("/healthz") == (200, '{"status":"ok","problem":""}')
    assert server.get("/readyz") == (200, '{"status":"ready","problem":""}')


def test_the_log_is_json_with_run_and_step(server: Serving) -> None:
    lines = [json.loads(line) for line in server.log.splitlines()]
    started = [line for line in lines if line.get("event") == "step_started"]
    assert {(line["run"], line["step"]) for line in started} == {
        (f"run-{number}", step) for number in range(3) for step in ("one", "ask")
    }


def test_metrics_are_for_the_addresses_that_may_read_them(server: Serving) -> None:
    assert server.get("/metrics")[0] == 200
    # Somebody put a proxy there and told nobody: who asks is not known.
    assert server.get("/metrics", {"X-Forwarded-For": "127.0.0.1"})[0] == 403


@needs_prometheus
def test_the_metrics_are_well_formed(server: Serving) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=server.get("/metrics")[1].encode(), capture_output=True, check=False
    )
    said = checked.stdout.decode() + checked.stderr.decode()
    assert [line for line in said.splitlines() if line.startswith("changerail")] == []
    assert checked.returncode in (0, 3), said


@needs_prometheus
@pytest.mark.parametrize(
    "command",
    [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"], ["check", "config", "prometheus.yml"]],
    ids=" ".join,
)
def test_the_rules_hold(command: list[str]) -> None:
    checked = subprocess.run(["promtool", *command], cwd=MONITORING, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_prometheus
def test_every_rule_is_tried_or_named_here() -> None:
    rules = {rule["alert"] for rule in _rules()}
    tried = {case["alertname"] for test in _yaml("alerts.test.yml")["tests"] for case in test["alert_rule_test"]}
    # Their expressions are asked of the real Prometheus below; that they fire follows from arithmetic.
    plain = {
        "ChangerailRestarts",
        "ChangerailRunsInTrouble",
        "ChangerailWorkersBusy",
        "ChangerailAnswersLate",
        "ChangerailDiskSlow",
        "ChangerailFilesNearLimit",
    }
    assert rules == tried | plain


@needs_prometheus
def test_the_real_prometheus_scrapes_it_and_answers_every_query(server: Serving, tmp_path: Path) -> None:
    target = server.url.removeprefix("http://")
    config = _yaml("prometheus.yml")
    config["rule_files"] = [str(MONITORING / "alerts.yml")]
    config["scrape_configs"][0] |= {"scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = _free_port()
    with open(tmp_path / "log", "wb") as log:
        prometheus = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={tmp_path}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"

        def ask(query: str) -> dict[str, Any]:
            try:
                answer = fetch(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}")[1]
            except OSError:
                return {}
            found: dict[str, Any] = json.loads(answer) if answer.startswith("{") else {}
            return found

        def value(query: str) -> str:
            result = ask(query).get("data", {}).get("result", [])
            return result[0]["value"][1] if result else ""

        eventually(lambda: value('up{job="changerail"}') == "1", PATIENCE)
        eventually(lambda: value('changerail_runs{state="waiting"}') == "3", PATIENCE)
        for query in _queries():
            assert ask(query)["status"] == "success", query
        there = set(json.loads(fetch(f"{url}/api/v1/label/__name__/values")[1])["data"])
        named = set(re.findall(r"\b(?:changerail|process)_[a-z_]+", " ".join(_queries())))
        # A counter with labels is there from its first count on.
        later = {"changerail_runs_ended_total", "changerail_step_retries_total"}
        assert named - there <= later, named - there - later
    finally:
        prometheus.terminate()
        prometheus.wait(30)


def _queries() -> list[str]:
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    filled = [query.replace("$__rate_interval", "5m").replace("$instance", ".*") for query in asked]
    return filled + [rule["expr"] for rule in _rules()]


def _rules() -> list[dict[str, Any]]:
    return [rule for group in _yaml("alerts.yml")["groups"] for rule in group["rules"]]


def _yaml(name: str) -> Any:
    return yaml.safe_load((MONITORING / name).read_text())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
