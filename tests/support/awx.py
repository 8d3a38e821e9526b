"""Launches job templates as AWX does: survey, credentials, extra vars and environment, on a copy of the project that is gone when the job ends.

What it does is read from AWX's sources (24.6): ``SurveyJobTemplateMixin``, ``CredentialType.inject_credential``, ``UnifiedJob.awx_meta_vars``,
``RunJob.build_env`` and ``build_private_data_dir``. The job itself is the real ansible-runner's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "awx"
JOB_LIMIT = 180

INPUT_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "required": {"type": "array", "items": {"type": "string"}},
        "fields": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"enum": ["string", "boolean"]},
                    "format": {"enum": ["ssh_private_key", "url"]},
                    "choices": {"type": "array", "minItems": 1, "items": {"type": "string"}, "uniqueItems": True},
                    "id": {"type": "string", "pattern": "^[a-zA-Z_]+[a-zA-Z0-9_]*$"},
                    "label": {"type": "string"},
                    "help_text": {"type": "string"},
                    "multiline": {"type": "boolean"},
                    "secret": {"type": "boolean"},
                    "ask_at_runtime": {"type": "boolean"},
                    "default": {},
                },
                "additionalProperties": False,
                "required": ["id", "label"],
            },
        },
    },
}
INJECTOR_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "file": {
            "type": "object",
            "patternProperties": {r"^template(\.[a-zA-Z_]+[a-zA-Z0-9_]*)?$": {"type": "string"}},
            "additionalProperties": False,
        },
        "env": {
            "type": "object",
            "patternProperties": {"^[a-zA-Z_]+[a-zA-Z0-9_]*$": {"type": "string", "pattern": "^[\x00-\x7f]*$"}},
            "additionalProperties": False,
        },
        "extra_vars": {
            "type": "object",
            "patternProperties": {"^[a-zA-Z_]+[a-zA-Z0-9_]*$": {"type": "string"}},
            "additionalProperties": False,
        },
    },
}
NOT_ALLOWED = {
    *("VIRTUAL_ENV", "PATH", "PYTHONPATH", "JOB_ID", "INVENTORY_ID", "INVENTORY_SOURCE_ID", "INVENTORY_UPDATE_ID"),
    *("AD_HOC_COMMAND_ID", "REST_API_URL", "REST_API_TOKEN", "MAX_EVENT_RES", "CALLBACK_QUEUE", "CALLBACK_CONNECTION"),
    *("CACHE", "JOB_CALLBACK_DEBUG", "INVENTORY_HOSTVARS", "AWX_HOST", "PROJECT_REVISION", "SUPERVISOR_CONFIG_PATH"),
}
"""Environment variables that no credential may set; nor may it set one that begins with ANSIBLE_."""
INVENTORY = """#! /usr/bin/env python3
# -*- coding: utf-8 -*-
print(r\"\"\"{}\"\"\")
"""


@dataclass(frozen=True)
class Job:
    """``artifacts`` is what set_stats left for later nodes; ``output`` is all that Ansible printed."""

    id: int
    status: str
    artifacts: Mapping[str, Any]
    output: str


class Refused(Exception):
    """AWX would not launch it; the text is its answer."""


@dataclass
class Controller:
    """``volume`` is what every job sees; all else of a job is gone with it. ``hosts`` is the inventory. ``credentials`` are inputs by type."""

    volume: Path
    hosts: Mapping[str, Any]
    credentials: Mapping[str, Mapping[str, str]]
    project: Path = EXAMPLE / "project"
    environment: Mapping[str, str] = field(default_factory=dict)
    jobs: int = 0

    def launch(
        self,
        template: Mapping[str, Any],
        user: str | None,
        answers: Mapping[str, Any] | None = None,
        schedule: str | None = None,
        limit: str | None = None,
    ) -> Job:
        """Launch it and wait for its end. ``answers`` are what the survey, the prompt for variables or the node before gives."""
        given = accepted(template, answers or {})
        self.jobs += 1
        place = Path(tempfile.mkdtemp(prefix=f"awx_{self.jobs}_", dir=self.volume.parent))
        try:
            return self._run(template, place, {**given, **self._meta(template, user, schedule)}, limit)
        finally:
            shutil.rmtree(place)

    def _meta(self, template: Mapping[str, Any], user: str | None, schedule: str | None) -> dict[str, Any]:
        facts = {
            "job_id": self.jobs,
            "job_launch_type": "scheduled" if schedule else "manual",
            "job_template_id": 7,
            "job_template_name": template["name"],
            "project_revision": "0" * 40,
            "inventory_id": 1,
            "inventory_name": "Edge",
        }
        if user:
            facts.update(user_id=3, user_name=user, user_email="", user_first_name="", user_last_name="")
        elif schedule:
            facts.update(schedule_id=5, schedule_name=schedule)
        return {f"{prefix}_{name}": value for prefix in ("awx", "tower") for name, value in facts.items()}

    def _run(self, template: Mapping[str, Any], place: Path, variables: Mapping[str, Any], limit: str | None) -> Job:
        shutil.copytree(self.project, place / "project")
        (place / "inventory").mkdir()
        hosts = place / "inventory" / "hosts"
        hosts.write_text(INVENTORY.format(json.dumps(self.hosts)), encoding="utf-8")
        hosts.chmod(0o700)
        (place / "env").mkdir(mode=0o700)
        (place / "env" / "extravars").write_text(
            _safe_dump(variables, template.get("extra_vars") or {}), encoding="utf-8"
        )
        command = [str(Path(sys.executable).with_name("ansible-runner")), "run", str(place), "-p", template["playbook"]]
        command += ["--limit", limit] if limit else []
        done = subprocess.run(
            command,
            env={**os.environ, **self._environment(place), **self.environment},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=JOB_LIMIT,
            check=False,
        )
        (artifacts,) = (place / "artifacts").iterdir()
        status = (artifacts / "status").read_text()
        return Job(self.jobs, status, _artifacts(artifacts / "job_events"), done.stdout + done.stderr)

    def _environment(self, place: Path) -> dict[str, str]:
        environment = {
            "JOB_ID": str(self.jobs),
            "INVENTORY_ID": "1",
            "PROJECT_REVISION": "0" * 40,
            "AWX_HOST": "https://awx.example.net",
            "AWX_PRIVATE_DATA_DIR": str(place),
            "MAX_EVENT_RES": "700000",
            "ANSIBLE_FORCE_COLOR": "True",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
        }
        for name, inputs in self.credentials.items():
            environment |= injected(credential_type(name), inputs, place / "env")
        return environment


def templates() -> dict[str, Mapping[str, Any]]:
    """The job templates of the example, by name."""
    return {one["name"]: one for one in yaml.safe_load((EXAMPLE / "job_templates.yml").read_text(encoding="utf-8"))}


def credential_type(name: str) -> dict[str, Any]:
    """A credential type of the example, by the stem of its file."""
    document: dict[str, Any] = yaml.safe_load(
        (EXAMPLE / "credential_types" / f"{name}.yml").read_text(encoding="utf-8")
    )
    return document


def injected(kind: Mapping[str, Any], inputs: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment that a credential brings; its files are written into ``folder``."""
    names: dict[str, Any] = {
        entry["id"]: inputs.get(entry["id"], entry.get("default", "")) for entry in kind["inputs"]["fields"]
    }
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    files = {}
    for name, text in kind["injectors"].get("file", {}).items():
        path = folder / f"file-{name}"
        path.write_text(environment.from_string(text).render(names), encoding="utf-8")
        path.chmod(0o600)
        files[name.partition(".")[2]] = str(path)
    names["tower"] = {"filename": files}
    return {
        name: environment.from_string(text).render(names) for name, text in kind["injectors"].get("env", {}).items()
    }


def accepted(template: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """The extra vars of a launch: the template's, then the survey's defaults, then the answers. Raises Refused."""
    questions = template["survey_spec"]["spec"] if template.get("survey_enabled") else []
    # A person sees the defaults in the form and sends them with what they fill in.
    form = {question["variable"]: question["default"] for question in questions if question.get("default") is not None}
    filled = {**form, **answers}
    problems = [problem for question in questions for problem in problems_with(question, filled)]
    asked = {question["variable"] for question in questions}
    if not template.get("ask_variables_on_launch"):
        problems += [f"Variables {name} are not allowed on launch." for name in sorted(set(answers) - asked)]
    if problems:
        raise Refused("; ".join(problems))
    return {**(template.get("extra_vars") or {}), **filled}


def problems_with(question: Mapping[str, Any], answers: Mapping[str, Any]) -> Sequence[str]:
    """What AWX says against an answer to one question of a survey."""
    name = question["variable"]
    if name not in answers:
        return [f"'{name}' value missing"] if question["required"] else []
    answer, kind = answers[name], question["type"]
    if kind in ("text", "textarea", "password"):
        if not isinstance(answer, str):
            return [f"Value {answer} for '{name}' expected to be a string."]
        if len(answer) < int(question.get("min") or 0):
            return [f"'{name}' value {answer} is too small"]
        if question.get("max") and len(answer) > int(question["max"]):
            return [f"'{name}' value {answer} is too large"]
    elif kind == "integer" and (not isinstance(answer, int) or isinstance(answer, bool)):
        return [f"Value {answer} for '{name}' expected to be an integer."]
    elif kind == "multiplechoice" and answer not in question["choices"]:
        return [f"Value {answer} for '{name}' expected to be one of {question['choices']}."]
    return []


def _safe_dump(variables: Mapping[str, Any], of_template: Mapping[str, Any]) -> str:
    """As AWX's ``safe_dump``: what the template itself says may be Jinja, all other text is marked ``!unsafe``."""

    class Dumper(yaml.SafeDumper):
        pass

    class Unsafe(str):
        pass

    Dumper.add_representer(Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))

    def marked(value: Any) -> Any:
        if isinstance(value, str):
            return Unsafe(value)
        if isinstance(value, Mapping):
            return {key: marked(inner) for key, inner in value.items()}
        return [marked(inner) for inner in value] if isinstance(value, list) else value

    safe = {
        name: value if name in of_template and of_template[name] == value else marked(value)
        for name, value in variables.items()
    }
    return yaml.dump(safe, Dumper=Dumper, allow_unicode=True)


def _artifacts(events: Path) -> Mapping[str, Any]:
    for path in events.glob("*.json"):
        event = json.loads(path.read_text(encoding="utf-8"))
        if event["event"] == "playbook_on_stats":
            found: Mapping[str, Any] = event["event_data"].get("artifact_data") or {}
            return found
    return {}


def plain(output: str) -> str:
    """Output without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", output)
