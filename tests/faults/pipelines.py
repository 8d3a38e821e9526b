"""Single steps against GitLab, each checked in GitLab itself: pipelines of every turn, approvals of merge requests and deployments. For the fault test."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed, Waiting
from ansible_collections.netops.changerail.plugins.module_utils.operations.approval import OPERATION as APPROVAL
from ansible_collections.netops.changerail.plugins.module_utils.operations.pipeline import OPERATION as PIPELINE
from faults.steps import DOUBLED, FALSE_SUCCESS, HANG, LOST, Steps, Wrong, failed, must, succeeded
from faults.systems import PROJECT, Member, Systems, step_of

REVIEWER = "glpat-reviewer"
MOST_ATTEMPTS = 50


class Deployment:
    """One run that does one thing in GitLab."""

    def __init__(self, steps: Steps, gitlab: Systems, number: int, chance: random.Random) -> None:
        self._steps, self._number, self._chance = steps, number, chance
        self._member, self._reviewer = Member(gitlab.gitlab), Member(gitlab.gitlab, REVIEWER)

    @property
    def calls(self) -> int:
        return self._steps.calls

    def live(self) -> None:
        """Do it. Raises Wrong."""
        kinds: Mapping[Callable[[], None], int] = {
            self._plain: 4, self._broken: 2, self._bridged: 1, self._gated: 2, self._cancelled: 1, self._guarded: 2,
            self._merge_request: 3,
        }  # fmt: skip
        self._chance.choices(list(kinds), list(kinds.values()))[0]()

    def _plain(self) -> None:
        self._check_done(self._do("plain"))
        if self._chance.random() < 0.5:
            # An engine that was killed starts the attempt again.
            self._check_done(self._do("plain"))

    def _bridged(self) -> None:
        self._check_done(self._do("bridged"))

    def _gated(self) -> None:
        self._check_done(self._do("gated", play=["deploy"]))

    def _broken(self) -> None:
        outcome = self._do("broken")
        told = failed(outcome, "failed", "device says no", self._steps.run)
        self._check_end(told.result, "failed")

    def _cancelled(self) -> None:
        """The answer to the order to stop may be lost, and it is given again until one comes."""
        outcome = self._steps.do(PIPELINE, "pipeline", self._args("slow"), cancelled=True)
        must(isinstance(outcome, Failed), FALSE_SUCCESS, f"{self._steps.run}: cancelled, and {outcome}")
        # None when the order came before anything was started.
        at_work = [seen["status"] for seen in self._own() if seen["status"] not in ("canceled", "canceling")]
        must(not at_work, FALSE_SUCCESS, f"{self._steps.run}: cancelled, and still {at_work}")

    def _guarded(self) -> None:
        """A deployment that somebody must approve in GitLab."""
        pipeline = self._started("guarded")
        decision, kind = self._chance.choice((("approved", Done), ("rejected", Failed)))

        def decide() -> None:
            mine = {entry["id"] for entry in self._own()}
            for entry in self._reviewer.get("deployments", environment="production", status="blocked"):
                if entry["deployable"]["pipeline"]["id"] in mine:
                    self._reviewer.post(f"deployments/{entry['id']}/approval", {"status": decision, "comment": "seen"})

        reference = {"provider": "gitlab", "project": PROJECT, "environment": "production", "pipeline": pipeline}
        decided = self._steps.do(APPROVAL, "approval", {"from": reference}, between=decide)
        must(isinstance(decided, kind), FALSE_SUCCESS, f"{self._steps.run}: {decision}, and {decided}")
        rows = decided.result["approvals"]
        must([row["comment"] for row in rows] == ["seen"], LOST, f"{self._steps.run}: the approval's comment: {rows}")

    def _started(self, mode: str) -> str:
        """The id of a pipeline that was started and is not waited for."""
        for attempt in range(1, MOST_ATTEMPTS):
            made = self._steps.made(PIPELINE, "pipeline", self._args(mode), attempt)
            outcome = self._steps.bounded("pipeline", partial(PIPELINE.start, made))
            while isinstance(outcome, Waiting) and not outcome.handle["id"]:
                outcome = self._steps.bounded("pipeline", partial(PIPELINE.poll, made, outcome.handle))
            if isinstance(outcome, Waiting):
                return str(outcome.handle["id"])
            failed(outcome, "transient", "", self._steps.run)
        raise Wrong(HANG, f"{self._steps.run}: not started in {MOST_ATTEMPTS} attempts")

    def _merge_request(self) -> None:
        wanted = {"source_branch": "proposal", "target_branch": "main", "title": f"Filter {self._number}"}
        request = self._member.post("merge_requests", wanted)
        reference = {"provider": "gitlab", "project": PROJECT, "merge_request": request["iid"], "sha": request["sha"]}
        approve = [lambda: self._reviewer.post(f"merge_requests/{request['iid']}/approve", {})]
        outcome = self._steps.do(
            APPROVAL, "approval", {"from": reference}, between=lambda: approve.pop()() if approve else None
        )
        rows = succeeded(outcome, self._steps.run)["approvals"]
        must([row["by"] for row in rows] == ["reviewer"], FALSE_SUCCESS, f"{self._steps.run}: approved by {rows}")

    # Means.

    def _args(self, mode: str) -> dict[str, Any]:
        inputs = {"mode": mode, "attempt": self._steps.run, "prefix": self._prefix}
        return {"provider": "gitlab", "project": PROJECT, "ref": "main", "inputs": inputs, "artifacts": ["edge.diff"]}

    @property
    def _prefix(self) -> str:
        return f"10.{self._number // 256 % 256}.{self._number % 256}.0/24"

    def _do(self, mode: str, **more: Any) -> Any:
        return self._steps.do(PIPELINE, "pipeline", {**self._args(mode), **more})

    def _own(self) -> list[Mapping[str, Any]]:
        """Its pipelines, without those that a doubled request made and that were cancelled: the oldest."""
        found = [entry for entry in self._member.all("pipelines") if step_of(entry) == self._steps.run]
        return sorted(found, key=lambda entry: entry["id"])[:1]

    def _check_done(self, outcome: Any) -> None:
        result = succeeded(outcome, self._steps.run)
        self._check_end(result, "success")

    def _check_end(self, result: Mapping[str, Any], status: str) -> None:
        """The pipeline ended like this in GitLab, it is the oldest of its step, and what it made has come whole."""
        number = str(result["id"]).rpartition("/")[2]
        seen = self._member.get(f"pipelines/{number}")
        must(seen["status"] == status, FALSE_SUCCESS, f"{self._steps.run}: {seen['status']} instead of {status}")
        must([str(entry["id"]) for entry in self._own()] == [number], DOUBLED, f"{self._steps.run}: not the first")
        artifact = Path(result["artifacts"]["edge.diff"]["path"]).read_text(encoding="utf-8")
        must(artifact == f"+ prefix {self._prefix}\n", LOST, f"{self._steps.run}: the artifact has {artifact!r}")
        must(bool(result["logs"]), LOST, f"{self._steps.run}: no log")
