# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action ``event_info``, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: event_info
short_description: Values of an event of Event-Driven Ansible, as data
version_added: 0.1.0
description:
  - Returns values of the event for which ansible-rulebook started the playbook or the job template. It changes nothing.
  - Whatever somebody sent, it stays data. A value that a rulebook writes into the extra vars of its action is a template to Ansible, and who can post an event
    could have anything evaluated on the controller. So a rulebook should name values and let this module fetch them.
  - It also makes a run's id of the event, so that an event that comes twice starts one run.
author:
  - changerail contributors (!UNKNOWN)
options:
  values:
    description:
      - The values to return, each as a JMESPath expression in the event, such as V(payload.router).
      - Where rules match several events together, the expression begins with the name of the event, such as V(m_0.payload.router).
      - A value that is not in the event fails the task, unless the expression has another one, as in V(payload.comment || '').
    type: dict
    default: {}
  key:
    description: What makes two events the same, each as an expression as in O(values). RV(run_id) is made of it.
    type: list
    elements: str
  prefix:
    description: How RV(run_id) begins. Other prefixes give other ids.
    type: str
    default: event
extends_documentation_fragment:
  - netops.changerail.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
requirements:
  - on the controller, Python 3.11 or newer and the library jmespath
seealso:
  - module: netops.changerail.workflow
"""

EXAMPLES = r"""
- name: What went down
  netops.changerail.event_info:
    values:
      router: payload.router
      interface: payload.interface
      reason: payload.reason || 'unknown'
    key: [payload.router, payload.interface, payload.since]
    prefix: interface-down
  register: event

- name: Start the change, once for each time the interface goes down
  netops.changerail.workflow:
    workflow: /srv/changes/interface-down.yml
    run_id: "{{ event.run_id }}"
    variables: "{{ event.data }}"
    wait: false
"""

RETURN = r"""
data:
  description: The values, by their names in O(values), with the types they have in the event. They are never evaluated as templates.
  returned: always
  type: dict
  sample: {router: r1, interface: ge-0/0/1, reason: unknown}
run_id:
  description: The same for the same values at O(key).
  returned: with O(key)
  type: str
  sample: interface-down-r1-ge-0-0-1-1767225600-3f2a91c04d5e
"""
