"""The workflows of the crash test: every construct of the language, nearly all without a template, as evaluating one takes Ansible half a second to load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

THING = "example.world.thing: {url: URL"


@dataclass(frozen=True)
class Flow:
    """Steps in which ``THING`` makes a thing, ``ME`` is who answers and ``PLACE`` the run's own folder.

    ``answers`` are the arguments of ``changerail answer`` by step path, in order; the run is cancelled when the step ``cancelled_at`` waits.
    ``maybe`` are paths of steps which a timeout may cut off before they begin. ``files`` lie beside the workflow. ``share`` is how often it is chosen.
    """

    name: str
    steps: str
    answers: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    cancelled_at: str = ""
    maybe: frozenset[str] = frozenset()
    files: Mapping[str, str] = field(default_factory=dict)
    share: int = 4

    def written(self, url: str, me: str, place: str) -> dict[str, str]:
        """The files by name, ``change.yml`` among them."""
        texts = {"change.yml": f"name: {self.name}\nsteps:\n{self.steps}", **self.files}
        fillings = {"THING": THING, "URL": url, "ME": me, "PLACE": place}
        for word, filling in fillings.items():
            texts = {name: text.replace(word, filling) for name, text in texts.items()}
        return texts


FLOWS = (
    Flow(
        "parallel and loops",
        """
  - {id: one, THING}}
  - id: all
    throttle: 2
    parallel:
      - {id: a, THING}}
      - {id: b, block: [{id: b1, THING}}, {id: b2, THING}}]}
      - {id: c, THING, failure: failed}, ignore_errors: true}
  - {id: each, THING}, loop: [a, b, c]}
  - id: waves
    loop: [1, 2, 3]
    loop_control: {parallel: 2}
    block: [{id: inner, THING}}, {id: again, THING}}]
  - {id: paced, THING}, loop: [x, y], loop_control: {pause: 0.2}}
""",
    ),
    Flow(
        "rescue and always",
        """
  - id: b
    block:
      - {id: good, THING}}
      - {id: bad, THING, failure: failed}}
      - {id: never, THING}}
    rescue: [{id: undo, THING}}]
    always: [{id: close, THING}}]
  - id: c
    block: [{id: bad, THING, failure: rejected}}]
    rescue: [{id: worse, THING, failure: failed}}]
    always: [{id: close, THING}}]
""",
    ),
    Flow(
        "retries",
        """
  - {id: flaky, THING, failure: transient, times: 2}, retries: 3, delay: 0.1, backoff: 2}
  - {id: never, THING, failure: transient}, retries: 1, delay: 0.1, ignore_errors: true}
  - id: many
    loop: [1, 2, 3]
    loop_control: {parallel: 3}
    THING, failure: transient, times: 1}
    retries: 1
    delay: 0.1
""",
    ),
    Flow(
        "timeouts and fail fast",
        """
  - id: b
    block: [{id: slow, timeout: 1, THING, hold: true}}]
    rescue: [{id: undo, THING}}]
  - id: fast
    block:
      - id: all
        fail_fast: true
        parallel:
          - {id: slow, THING, hold: true}}
          - {id: bad, THING, after: fast/all/slow, failure: failed}}
    rescue: [{id: undo, THING}}]
  - id: c
    timeout: 1
    block: [{id: slow, THING, hold: true}}, {id: never, THING}}]
    rescue: [{id: undo, THING}}]
""",
        maybe=frozenset({"b/slow", "c/slow"}),
    ),
    Flow(
        "questions",
        """
  - id: both
    parallel:
      - {id: ask, approval: {people: [ME, other], quorum: 2, assurance: asserted, four_eyes: false}}
      - {id: meanwhile, THING}}
  - {id: deny, approval: {people: [ME], four_eyes: false}, ignore_errors: true}
  - {id: after, THING}}
""",
        answers={"both/ask": [["approve"], ["approve", "--as", "other"]], "deny": [["deny"]]},
        share=6,
    ),
    Flow(
        "interventions",
        """
  - {id: again, THING, failure: failed, times: 1}, escalate: [{after: 1h, to: [oncall]}]}
  - id: b
    block: [{id: back, THING, failure: failed}, escalate: [{after: 1h, to: [oncall]}]}]
    rescue: [{id: undo, THING}}]
  - {id: after, THING}}
""",
        answers={"again": [["retry"]], "b/back": [["rollback"]]},
    ),
    Flow(
        "cancel",
        """
  - id: b
    block:
      - {id: one, THING}}
      - {id: two, parallel: [{id: held, THING, hold: true}}, {id: asked, approval: {people: [ME], four_eyes: false}}]}
      - {id: never, THING}}
    rescue: [{id: undo, THING}}]
    always: [{id: close, THING}}, {id: told, THING}}]
""",
        cancelled_at="b/two/held",
    ),
    Flow(
        "pipelines and a record",
        """
  - {id: record, change_record: {short_description: Crash}}
  - id: both
    parallel:
      - {id: build, pipeline: {command: [sh, -c, 'echo "$CHANGERAIL_KEY" >> PLACE/marks']}}
      - {id: bad, pipeline: {command: [sh, -c, 'echo "$CHANGERAIL_KEY" >> PLACE/marks; exit 1']}, ignore_errors: true}
  - {id: after, THING}}
""",
        share=3,
    ),
    Flow(
        "templates",
        """
  - {id: one, THING, result: {n: 2}}, register: one}
  - {id: fact, ansible.builtin.set_fact: {twice: "{{ one.n * 2 }}"}}
  - {id: skipped, THING}, when: twice == 5}
  - {id: each, THING, result: {item: "{{ item }}"}}, loop: "{{ range(twice) | list }}", register: each}
  - {id: part, import_workflow: part.yml, vars: {number: "{{ each.results | length }}"}}
  - {id: until, THING}, register: seen, until: seen.attempts == 2, delay: 0.1}
""",
        files={
            "part.yml": """
name: a part
vars: {number: 0}
steps:
  - {id: sure, ansible.builtin.assert: {that: [number == 4]}}
  - {id: one, THING, result: {number: "{{ number }}"}}, register: made}
  - {id: judged, THING}, failed_when: made.number != 4}
"""
        },
        share=2,
    ),
    Flow(
        "playbooks",
        """
  - id: b
    block:
      - {id: deploy, import_playbook: deploy.yml}
      - {id: bad, import_playbook: bad.yml}
    rescue: [{id: undo, THING}}]
""",
        files={
            name: f"""
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.shell: echo "$CHANGERAIL_KEY" >> PLACE/marks{end}
"""
            for name, end in (("deploy.yml", ""), ("bad.yml", "; exit 1"))
        },
        share=1,
    ),
)
