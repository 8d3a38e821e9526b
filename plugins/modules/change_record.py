# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``change_record``: the operation of that name for plain playbooks; Ansible runs it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: change_record
short_description: Open, move, document and close a change record
version_added: 0.1.0
description:
  - Opens a change record once, fills it, moves it state by state as the record system allows, waits where the system moves by itself,
    attaches files, and closes it. What was written is read back, so that a write which changed nothing is a failure.
  - C(servicenow.itsm.change_request) sets the fields of a record; this module finds the record it opened before, asks where the record can go and
    waits for it. Both can be used together on the same record.
  - The same task works as a step of a workflow, without O(key), O(wait), O(timeout), O(handle), O(evidence_files) and the connections.
author:
  - changerail contributors (!UNKNOWN)
options:
  provider:
    description:
      - The record system, V(servicenow) or V(local).
      - When it is not given, that of the registered result in O(record), else V(local).
    type: str
  record:
    description: An existing record, as its number, its sys_id, or the registered result of a task of this module. Without it a record is opened.
    type: raw
  key:
    description:
      - What marks the record that is opened, so that the same task run again finds it and does not open a second one.
      - Needed to open a record. Choose something that is the same in every run for the same change and different for another change, such as
        the number of a ticket or a merge request. At most 100 characters are kept, longer keys are shortened with a hash.
      - With O(record) it only marks the work note.
    type: str
  state:
    description:
      - The state the record shall be in. States in between are walked through one by one.
      - V(closed) needs O(close_code), and O(close_notes) or O(evidence). V(canceled) needs O(work_notes).
    type: str
    choices: [new, assess, authorize, scheduled, implement, review, closed, canceled]
  type:
    description: Kind of change. A record that is opened is V(normal) when nothing is said.
    type: str
    choices: [normal, standard, emergency]
  short_description:
    description: The change in one line. Needed to open a record.
    type: str
  description:
    description: The change at length.
    type: str
  risk:
    description: The risk of the change.
    type: str
    choices: [high, moderate, low]
  impact:
    description: The impact of the change.
    type: str
    choices: [high, medium, low]
  priority:
    description: The priority of the change.
    type: str
    choices: [critical, high, moderate, low]
  assignment_group:
    description: Name of the group the change is assigned to.
    type: str
  requested_by:
    description: Who asked for the change.
    type: str
  start_date:
    description: Planned start, such as V(2030-01-31 22:00:00) (UTC) or V(2030-01-31T22:00+01:00).
    type: str
  end_date:
    description: Planned end, written as O(start_date).
    type: str
  cmdb_ci:
    description: Name of the configuration item that is changed.
    type: str
  affected_cis:
    description: Names of all configuration items that are affected.
    type: list
    elements: str
  template:
    description: Name of the template a standard change is made from.
    type: str
  on_hold:
    description: Whether the change is on hold. V(true) needs O(hold_reason).
    type: bool
  hold_reason:
    description: Why it is on hold.
    type: str
  close_code:
    description: How the change ended.
    type: str
    choices: [successful, successful_issues, unsuccessful]
  close_notes:
    description: What is to be said about the end.
    type: str
  work_notes:
    description: A work note. The same note of the same O(key) is added once, however often the task runs.
    type: str
  evidence:
    description: V(run) attaches the evidence. In a playbook that is what O(evidence_files) names; in a workflow it is the evidence of the run.
    type: str
    choices: [run]
  evidence_files:
    description: Files to attach with O(evidence=run). A file of the same name and content is attached once.
    type: list
    elements: path
    default: []
  conflicts:
    description: Whether to have the record system look for conflicts with other changes. V(report) returns them, V(forbid) fails when there are any.
    type: str
    choices: [report, forbid]
  fields:
    description: More fields, by the record system's own names and values.
    type: dict
    default: {}
extends_documentation_fragment:
  - netops.changerail.attributes
  - netops.changerail.waiting
  - netops.changerail.servicenow
  - netops.changerail.local
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - Opening needs O(key), by which the record is found again.
requirements:
  - requests
seealso:
  - module: netops.changerail.change_record_info
  - module: netops.changerail.change_task
  - module: netops.changerail.approval
  - module: servicenow.itsm.change_request
"""

EXAMPLES = r"""
- name: Open the change record, once for this ticket
  netops.changerail.change_record:
    provider: servicenow
    key: "net-{{ ticket }}"
    type: normal
    short_description: Advertise 203.0.113.0/24 at the DC edge
    assignment_group: network
    risk: moderate
    start_date: "2030-01-31 22:00:00"
    end_date: "2030-01-31 23:00:00"
  register: change

- name: Ask for the approvals
  netops.changerail.change_record:
    record: "{{ change }}"
    state: assess

- name: Close it with the evidence
  netops.changerail.change_record:
    record: "{{ change }}"
    state: closed
    close_code: successful
    evidence: run
    evidence_files:
      - /var/tmp/edge.diff

- name: Wait until the system has scheduled it, with looks that hold nothing in between
  netops.changerail.change_record:
    record: "{{ change }}"
    state: scheduled
    wait: false
  register: look
  until: look.finished
  retries: 60
  delay: 60
"""

RETURN = r"""
number:
  description: The record's number.
  returned: when the record is known
  type: str
  sample: CHG0030001
sys_id:
  description: The record's identity in its system.
  returned: when the record is known
  type: str
  sample: 6816f79cc0a8016401c5a33be04be441
provider:
  description: The record system.
  returned: when the record is known
  type: str
  sample: servicenow
state:
  description: The record's state. In check mode the one it would have.
  returned: when the record is known
  type: str
  sample: scheduled
type:
  description: Kind of change.
  returned: when the record is known
  type: str
  sample: normal
approval:
  description: Where its approval stands, V(not requested), V(requested), V(approved) or V(rejected).
  returned: when the record is known
  type: str
  sample: approved
url:
  description: Where to look at it.
  returned: when the record is known
  type: str
  sample: https://example.service-now.com/change_request.do?sys_id=6816f79cc0a8016401c5a33be04be441
fields:
  description: Its other fields, by the names of the options.
  returned: when the record is known
  type: dict
  sample: {short_description: Advertise 203.0.113.0/24 at the DC edge, risk: moderate}
changed_fields:
  description: What was written, or in check mode would be.
  returned: when the record is known
  type: list
  elements: str
  sample: [state]
conflicts:
  description: What is in the way of the planned time, one line each.
  returned: when O(conflicts) is given
  type: list
  elements: str
  sample: ["CHG0030002: CI already scheduled (edge-router-ams1)"]
diff:
  description: The written fields before and after.
  returned: when the record is known
  type: dict
  sample: {before: {state: new}, after: {state: assess}}
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
  sample: {operation: change_record, key: net-4711, at: {record: 6816f79cc0a8016401c5a33be04be441}}
waiting_for:
  description: What is waited for.
  returned: when it has not ended and O(wait=false)
  type: str
  sample: waiting for CHG0030001 to go from assess to authorize by itself
progress:
  description: Everything that was waited for, in order. C(-v) shows it.
  returned: always
  type: list
  elements: str
  sample: [waiting for CHG0030001 to go from assess to authorize by itself]
failure:
  description: The class of the failure, V(transient), V(failed), V(rejected), V(timeout), V(cancelled) or V(unknown).
  returned: on failure
  type: str
  sample: failed
"""

from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils import module as door
from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of
from ansible_collections.netops.changerail.plugins.module_utils.operations.change_record import OPERATION

OWN_OPTIONS = {"evidence_files": {"type": "list", "elements": "path", "default": []}}


def main() -> None:
    module = door.build(
        OPERATION,
        OWN_OPTIONS,
        door.KEY,
        door.WAITING,
        door.SERVICENOW,
        door.LOCAL,
        required_one_of=[("record", "key")],
    )
    paths = [Path(name) for name in module.params["evidence_files"]]
    if module.params["evidence"] and not paths:
        module.fail_json(
            msg="evidence: a playbook has no evidence of its own; name the files to attach as 'evidence_files', "
            "or put this task into a workflow, whose run collects its evidence",
            failure="failed",
        )
    try:
        evidence = [artifact_of(path, path.name) for path in paths]
    except OSError as error:
        module.fail_json(msg=f"evidence_files: {error.filename}: {error.strerror}", failure="failed")
    key = door.key_of(module, otherwise="playbook/change_record")
    door.perform(module, OPERATION, door.context(module, key, evidence=evidence))


if __name__ == "__main__":
    main()
