# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``change_record_info``: change records as they are, for plain playbooks; Ansible runs it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: change_record_info
short_description: Read change records, their approvals and where they can go
version_added: 0.1.0
description:
  - Reads one change record by its number, or those that carry a key, and changes nothing.
author:
  - changerail contributors (!UNKNOWN)
options:
  provider:
    description: The record system, V(servicenow) or V(local). When it is not given, that of the registered result in O(record), else V(local).
    type: str
  record:
    description: The record, as its number, its sys_id, or the registered result of a task of M(netops.changerail.change_record).
    type: raw
  key:
    description:
      - The key under which M(netops.changerail.change_record) opened a record. No record is no failure, RV(records) is empty then.
      - A record that a run opened carries C(<run>/<step>).
    type: str
extends_documentation_fragment:
  - netops.changerail.attributes
  - netops.changerail.servicenow
  - netops.changerail.local
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - python >= 3.11
  - requests
seealso:
  - module: netops.changerail.change_record
  - module: servicenow.itsm.change_request_info
"""

EXAMPLES = r"""
- name: Is the change approved?
  netops.changerail.change_record_info:
    provider: servicenow
    record: CHG0030001
  register: change

- name: Go on only then
  ansible.builtin.assert:
    that: change.records[0].approval == 'approved'
    fail_msg: "{{ change.records[0].url }} waits for {{ change.records[0].approvals | map(attribute='group') | join(', ') }}"

- name: Was a record opened for this ticket?
  netops.changerail.change_record_info:
    provider: servicenow
    key: "net-{{ ticket }}"
  register: opened
"""

RETURN = r"""
records:
  description: The records, oldest first.
  returned: always
  type: list
  elements: dict
  contains:
    provider:
      description: The record system.
      type: str
      sample: servicenow
    number:
      description: The record's number.
      type: str
      sample: CHG0030001
    sys_id:
      description: The record's identity in its system.
      type: str
      sample: 6816f79cc0a8016401c5a33be04be441
    state:
      description: The record's state, by the names M(netops.changerail.change_record) has.
      type: str
      sample: authorize
    type:
      description: Kind of change.
      type: str
      sample: normal
    approval:
      description: Where its approval stands, V(not requested), V(requested), V(approved) or V(rejected).
      type: str
      sample: requested
    url:
      description: Where to look at it.
      type: str
      sample: https://example.service-now.com/change_request.do?sys_id=6816f79cc0a8016401c5a33be04be441
    fields:
      description: Its other fields.
      type: dict
      sample: {short_description: Advertise 203.0.113.0/24 at the DC edge, risk: moderate}
    approvals:
      description: Every approval it ever asked for, oldest first, with C(gate), C(state), C(group), C(person), C(by), C(at) and C(comment).
      type: list
      elements: dict
      sample: [{id: a1, gate: authorize, state: requested, group: cab, person: "", by: "", at: null, comment: ""}]
    next_states:
      description:
        - The states it can be moved to now (C(open)), that it goes to by itself (C(automatic)), and that are closed, each with the reason (C(blocked)).
      type: dict
      sample: {open: [canceled], automatic: [], blocked: {scheduled: the approval of cab is missing}}
failure:
  description: The class of the failure, V(transient), V(failed) or V(unknown).
  returned: on failure
  type: str
  sample: transient
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netops.changerail.plugins.module_utils import module as door
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, Context
from ansible_collections.netops.changerail.plugins.module_utils.provider import (
    Record,
    RecordProvider,
    chosen,
    correlation_id,
    records,
)
from ansible_collections.netops.changerail.plugins.module_utils.record_options import reference_of


def read(module: AnsibleModule, surroundings: Context) -> list[dict[str, JSON]]:
    """The records that the options name."""
    given: Any = module.params["record"]
    said, reference = (None, "") if given is None else reference_of("record", given)
    name = chosen(module.params["provider"] or said, "records", surroundings)
    provider = records(name, surroundings)
    found: Sequence[Record] = [provider.read(reference)] if reference else provider.find(correlation_id(surroundings))
    return [shown(name, provider, record) for record in found]


def shown(name: str, provider: RecordProvider, record: Record) -> dict[str, JSON]:
    """One record with all that is known of it."""
    moves = provider.moves(record)
    next_states = {"open": sorted(moves.open), "automatic": sorted(moves.automatic), "blocked": dict(moves.blocked)}
    approvals = [asdict(approval) for approval in provider.approvals(record)]
    return {"provider": name, **asdict(record), "approvals": approvals, "next_states": next_states}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "provider": {"type": "str"},
            "record": {"type": "raw"},
            **door.KEY,
            **door.SERVICENOW,
            **door.LOCAL,
        },
        required_one_of=[("record", "key")],
        mutually_exclusive=[("record", "key")],
        supports_check_mode=True,
    )
    surroundings = door.context(module, door.key_of(module, otherwise="playbook/change_record_info"))
    module.exit_json(changed=False, records=door.ask(module, lambda: read(module, surroundings)))


if __name__ == "__main__":
    main()
