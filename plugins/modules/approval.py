# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``approval``: the operation of that name for plain playbooks; Ansible runs it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: approval
short_description: Ask people for their approval, or wait for one that is given elsewhere
version_added: 0.1.0
description:
  - With O(from), follows the approval of a change record in ServiceNow, or of a merge request or a deployment in GitLab, until people have decided there.
  - Without it, asks the people and groups it names and waits for their answers. On the controller that is a small run of its own in E(CHANGERAIL_HOME),
    with a journal. People answer it with C(changerail answer) or on the pages of C(changerail serve). The deadline denies, it never approves.
  - With E(CHANGERAIL_SERVER) and E(CHANGERAIL_TOKEN) in the environment of the controller the run is one of that C(changerail serve), and nothing is kept here.
  - A rejection is a failure with RV(failure=rejected).
  - The same task works as a step of a workflow, without O(key), O(config), O(wait), O(timeout), O(handle) and the connections.
author:
  - changerail contributors (!UNKNOWN)
options:
  from:
    description:
      - A change record, as the registered result of M(netops.changerail.change_record), or a mapping with C(provider) and C(number).
        A record that is new is moved on by one state, which is how its system is asked to collect the approvals. That is so after a rejection, too,
        where the system takes the record back to new; O(handle) only looks.
      - A merge request, as a mapping with C(provider=gitlab), C(project), C(merge_request) and, to follow one head only, C(sha).
      - A deployment, as a mapping with C(provider=gitlab), C(project), C(environment) and C(pipeline).
    type: raw
    aliases: [record]
  deadline:
    description: When an approval that is still open counts as denied, as a duration such as V(4h) or a date and time. Mind O(timeout), too.
    type: raw
  key:
    description:
      - Without O(from), what the question is found by when the task is run again, such as the number of a ticket. A question that is open is gone on with.
        One that was approved is not asked again as long as O(subject) is the same; one that was denied is.
      - The same key with other people asked, or another number of them, is another question, and so two tasks of one change may have one key.
      - Without a key every task asks anew.
    type: str
  config:
    description: Without O(from), the project file, which names the people. Otherwise E(CHANGERAIL_CONFIG), C(changerail.yml) or C(~/.changerail.yml).
    type: path
  subject:
    description: What the answer is bound to, and is shown with the question. For something else people are asked anew.
    type: dict
    default: {}
extends_documentation_fragment:
  - netops.changerail.attributes
  - netops.changerail.waiting
  - netops.changerail.asking
  - netops.changerail.servicenow
  - netops.changerail.gitlab
  - netops.changerail.local
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - A record that was rejected and is new again is asked for once more. With O(handle) nothing is asked for.
      - People are asked once for the same O(key) and O(subject).
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
    details:
      - Without O(from) all is done on the controller, which needs the libraries of changerail.
requirements:
  - requests
seealso:
  - module: netops.changerail.review
  - module: netops.changerail.change_record
  - module: netops.changerail.change_record_info
"""

EXAMPLES = r"""
- name: Two of the security group say yes, before anything is deployed
  netops.changerail.approval:
    title: May 203.0.113.0/24 be reached from outside?
    groups: [netsec]
    quorum: 2
    deadline: 4h
    timeout: 5h
    key: "{{ ticket }}"
    subject:
      prefix: 203.0.113.0/24

- name: The board decides in ServiceNow
  netops.changerail.approval:
    from: "{{ change }}"
    timeout: 2d

- name: Two people have approved the merge request as it is now
  netops.changerail.approval:
    from:
      provider: gitlab
      project: net/edge
      merge_request: 7
      sha: "{{ head }}"
    deadline: 4h
    timeout: 5h

- name: Ask, and do something else in the meantime
  netops.changerail.approval:
    from: "{{ change }}"
    wait: false
  register: asked

- name: Look again every ten minutes
  netops.changerail.approval:
    from: "{{ change }}"
    wait: false
    handle: "{{ asked.handle }}"
  register: approval
  when: not asked.finished
  until: approval.finished
  retries: 288
  delay: 600
"""

RETURN = r"""
decision:
  description: V(approve), V(deny), or empty when it ended without a decision.
  returned: when it has ended
  type: str
  sample: approve
answers:
  description: The answers, each with C(person), C(choice), C(assurance), C(comment) and C(at). Empty with O(from).
  returned: when it has ended
  type: list
  elements: dict
  sample: []
approvals:
  description: Who was asked and what they said there, with C(gate), C(state), C(group), C(person), C(by), C(at) and C(comment).
  returned: when it has ended, with O(from)
  type: list
  elements: dict
  sample: [{id: a1, gate: authorize, state: approved, group: cab, person: "", by: CAB member, at: 1900000000.0, comment: fine}]
number:
  description: The record's number.
  returned: when O(from) is a change record
  type: str
  sample: CHG0030001
state:
  description: The record's state.
  returned: when O(from) is a change record
  type: str
  sample: scheduled
approval:
  description: Where the record's approval stands.
  returned: when O(from) is a change record
  type: str
  sample: approved
what:
  description: What people approve.
  returned: when O(from) is something else
  type: str
  sample: merge request net/edge!7
url:
  description: Where to look at it.
  returned: when O(from) is something else
  type: str
  sample: https://gitlab.example.net/net/edge/-/merge_requests/7
would_ask:
  description: What would be followed.
  returned: in check mode
  type: dict
  sample: {record: CHG0030001}
run:
  description: The run in which people are asked. C(changerail answer) answers it by this name.
  returned: without O(from)
  type: str
  sample: approval-net-4711
key:
  description: What marks the work.
  returned: with O(from)
  type: str
  sample: playbook/approval
finished:
  description: Whether it has ended. V(false) with O(wait=false) as long as it has not.
  returned: always
  type: bool
  sample: true
handle:
  description: By this a later task looks at the same work.
  returned: when it has not ended
  type: dict
  sample: {operation: approval, key: playbook/approval, at: {deadline: null, answers: []}}
waiting_for:
  description: What is waited for.
  returned: when it has not ended and O(wait=false)
  type: str
  sample: "waiting for cab in CHG0030001 (https://example.service-now.com/change_request.do)"
progress:
  description: Everything that was waited for, in order. C(-v) shows it.
  returned: with O(from)
  type: list
  elements: str
  sample: ["waiting for cab in CHG0030001 (https://example.service-now.com/change_request.do)"]
failure:
  description: The class of the failure, V(transient), V(failed), V(rejected), V(timeout), V(cancelled) or V(unknown).
  returned: on failure
  type: str
  sample: failed
"""

from ansible_collections.netops.changerail.plugins.module_utils import module as door
from ansible_collections.netops.changerail.plugins.module_utils.operations.approval import OPERATION

OWN_OPTIONS = {"config": {"type": "path"}}


def main() -> None:
    module = door.build(OPERATION, OWN_OPTIONS, door.KEY, door.WAITING, door.SERVICENOW, door.GITLAB, door.LOCAL)
    if module.params["from"] is None:
        module.fail_json(
            msg="approval: people are asked by the action on the controller; call netops.changerail.approval as a task, not this module alone",
            failure="failed",
        )
    door.perform(module, OPERATION, door.context(module, door.key_of(module, otherwise="playbook/approval")))


if __name__ == "__main__":
    main()
