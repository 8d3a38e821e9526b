# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action ``review``, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: review
short_description: Show a diff to people and go on when they approve exactly this one
version_added: 0.1.0
description:
  - Shows files, a diff as a rule, to the people and groups it names, and waits for their answers. An answer is bound to the SHA-256 of the files. When one of
    them changes while it is under review, the answers are void and people are asked again.
  - On the controller that is a small run of its own in E(CHANGERAIL_HOME), with a journal and copies of the files. People see and answer it with
    C(changerail show) and C(changerail answer), or on the pages of C(changerail serve). The deadline denies, it never approves.
  - With E(CHANGERAIL_SERVER) and E(CHANGERAIL_TOKEN) in the environment of the controller the run is one of that C(changerail serve), and nothing is kept here.
    The files are sent there with their digests, at most 900 kB compressed.
  - The same task works as a step of a workflow, without O(key), O(config), O(wait), O(timeout) and O(handle).
author:
  - changerail contributors (!UNKNOWN)
options:
  artifact:
    description:
      - The file, as a path on the controller, or as an artifact, such as one of RV(netops.changerail.pipeline#module:artifacts), a mapping with
        C(path), and when it is known C(name) and C(sha256).
      - A relative path begins where C(ansible-playbook) was called.
    type: raw
  artifacts:
    description: In place of O(artifact), several files, as a list, or as a mapping of artifacts by name. Their names must differ.
    type: raw
  empty:
    description: What files without any content mean, V(ask) asks all the same, V(approve) approves at once, V(fail) fails.
    type: str
    choices: [ask, approve, fail]
    default: ask
  key:
    description:
      - What the review is found by when the task is run again, such as the number of a ticket. A question that is open is gone on with. Files that
        were approved are not asked for again as long as they are the same; files that were denied, or have changed, are.
      - The same key with other people asked, or another number of them, is another question, and so two tasks of one change may have one key.
      - Without a key every task asks anew.
    type: str
  config:
    description: The project file, which names the people. Otherwise E(CHANGERAIL_CONFIG), C(changerail.yml) or C(~/.changerail.yml).
    type: path
  deadline:
    description: When a review that is still open counts as denied, as a duration such as V(4h) or a date and time. Mind O(timeout), too.
    type: raw
extends_documentation_fragment:
  - netops.changerail.attributes
  - netops.changerail.waiting
  - netops.changerail.asking
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The files are shown.
  idempotent:
    support: partial
    details:
      - With O(key). The same files are not asked for again.
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
requirements:
  - on the controller, the libraries of changerail
seealso:
  - module: netops.changerail.approval
  - module: netops.changerail.pipeline
"""

EXAMPLES = r"""
- name: Somebody has seen this very diff
  netops.changerail.review:
    artifact: build/edge.diff
    groups: [netops]
    deadline: 4h
    timeout: 5h
    key: "{{ ticket }}"
  register: reviewed

- name: Ask, and do something else in the meantime
  netops.changerail.review:
    artifacts: "{{ validation.artifacts }}"
    people: [anna]
    wait: false
  register: asked

- name: Look again
  netops.changerail.review:
    artifacts: "{{ validation.artifacts }}"
    handle: "{{ asked.handle }}"
  when: not asked.finished
"""

RETURN = r"""
decision:
  description: V(approve) or V(deny).
  returned: when it has ended
  type: str
  sample: approve
answers:
  description: The answers, each with C(person), C(choice), C(assurance), C(comment) and C(at).
  returned: when it has ended
  type: list
  elements: dict
  sample: [{person: anna, choice: approve, assurance: os_user, comment: as discussed, at: 1900000000.0}]
artifacts:
  description: The files as they were approved, by name, each with C(name), C(path), C(sha256) and C(size). They are copies that are kept with the run.
  returned: when it was approved
  type: dict
  sample:
    edge.diff:
      name: edge.diff
      path: /var/lib/changerail/runs/review-net-4711/steps/question/attempt-1/reviewed/9f86d081884c7d65-edge.diff
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      size: 412
run:
  description: The run in which people are asked. C(changerail answer) answers it by this name.
  returned: except in check mode
  type: str
  sample: review-net-4711
would_ask:
  description: Whom it would ask, and the SHA-256 of each file.
  returned: in check mode
  type: dict
  sample: {groups: [netops], people: [], quorum: 1, title: null, subject: {edge.diff: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}}
diff:
  description: The files.
  returned: in diff mode
  type: list
  elements: dict
  sample: [{prepared: "edge.diff\n+ network 203.0.113.0/24\n"}]
finished:
  description: Whether it has ended. V(false) with O(wait=false) as long as it has not.
  returned: except in check mode
  type: bool
  sample: true
handle:
  description: By this a later task looks at the same question.
  returned: when it has not ended
  type: dict
  sample: {operation: review, key: review-net-4711, at: {run: review-net-4711}}
waiting_for:
  description: What is waited for.
  returned: when it has not ended
  type: str
  sample: "Review of edge.diff: question"
failure:
  description: The class of the failure, V(failed), V(rejected), V(timeout) or V(cancelled).
  returned: on failure
  type: str
  sample: rejected
"""
