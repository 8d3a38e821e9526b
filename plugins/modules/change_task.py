# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``change_task``: the operation of that name for plain playbooks; Ansible runs it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: change_task
short_description: Open a task of a change record, follow it or close it
version_added: 0.1.0
description:
  - Gives somebody a task of a change record, once, and waits for its end when told to, or closes it.
  - The same task works as a step of a workflow, without O(key), O(wait), O(timeout), O(handle) and the connection.
author:
  - changerail contributors (!UNKNOWN)
options:
  provider:
    description: The record system, V(servicenow). When it is not given, that of the registered result in O(record) or O(task).
    type: str
  record:
    description: The change record that gets the task, as its number or the registered result of M(netops.changerail.change_record). Needs O(short_description).
    type: raw
  task:
    description: An existing task, as its number or the registered result of a task of this module.
    type: raw
  key:
    description:
      - What marks the task that is opened, so that the same playbook task run again finds it and does not open a second one.
      - Needed with O(record). Choose something that is the same in every run for the same task and different for another one.
    type: str
  short_description:
    description: The task in one line.
    type: str
  description:
    description: The task at length.
    type: str
  type:
    description: Kind of task.
    type: str
    choices: [planning, implementation, testing, review]
  assignment_group:
    description: Name of the group the task is assigned to.
    type: str
  assigned_to:
    description: The person the task is assigned to.
    type: str
  start_date:
    description: Planned start, such as V(2030-01-31 22:00:00) (UTC) or V(2030-01-31T22:00+01:00).
    type: str
  end_date:
    description: Planned end, written as O(start_date).
    type: str
  state:
    description: The state the task shall be in. V(closed) needs O(close_code) and O(close_notes).
    type: str
    choices: [open, in_progress, closed, canceled]
  close_code:
    description: How the task ended.
    type: str
    choices: [successful, successful_issues, unsuccessful]
  close_notes:
    description: What is to be said about the end.
    type: str
  wait_for:
    description: V(closed) waits until somebody has closed the task. That it was cancelled or closed as unsuccessful is a failure.
    type: str
    choices: [closed]
extends_documentation_fragment:
  - netops.changerail.attributes
  - netops.changerail.waiting
  - netops.changerail.servicenow
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Opening needs O(key), by which the task is found again.
requirements:
  - requests
seealso:
  - module: netops.changerail.change_record
  - module: servicenow.itsm.change_request_task
"""

EXAMPLES = r"""
- name: Have the customer called
  netops.changerail.change_task:
    record: "{{ change }}"
    key: "net-{{ ticket }}-call"
    short_description: Call the customer
    type: implementation
    assignment_group: netsec
    wait: false
  register: call

- name: Go on when that is done
  netops.changerail.change_task:
    task: "{{ call }}"
    wait_for: closed
    timeout: 8h

- name: Close our own task
  netops.changerail.change_task:
    provider: servicenow
    task: CTASK0010007
    state: closed
    close_code: successful
    close_notes: Deployed by the pipeline
"""

RETURN = r"""
number:
  description: The task's number. Empty in check mode when it is not there yet.
  returned: when the task is known
  type: str
  sample: CTASK0010007
sys_id:
  description: The task's identity in its system.
  returned: when the task is known
  type: str
  sample: 9d385017c611228701d22104cc95c371
provider:
  description: The record system.
  returned: when the task is known
  type: str
  sample: servicenow
state:
  description: The task's state.
  returned: when the task is known
  type: str
  sample: closed
url:
  description: Where to look at it.
  returned: when the task is known
  type: str
  sample: https://example.service-now.com/change_task.do?sys_id=9d385017c611228701d22104cc95c371
fields:
  description: Its other fields, by the names of the options.
  returned: when the task is known
  type: dict
  sample: {short_description: Call the customer, assignment_group: netsec}
changed_fields:
  description: What was written.
  returned: when the task is known
  type: list
  elements: str
  sample: [state, close_code, close_notes]
key:
  description: What marks the work.
  returned: always
  type: str
  sample: net-4711
finished:
  description: Whether it has ended. V(false) with O(wait=false) as long as it has not.
  returned: always
  type: bool
  sample: true
handle:
  description: By this a later task looks at the same work.
  returned: when it has not ended
  type: dict
  sample: {operation: change_task, key: net-4711, at: {task: 9d385017c611228701d22104cc95c371}}
waiting_for:
  description: What is waited for.
  returned: when it has not ended and O(wait=false)
  type: str
  sample: "waiting for CTASK0010007 to be closed"
progress:
  description: Everything that was waited for, in order. C(-v) shows it.
  returned: always
  type: list
  elements: str
  sample: ["waiting for CTASK0010007 to be closed"]
failure:
  description: The class of the failure, V(transient), V(failed), V(rejected), V(timeout), V(cancelled) or V(unknown).
  returned: on failure
  type: str
  sample: failed
"""

from ansible_collections.netops.changerail.plugins.module_utils import module as door
from ansible_collections.netops.changerail.plugins.module_utils.operations.change_task import OPERATION


def main() -> None:
    module = door.build(OPERATION, door.KEY, door.WAITING, door.SERVICENOW, required_one_of=[("task", "key")])
    door.perform(module, OPERATION, door.context(module, door.key_of(module, otherwise="playbook/change_task")))


if __name__ == "__main__":
    main()
