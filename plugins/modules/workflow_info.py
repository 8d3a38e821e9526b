# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action ``workflow_info``, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workflow_info
short_description: How runs stand
version_added: 0.1.0
description:
  - Returns one run with what its steps registered, or all runs in E(CHANGERAIL_HOME) in a few words, the newest first. It changes and drives nothing.
  - With E(CHANGERAIL_SERVER) and E(CHANGERAIL_TOKEN) in the controller's environment these are the runs of that server.
author:
  - changerail contributors (!UNKNOWN)
options:
  run_id:
    description: The run, by its id, a beginning of it that no other run has, or V(last).
    type: str
  finished:
    description: Without O(run_id), whether to return only runs that are over, or only runs that are not.
    type: bool
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
  - on the controller, Python 3.11 or newer and the libraries of changerail
seealso:
  - module: netops.changerail.workflow
"""

EXAMPLES = r"""
- name: What is not over yet
  netops.changerail.workflow_info:
    finished: false
  register: open

- name: Who is waited for
  ansible.builtin.debug:
    msg: "{{ open.runs | selectattr('state', 'eq', 'waiting') | map(attribute='waiting_for') | flatten | map(attribute='asked') }}"
"""

RETURN = r"""
runs:
  description:
    - The runs, each with C(run), C(name), C(state), C(finished), C(message), C(requester), C(began), C(ended), C(check), C(driver) and C(waiting_for)
      as M(netops.changerail.workflow) returns them.
    - With O(run_id) also C(results), C(journal) and C(folder).
  returned: always
  type: list
  elements: dict
  sample: [{run: change-20300131-1a2b, state: waiting, finished: false, requester: alice}]
unreadable:
  description: Runs that cannot be read, and why.
  returned: always
  type: list
  elements: dict
  sample: []
"""
