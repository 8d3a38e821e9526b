# Reads `.gitlab-ci.yml`: inputs, includes, extends, rules; gives the jobs a pipeline would have. Pure but for the reading of includes.
from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from ansible_collections.netops.changerail.tests.twins.gitlab.expressions import BadExpression, expand, holds

DEFAULT_STAGES = ("build", "test", "deploy")
_GLOBAL = (
    "stages",
    "variables",
    "workflow",
    "default",
    "include",
    "spec",
    "image",
    "services",
    "cache",
    "before_script",
    "after_script",
)
_INHERITED = (
    "before_script",
    "after_script",
    "artifacts",
    "timeout",
    "retry",
    "tags",
    "image",
    "services",
    "cache",
    "interruptible",
)
_JOB_KEYS = (
    "script", "run", "stage", "variables", "rules", "when", "allow_failure", "needs", "dependencies", "artifacts", "environment", "trigger",
    "extends", "resource_group", "start_in", "only", "except", "coverage", "release", "parallel", "inherit", "id_tokens", "secrets", "identity",
    *_INHERITED,
)  # fmt: skip
_INPUT = re.compile(r"\$\[\[\s*inputs\.([\w-]+)\s*(?:\|[^\]]*)?\]\]")


class ConfigError(Exception):
    """The file, or what was given to it, cannot make a pipeline; the text is GitLab's own as far as known."""


@dataclass(frozen=True)
class JobSpec:
    """A job that will be in the pipeline: rules are already applied."""

    name: str
    stage: str
    script: Sequence[str] = ()
    after_script: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    when: str = "on_success"
    allow_failure: bool = False
    needs: Sequence[str] | None = None
    artifact_paths: Sequence[str] = ()
    artifacts_when: str = "on_success"
    environment: str = ""
    trigger: Mapping[str, Any] | None = None
    timeout: float = 3600
    start_in: float = 0


@dataclass(frozen=True)
class Config:
    name: str | None
    stages: Sequence[str]
    variables: Mapping[str, str]
    jobs: Sequence[JobSpec]


Reader = Callable[[str], "str | None"]


def read(text: str, given: Mapping[str, Any], variables: Mapping[str, str], reader: Reader) -> Config:
    """The pipeline that ``text`` makes with these inputs and variables (predefined and given); ``reader`` reads other files of the commit."""
    document = _include(_load(text, given), reader)
    unknown = [name for name, body in document.items() if name not in _GLOBAL and not isinstance(body, dict)]
    if unknown:
        raise ConfigError(f"jobs config should contain at least one visible job, {unknown[0]} is not a job")
    own = {name: str(_value(value)) for name, value in (document.get("variables") or {}).items()}
    everything = {**own, **variables}
    everything = {
        name: expand(value, everything) if name in own and name not in variables else value
        for name, value in everything.items()
    }
    _check_workflow(document.get("workflow") or {}, everything)
    stages = (".pre", *(document.get("stages") or DEFAULT_STAGES), ".post")
    jobs = [job for job in (_job(name, document, stages, everything) for name in _job_names(document)) if job]
    if not jobs:
        raise ConfigError(
            "Pipeline will not run for the selected trigger. The rules configuration prevented any jobs from being added to the pipeline."
        )
    _check_needs(jobs, _job_names(document))
    name = (document.get("workflow") or {}).get("name")
    return Config(name, stages, everything, jobs)


def _load(text: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The file with its inputs put in."""
    try:
        documents = [part for part in yaml.safe_load_all(text) if part is not None]
    except yaml.YAMLError as error:
        raise ConfigError(f"Invalid configuration format: {error}") from None
    if not documents or not all(isinstance(part, dict) for part in documents):
        raise ConfigError("Invalid configuration format")
    declared = (documents[0].get("spec") or {}).get("inputs") or {} if len(documents) > 1 else {}
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise ConfigError(
            f"Given inputs not defined in the `spec` section of the included configuration file: {', '.join(unknown)}"
        )
    values = {name: _input(name, rule or {}, given) for name, rule in declared.items()}
    return _with_inputs(documents[-1], values)


def _input(name: str, rule: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """One input's value, checked against its declaration."""
    if name not in given and "default" not in rule:
        raise ConfigError(f"`{name}` input: required value has not been provided")
    value = given.get(name, rule.get("default"))
    kinds: dict[str, tuple[type, ...]] = {
        "string": (str,),
        "number": (int, float),
        "boolean": (bool,),
        "array": (list,),
    }
    kind = rule.get("type", "string")
    if not isinstance(value, kinds[kind]) or (kind == "number" and isinstance(value, bool)):
        raise ConfigError(f"`{name}` input: provided value is not a {kind}")
    if "options" in rule and value not in rule["options"]:
        raise ConfigError(
            f"`{name}` input: `{value}` cannot be used because it is not in the list of the allowed options"
        )
    if "regex" in rule and not re.search(str(rule["regex"]).strip("/"), str(value)):
        raise ConfigError(f"`{name}` input: provided value does not match required RegEx pattern")
    return value


def _with_inputs(node: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(node, dict):
        return {_with_inputs(name, values): _with_inputs(value, values) for name, value in node.items()}
    if isinstance(node, list):
        return [_with_inputs(value, values) for value in node]
    if not isinstance(node, str):
        return node
    whole = _INPUT.fullmatch(node.strip())
    if whole and whole[1] in values:
        return values[whole[1]]

    def put(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise ConfigError(f"unknown input name provided: `{found[1]}`")
        value = values[found[1]]
        return str(value).lower() if isinstance(value, bool) else str(value)

    return _INPUT.sub(put, node)


def _include(document: dict[str, Any], reader: Reader) -> dict[str, Any]:
    """Local includes merged below the document."""
    entries = document.get("include") or []
    merged: dict[str, Any] = {}
    for entry in entries if isinstance(entries, list) else [entries]:
        path = entry if isinstance(entry, str) else entry.get("local")
        text = reader(path) if path else None
        if text is None:
            raise ConfigError(f"Local file `{path}` does not exist!")
        inputs = entry.get("inputs", {}) if isinstance(entry, dict) else {}
        merged = _merge(merged, _include(_load(text, inputs), reader))
    return _merge(merged, document)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merge(merged[name], value) if both else value
    return merged


def _job_names(document: Mapping[str, Any]) -> list[str]:
    return [name for name in document if name not in _GLOBAL and not name.startswith(".")]


def _resolved(name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """A job with what it extends and the defaults."""
    body = document.get(name)
    if not isinstance(body, dict):
        raise ConfigError(f"{name}: unknown keys in `extends`")
    parents = body.get("extends") or []
    merged: dict[str, Any] = {}
    for parent in [parents] if isinstance(parents, str) else parents:
        merged = _merge(merged, _resolved(parent, document))
    return _merge(merged, body)


def _job(name: str, document: Mapping[str, Any], stages: Sequence[str], variables: Mapping[str, str]) -> JobSpec | None:
    """The job as it enters the pipeline, or None when its rules keep it out."""
    body = _resolved(name, document)
    unknown = [key for key in body if key not in _JOB_KEYS]
    if unknown:
        raise ConfigError(f"jobs:{name} config contains unknown keys: {', '.join(unknown)}")
    if "script" not in body and "trigger" not in body:
        raise ConfigError(f"jobs:{name} config should implement the script:, run:, or trigger: keyword")
    default = {**{key: document[key] for key in _INHERITED if key in document}, **(document.get("default") or {})}
    body = {**{key: default[key] for key in _INHERITED if key in default}, **body}
    stage = body.get("stage", "test")
    if stage not in stages:
        raise ConfigError(f"{name} job: chosen stage {stage} does not exist; available stages are {', '.join(stages)}")
    own = {key: str(_value(value)) for key, value in (body.get("variables") or {}).items()}
    rule = _rule(body, {**variables, **own}, name)
    if rule is None:
        return None
    when = rule.get("when", body.get("when", "on_success"))
    # A manual job blocks only when it says so, or when a rule made it manual.
    optional = when == "manual" and "rules" not in body
    allow_failure = rule.get("allow_failure", body.get("allow_failure", optional))
    artifacts = body.get("artifacts") or {}
    return JobSpec(
        name,
        stage,
        [*_lines(body.get("before_script")), *_lines(body.get("script"))],
        _lines(body.get("after_script")),
        {**own, **{key: str(value) for key, value in (rule.get("variables") or {}).items()}},
        when,
        bool(allow_failure),
        _needs(body),
        tuple(artifacts.get("paths") or ()),
        artifacts.get("when", "on_success"),
        _environment(body.get("environment")),
        _trigger(body.get("trigger")),
        _seconds(body.get("timeout", "1h")),
        _seconds(rule.get("start_in", body.get("start_in", "0s"))),
    )


def _rule(body: Mapping[str, Any], variables: Mapping[str, str], name: str) -> Mapping[str, Any] | None:
    """The first rule that fits; an empty one for a job without rules; None when the job stays out."""
    if "rules" not in body:
        return {}
    for rule in body["rules"]:
        if _fits(rule, variables, f"jobs:{name}:rules"):
            return None if rule.get("when") == "never" else rule
    return None


def _fits(rule: Mapping[str, Any], variables: Mapping[str, str], place: str) -> bool:
    try:
        return "if" not in rule or holds(str(rule["if"]), variables)
    except BadExpression as error:
        raise ConfigError(f"{place}:rule if {error}") from None


def _check_workflow(workflow: Mapping[str, Any], variables: Mapping[str, str]) -> None:
    rules = workflow.get("rules")
    if rules is None:
        return
    chosen = next((rule for rule in rules if _fits(rule, variables, "workflow:rules")), None)
    if chosen is None or chosen.get("when") == "never":
        raise ConfigError("Pipeline filtered out by workflow rules.")


def _check_needs(jobs: Sequence[JobSpec], all_names: Sequence[str]) -> None:
    present = {job.name for job in jobs}
    for job in jobs:
        for needed in job.needs or ():
            if needed not in all_names:
                raise ConfigError(f"{job.name} job: undefined need: {needed}")
            if needed not in present:
                raise ConfigError(
                    f"'{job.name}' job needs '{needed}' job, but '{needed}' does not exist in the pipeline."
                )


def _needs(body: Mapping[str, Any]) -> tuple[str, ...] | None:
    if "needs" not in body:
        return None
    return tuple(
        need if isinstance(need, str) else need["job"]
        for need in body["needs"]
        if isinstance(need, str) or "job" in need
    )


def _lines(value: Any) -> list[str]:
    """Script lines; nested lists are flattened as GitLab does."""
    if value is None:
        return []
    if isinstance(value, list):
        return [line for part in value for line in _lines(part)]
    return [str(value)]


def _environment(value: Any) -> str:
    return str(value.get("name", "")) if isinstance(value, dict) else str(value or "")


def _trigger(value: Any) -> Mapping[str, Any] | None:
    """``{"project", "branch"}`` or ``{"include"}``, with ``strategy``."""
    if value is None:
        return None
    return {"project": value} if isinstance(value, str) else dict(value)


def _value(value: Any) -> Any:
    return value.get("value", "") if isinstance(value, dict) else value


def _seconds(text: Any) -> float:
    """``1h 30m``, ``90 seconds``, ``10``: as seconds."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    found = re.findall(r"([\d.]+)\s*([a-z]*)", str(text).lower())
    return sum(float(number) * units.get(unit[:1] or "s", 1) for number, unit in found)
