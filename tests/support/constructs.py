"""A workflow for each construct of the language, and the people who take part in it; for tests that disturb a run and look what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.timers import Clock
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.answering import (
    break_glass_item,
    cancel_item,
    logged_in,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import put
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import OpenQuestion, open_questions
from support.runs import Bench

WORLD = "example.world.act: {world: '{{ world }}'"


@dataclass(frozen=True)
class Flow:
    """A construct: steps in which ``ACT`` stands for an outside effect, and the variable ``me`` for who answers.

    ``answers`` are given by step path, the last of them counts; the run is cancelled when the step ``cancelled_at`` waits.
    Two hours pass when a step of ``late`` waits, and a question there is answered after somebody was told. ``files`` lie beside the workflow.
    ``words`` are who says break-glass by step path; the answers there are then those to its review.
    """

    name: str
    steps: str
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cancelled_at: str = ""
    late: frozenset[str] = frozenset()
    files: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def counting(self) -> int:
        """How many answers and words count."""
        return len(self.answers) + sum(map(len, self.words.values()))

    @property
    def text(self) -> str:
        return f"name: {self.name}\nsteps:\n{self.steps}".replace("ACT", WORLD)


FLOWS = [
    Flow(
        "sequence",
        """
  - {id: one, ACT, result: {n: 2}}, register: one}
  - {id: fact, ansible.builtin.set_fact: {twice: "{{ one.n * 2 }}"}}
  - {id: skipped, ACT}, when: twice == 5}
  - {id: two, ACT, result: {twice: "{{ twice }}"}}, register: two}
  - {id: sure, ansible.builtin.assert: {that: [two.twice == 4]}}
""",
    ),
    Flow(
        "parallel",
        """
  - id: all
    throttle: 2
    parallel:
      - {id: a, ACT}}
      - {id: b, block: [{id: b1, ACT}}, {id: b2, ACT}}]}
      - {id: c, ACT, failure: failed}, ignore_errors: true}
  - {id: after, ACT}}
""",
    ),
    Flow(
        "loops",
        """
  - {id: each, ACT, result: {item: "{{ item }}"}}, loop: [a, b, c], register: each}
  - id: waves
    loop: "{{ each.results | map(attribute='item') }}"
    loop_control: {parallel: 2}
    block:
      - {id: inner, ACT}, register: inner}
      - {id: again, ACT}}
    register: waves
""",
    ),
    Flow(
        "rescue and always",
        """
  - id: b
    block:
      - {id: good, ACT}}
      - {id: bad, ACT, failure: failed}}
      - {id: never, ACT}}
    rescue:
      - {id: undo, ACT, result: {why: "{{ failed_step.path }}"}}, register: undo}
    always:
      - {id: close, ACT, result: {ok: "{{ ok }}"}}, register: close}
  - id: c
    block: [{id: bad, ACT, failure: failed}}]
    rescue: [{id: worse, ACT, failure: failed}}]
    always: [{id: close, ACT}}]
""",
    ),
    Flow(
        "retries",
        """
  - {id: flaky, ACT, failure: transient, times: 2}, retries: 3, delay: 0.01}
  - {id: until, ACT}, register: seen, until: seen.attempts == 2, delay: 0.01}
  - {id: judged, ACT}, failed_when: "'key' not in judged", register: judged}
""",
    ),
    Flow(
        "timeouts",
        """
  - id: b
    block: [{id: slow, timeout: 1h, ACT, until: never}}]
    rescue: [{id: undo, ACT, result: {why: "{{ failed_step.failure }}"}}, register: undo}]
  - id: c
    timeout: 1h
    block: [{id: slow, ACT, until: never}}, {id: never, ACT}}]
    rescue: [{id: undo, ACT}}]
""",
        late=frozenset({"b/slow", "c/slow"}),
    ),
    Flow(
        "fail fast",
        """
  - id: all
    fail_fast: true
    parallel:
      - {id: slow, ACT, until: never}}
      - {id: bad, block: [{id: wait, ACT, until: "start|{{ changerail.run }}|all|slow|1"}}, {id: bad, ACT, failure: failed}}]}
    rescue: [{id: undo, ACT}}]
""",
    ),
    Flow(
        "questions",
        """
  - id: both
    parallel:
      - {id: ask, approval: {people: ["{{ me }}"], four_eyes: false}, register: said}
      - {id: meanwhile, ACT}}
  - {id: deny, approval: {people: ["{{ me }}"], four_eyes: false}, ignore_errors: true}
  - {id: after, ACT, result: {by: "{{ said.answers[0].person }}"}}, register: after}
""",
        {"both/ask": ["approve"], "deny": ["perhaps", "deny"]},
    ),
    Flow(
        "break-glass",
        """
  - {id: ask, approval: {people: ["{{ me }}"], four_eyes: false}}
  - {id: after, ACT}}
""",
        {"ask": ["accepted"]},
        words={"ask": ["ann", "ben"]},
    ),
    Flow(
        "interventions",
        """
  - {id: again, ACT, failure: failed, times: 1}, escalate: [{after: 1h, to: [oncall]}]}
  - {id: skip, ACT, failure: failed}, escalate: [{after: 1h, to: [oncall]}]}
  - {id: after, ACT}}
""",
        {"again": ["retry"], "skip": ["skip"]},
        late=frozenset({"skip"}),
    ),
    Flow(
        "imported",
        """
  - {id: one, import_workflow: part.yml, vars: {site: ams}, register: part}
  - {id: two, import_workflow: part.yml}
""",
        files={
            "part.yml": """
name: a part
vars: {site: fra}
steps:
  - {id: act, example.world.act: {world: "{{ world }}", result: {site: "{{ site }}"}}, register: acted}
  - {id: check, ansible.builtin.assert: {that: [acted.site == site]}}
"""
        },
    ),
    Flow(
        "cancel",
        """
  - id: b
    block:
      - {id: one, ACT}}
      - {id: two, ACT, until: never}}
      - {id: never, ACT}}
    rescue: [{id: undo, ACT}}]
    always: [{id: close, ACT}}]
""",
        cancelled_at="b/two",
    ),
]


class Hurried(Clock):
    """The machine's clocks, put forward by ``hours``."""

    def __init__(self) -> None:
        self.hours = 0

    def now(self) -> float:  # type: ignore[override]
        return time.time() + 3600 * self.hours

    def monotonic(self) -> float:  # type: ignore[override]
        return time.monotonic() + 3600 * self.hours


class People:
    """Answer each question once, cancel once, and let time pass once for each late step, as the flow says; they do not die with the engine."""

    def __init__(self, flow: Flow, bench: Bench) -> None:
        self._flow = flow
        self._bench = bench
        self._answered: set[tuple[str, str]] = set()
        self._cancelled = False
        self._waited_for: set[str] = set()
        self.clock = Hurried()

    def look(self, folder: RunFolder) -> None:
        """Look at the run and do what is to be done."""
        events = self._bench.events(folder)
        for asked in open_questions(events):
            patient = asked.path in self._flow.late and not asked.told
            if (asked.path, asked.question.id) not in self._answered and not patient:
                self._answered.add((asked.path, asked.question.id))
                self._say(folder, asked)
        waiting = {event.path for event in events if isinstance(event, (e.StepWaiting, e.InterventionAsked))}
        if self._flow.cancelled_at in waiting and not self._cancelled:
            self._cancelled = True
            put(folder, cancel_item(folder.run, "", "no longer wanted", 1_000_000.0, False))
        for path in self._flow.late & waiting - self._waited_for:
            self._waited_for.add(path)
            self.clock.hours += 2

    def _say(self, folder: RunFolder, asked: OpenQuestion) -> None:
        path, question = asked.path, asked.question.id
        if path in self._flow.words and not asked.question.opened_by:
            for person in self._flow.words[path]:
                word = break_glass_item(folder.run, path, question, "the core is down", person, True, 1_000_000.0)
                put(folder, logged_in(word, ()))
            return
        for choice in self._flow.answers[path]:
            self._bench.answer(folder, choice, path, comment="looked at", question=question)

    def observer(self, folder: RunFolder) -> Callable[[Record], None]:
        """Have them look at what may concern them, as it is recorded."""

        def observe(record: Record) -> None:
            if isinstance(record.event, (e.StepWaiting, e.InterventionAsked, e.BreakGlassReviewAsked, e.Escalated)):
                self.look(folder)

        return observe
