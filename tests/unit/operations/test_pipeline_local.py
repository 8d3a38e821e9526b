# pipeline with the provider local: inputs, artifacts, logs, adoption, crashes of the engine and the supervisor, cancel.
from __future__ import annotations

import contextlib
import inspect
import json
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.calls import call, eventually, finished

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.local.pipelines import LocalPipelines
from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Done, Failed, Outcome, Waiting
from ansible_collections.netops.changerail.plugins.module_utils.operations.pipeline import OPERATION


def made(folder: Path, args: Mapping[str, Any], **context: Any) -> Call:
    return call(OPERATION, folder, args, environment=dict(os.environ), **context)


def run(folder: Path, args: Mapping[str, Any], **context: Any) -> Outcome:
    one = made(folder, args, **context)
    return finished(OPERATION, one, OPERATION.start(one))


def shell(text: str) -> list[str]:
    return ["sh", "-c", textwrap.dedent(text)]


def test_inputs_reach_the_command_and_artifacts_come_back(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    script = """
        mkdir -p out/deep && echo "$CHANGERAIL_INPUT_PREFIX $CHANGERAIL_INPUT_SITE_COUNT $CHANGERAIL_REF $MODE" > out/edge.diff
        cp "$CHANGERAIL_INPUTS" out/deep/inputs.json
        echo rendered; echo "$CHANGERAIL_KEY" > out/key
    """
    args = {
        "command": shell(script),
        "chdir": "repo",
        "ref": "main",
        "inputs": {"prefix": "203.0.113.0/24", "site-count": 3},
        "variables": {"MODE": "check"},
        "artifacts": ["out/edge.diff", "out/**/*.json", "out/key"],
    }
    outcome = run(tmp_path, args, path="validate")
    assert isinstance(outcome, Done), outcome
    assert outcome.changed
    files = {name: Path(file["path"]).read_text() for name, file in outcome.result["artifacts"].items()}
    assert files["out/edge.diff"] == "203.0.113.0/24 3 main check\n"
    assert json.loads(files["out/deep/inputs.json"]) == {"prefix": "203.0.113.0/24", "site-count": 3}
    assert files["out/key"] == "r1/validate/1\n"
    assert Path(outcome.result["logs"]["log.txt"]["path"]).read_text() == "rendered\n"
    assert outcome.result["status"] == "success"
    assert outcome.result["jobs"] == [{"name": "command", "status": "success", "url": ""}]


def test_artifacts_are_copies_that_later_pipelines_do_not_change(tmp_path: Path) -> None:
    args = {"command": shell('echo "$CHANGERAIL_KEY" > out.txt'), "artifacts": ["out.txt"]}
    outcomes = [run(tmp_path, args, path=path) for path in ("one", "two")]
    texts = [
        Path(outcome.result["artifacts"]["out.txt"]["path"]).read_text()
        for outcome in outcomes
        if isinstance(outcome, Done)
    ]
    assert texts == ["r1/one/1\n", "r1/two/1\n"]


def test_a_project_of_the_project_file_names_the_command(tmp_path: Path) -> None:
    validate = {
        "command": "sh -c 'echo $MODE $MORE > made.txt'",
        "chdir": str(tmp_path),
        "variables": {"MODE": "a", "MORE": "b"},
        "artifacts": ["made.txt"],
    }
    local = {"pipelines": {"validate": validate}}
    outcome = run(tmp_path, {"project": "validate", "variables": {"MORE": "c"}}, connections={"local": local})
    assert isinstance(outcome, Done), outcome
    assert Path(outcome.result["artifacts"]["made.txt"]["path"]).read_text() == "a c\n"
    with pytest.raises(OperationError, match=r"project 'valdate': neither a command .* that has: validate"):
        run(tmp_path, {"project": "valdate"}, connections={"local": local})


def test_a_failure_shows_the_end_of_the_log(tmp_path: Path) -> None:
    outcome = run(tmp_path, {"command": shell("for n in $(seq 50); do echo line $n; done; echo broken >&2; exit 3")})
    assert isinstance(outcome, Failed)
    assert outcome.failure == "failed"
    assert "exit code 3" in outcome.message
    assert outcome.message.endswith("line 50\nbroken")
    assert "line 10\n" not in outcome.message
    assert outcome.result["logs"]["log.txt"]["size"] > 0


def test_a_command_that_does_not_exist_is_a_failure(tmp_path: Path) -> None:
    outcome = run(tmp_path, {"command": "no-such-command --now"})
    assert isinstance(outcome, Failed)
    assert "cannot be started" in outcome.message
    assert "no-such-command" in outcome.message


def test_success_without_a_named_artifact_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match=r"succeeded without making its artifact edge\.diff"):
        run(tmp_path, {"command": "true", "artifacts": ["edge.diff", "*.log"]})


def test_artifacts_never_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    (tmp_path / "repo").mkdir()
    with pytest.raises(OperationError, match=r"artifact out\.txt lies outside"):
        run(tmp_path, {"command": shell("ln -s ../secret out.txt"), "chdir": "repo", "artifacts": ["out.txt"]})
    for pattern in ("../secret", "/etc/passwd", "a/../../secret"):
        with pytest.raises(OperationError, match="leads out of the pipeline's folder"):
            run(tmp_path, {"command": "true", "artifacts": [pattern]})
    assert not [path for path in tmp_path.rglob("artifacts/*") if path.is_file()]


def test_start_again_adopts_the_pipeline(tmp_path: Path) -> None:
    args = {"command": shell("echo once >> count; while [ ! -e go ]; do sleep 0.05; done")}
    first = made(tmp_path, args)
    assert isinstance(OPERATION.start(first), Waiting)
    eventually((tmp_path / "count").exists)
    outcome = OPERATION.start(made(tmp_path, args))
    assert isinstance(outcome, Waiting)
    (tmp_path / "go").touch()
    assert isinstance(finished(OPERATION, first, outcome), Done)
    assert isinstance(OPERATION.start(first), Done)
    assert (tmp_path / "count").read_text() == "once\n"


def test_another_attempt_is_another_pipeline(tmp_path: Path) -> None:
    args = {"command": shell("echo once >> count")}
    run(tmp_path, args, attempt=1)
    run(tmp_path, args, attempt=2)
    assert (tmp_path / "count").read_text() == "once\nonce\n"


ENGINE = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_pipeline_local import made, OPERATION
OPERATION.start(made(Path(sys.argv[1]), {{"command": sys.argv[2:]}}))
print("started", flush=True)
sys.stdin.read()
"""


def test_a_killed_engine_neither_stops_nor_repeats_it(tmp_path: Path) -> None:
    command = shell("echo begin >> count; while [ ! -e go ]; do sleep 0.05; done; echo end >> count")
    command[2] = f"cd {shlex.quote(str(tmp_path))}; {command[2]}"
    here = Path(__file__).parent
    program = ENGINE.format(tests=str(here)).replace(
        "sys.path.insert", f"sys.path.insert(0, {str(here.parent.parent)!r}); sys.path.insert"
    )
    engine = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert engine.stdout is not None and engine.stdout.readline() == b"started\n"
    eventually((tmp_path / "count").exists)
    os.killpg(engine.pid, signal.SIGKILL)
    engine.communicate()
    again = made(tmp_path, {"command": command})
    outcome = OPERATION.start(again)
    assert isinstance(outcome, Waiting)
    (tmp_path / "go").touch()
    assert isinstance(finished(OPERATION, again, outcome), Done)
    assert (tmp_path / "count").read_text() == "begin\nend\n"


def supervisor_of(one: Call) -> int:
    path = one.context.folder / "pipeline" / "started.json"
    return int(json.loads(eventually(lambda: path.exists() and path.read_text()))["supervisor"])


def living(one: Call) -> list[str]:
    """The processes of the command's group that have not ended."""
    group = json.loads((one.context.folder / "pipeline" / "process.json").read_text())["group"]
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(path.parent.name)
    return found


def test_a_killed_supervisor_leaves_the_command_and_an_unknown_outcome(tmp_path: Path) -> None:
    one = made(tmp_path, {"command": shell("touch begun; while [ ! -e go ]; do sleep 0.05; done; touch end")})
    outcome = OPERATION.start(one)
    eventually((tmp_path / "begun").exists)
    os.kill(supervisor_of(one), signal.SIGKILL)
    assert isinstance(outcome, Waiting)
    handle = outcome.handle
    outcome = eventually(
        lambda: (
            (seen := OPERATION.poll(one, handle)) and "supervisor was killed" in getattr(seen, "message", "") and seen
        )
    )
    assert isinstance(outcome, Waiting)
    (tmp_path / "go").touch()
    outcome = finished(OPERATION, one, outcome)
    assert isinstance(outcome, Failed)
    assert outcome.failure == "unknown"
    assert (tmp_path / "end").exists()
    again = OPERATION.start(one)
    assert isinstance(again, Failed) and again.failure == "unknown"


def test_cancel_ends_the_whole_group(tmp_path: Path) -> None:
    one = made(tmp_path, {"command": shell("sleep 300 & trap 'touch asked; exit 0' TERM; touch begun; wait")})
    outcome = OPERATION.start(one)
    eventually((tmp_path / "begun").exists)
    assert isinstance(outcome, Waiting)
    cancelled = OPERATION.cancel(one, outcome.handle)
    assert isinstance(cancelled, Failed)
    assert (cancelled.failure, cancelled.result["status"]) == ("cancelled", "canceled")
    assert (tmp_path / "asked").exists()
    eventually(lambda: not living(one))


@pytest.mark.parametrize("supervised", ["supervised", "orphaned"])
def test_cancel_kills_what_does_not_listen(tmp_path: Path, supervised: str) -> None:
    one = made(
        tmp_path,
        {"command": shell("trap '' TERM; touch begun; while true; do sleep 0.1; done")},
        connections={"local": {"grace": 1}},
    )
    outcome = OPERATION.start(one)
    eventually((tmp_path / "begun").exists)
    assert isinstance(outcome, Waiting)
    if supervised == "orphaned":
        os.kill(supervisor_of(one), signal.SIGKILL)
        eventually(lambda: "supervisor was killed" in LocalPipelines(one.context).look("x").message)
    cancelled = OPERATION.cancel(one, outcome.handle)
    assert isinstance(cancelled, Failed)
    assert cancelled.failure == {"supervised": "cancelled", "orphaned": "unknown"}[supervised]
    eventually(lambda: not living(one))


def test_a_command_whose_supervisor_is_killed_at_its_start_can_be_ended(tmp_path: Path) -> None:
    """What knows the command is there before it begins: here the command kills its supervisor with its first step."""
    script = """
        kill -KILL $PPID
        trap '' TERM
        cp "$(dirname "$CHANGERAIL_INPUTS")/process.json" known.json
        echo $$ > pid; touch begun
        while true; do sleep 0.1; done
    """
    one = made(tmp_path, {"command": shell(script)}, connections={"local": {"grace": 1}})
    outcome = OPERATION.start(one)
    assert isinstance(outcome, Waiting)
    eventually((tmp_path / "begun").exists)
    assert json.loads((tmp_path / "known.json").read_text())["group"] == int((tmp_path / "pid").read_text())
    assert living(one)
    cancelled = OPERATION.cancel(one, outcome.handle)
    assert isinstance(cancelled, Failed) and cancelled.failure == "unknown"
    eventually(lambda: not living(one))


def test_a_supervisor_killed_while_it_should_cancel_leaves_no_command(tmp_path: Path) -> None:
    script = "trap '' TERM; touch begun; while true; do sleep 0.1; done"
    one = made(tmp_path, {"command": shell(script)}, connections={"local": {"grace": 1}})
    outcome = OPERATION.start(one)
    assert isinstance(outcome, Waiting)
    eventually((tmp_path / "begun").exists)
    supervisor = supervisor_of(one)
    # One that is stopped hears of no cancel, and holds its lock until it is killed.
    os.kill(supervisor, signal.SIGSTOP)
    killing = threading.Timer(0.3, os.kill, (supervisor, signal.SIGKILL))
    killing.start()
    cancelled = OPERATION.cancel(one, outcome.handle)
    killing.join()
    assert isinstance(cancelled, Failed) and cancelled.failure == "unknown"
    eventually(lambda: not living(one))


def test_cancel_after_the_end_gives_the_end(tmp_path: Path) -> None:
    one = made(tmp_path, {"command": "true"})
    waiting = OPERATION.start(one)
    finished(OPERATION, one, waiting)
    assert isinstance(OPERATION.cancel(one, {"provider": "local", "id": "x", "looks": 0}), Done)


def test_secrets_stay_out_of_files_that_are_kept(tmp_path: Path) -> None:
    outcome = run(tmp_path, {"command": "true", "inputs": {"password": "s3cret-1"}, "variables": {"TOKEN": "s3cret-2"}})
    assert "s3cret" not in json.dumps(outcome.result)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or "s3cret" not in path.read_text(errors="replace"), path
        assert path.stat().st_mode & 0o077 == 0 or "pipeline" not in path.parts


def test_check_mode_starts_nothing(tmp_path: Path) -> None:
    outcome = OPERATION.start(made(tmp_path, {"command": "touch ran"}, check=True))
    assert isinstance(outcome, Done) and outcome.changed
    assert not (tmp_path / "ran").exists()
    assert not list(tmp_path.rglob("started.json"))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"command": "true", "chdir": "nowhere"}, "nowhere is no folder"),
        ({"command": []}, "expected a command with its arguments"),
        ({"command": "echo 'open"}, "cannot be split into words"),
        ({"command": "true", "inputs": {"a-b": 1, "a_b": 2}}, "would both be CHANGERAIL_INPUT_A_B"),
        ({"command": "true", "inputs": {"a": "nul\0"}}, "cannot be started: embedded null byte"),
        ({"command": "true", "inputs": {"a": "x" * 200000}}, "cannot be started"),
    ],
)
def test_bad_values_are_named(tmp_path: Path, args: dict[str, Any], message: str) -> None:
    with pytest.raises(OperationError) as error:
        run(tmp_path, args)
    assert message in str(error.value)


MODULE = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from ansible_collections.netops.changerail.plugins.module_utils import operation
from ansible_collections.netops.changerail.plugins.module_utils.operations.pipeline import OPERATION
assert sys.argv[1] in operation.__file__
folder = Path(sys.argv[2])
args = {name: spec.get("default") for name, spec in OPERATION.options.items()}
args["command"] = ["sh", "-c", "while [ ! -e go ]; do sleep 0.02; done; touch ran"]
context = operation.Context("r/s/1", "r", "s", 1, folder, base=folder, environment=dict(os.environ))
print(type(OPERATION.start(operation.Call(args, context))).__name__)
"""


def test_it_runs_on_when_the_archive_it_was_started_from_is_gone(tmp_path: Path) -> None:
    """Ansible packs a module and what it imports into an archive, and removes it when the module ends."""
    plugins = Path(inspect.getfile(OPERATION.__class__)).resolve().parents[1].parent
    archive = tmp_path / "module.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        folders = {"ansible_collections", "ansible_collections/netops"}
        for path in (plugins / "module_utils").rglob("*.py"):
            name = Path("ansible_collections/netops/changerail/plugins", path.relative_to(plugins))
            folders |= {str(folder) for folder in name.parents if len(folder.parts) > 2}
            if path.name != "__init__.py":
                packed.write(path, str(name))
        for folder in folders:
            packed.writestr(f"{folder}/__init__.py", "")
    program = tmp_path / "module.py"
    program.write_text(MODULE)
    started = subprocess.run(
        [sys.executable, "-S", "-I", str(program), str(archive), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert started.stdout == "Waiting\n", started.stderr
    archive.unlink()
    (tmp_path / "go").touch()
    eventually((tmp_path / "pipeline" / "outcome.json").exists)
    assert (tmp_path / "ran").exists()
