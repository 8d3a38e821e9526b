# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``status``: how a run and each of its steps stand; Ansible calls it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: status
short_description: How a run and each of its steps stand
version_added: 0.1.0
author: changerail contributors (!UNKNOWN)
description:
  - Reads a run's journal on the controller and says how the run and each of its steps stand, at this moment. It changes and drives nothing.
  - M(netops.changerail.workflow_info) says of a run as a whole what this filter says, and what its steps registered.
options:
  _input:
    description: The run, by its id, a beginning or an end of it that no other run has, or V(last); or what M(netops.changerail.workflow) returned.
    type: raw
    required: true
requirements:
  - on the controller, Python 3.11 or newer and the libraries of changerail
seealso:
  - plugin: netops.changerail.timeline
    plugin_type: filter
  - plugin: netops.changerail.evidence
    plugin_type: filter
  - plugin: netops.changerail.run
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Which steps failed
  ansible.builtin.debug:
    msg: "{{ (change | netops.changerail.status).steps | selectattr('state', 'eq', 'failed') | map(attribute='path') }}"

- name: Wait until the reviews are over, whoever drives the run
  ansible.builtin.assert:
    that: reviews | rejectattr('state', 'in', ['ok', 'changed']) | length == 0
  vars:
    reviews: "{{ ('CHG-4711' | netops.changerail.status).steps | selectattr('action', 'eq', 'netops.changerail.review') }}"
"""

RETURN = r"""
_value:
  description:
    - The run with C(run), C(name), C(state), C(finished), C(message), C(requester), C(began), C(ended), C(check), C(driver) and C(waiting_for)
      as M(netops.changerail.workflow) returns them, and its steps.
  type: dict
  contains:
    counts:
      description: How many steps are in each state.
      type: dict
      sample: {ok: 3, changed: 1, asking: 1, pending: 4}
    steps:
      description:
        - All steps of every depth in the order of the workflow, a block or loop before what is in it. Each has C(path), C(name), C(kind) (V(step), V(block),
          V(parallel) or V(loop)), C(action), C(section) (V(body), V(rescue) or V(always)) and C(state), and where it applies C(label), C(began), C(ended),
          C(since), C(attempt), C(attempts), C(message), C(failure), C(next_try), C(due) and C(question).
        - C(state) is V(pending), V(running), V(waiting), V(asking), V(retrying), V(ok), V(changed), V(rescued), V(skipped), V(ignored), V(failed),
          V(cancelled) or V(unreached).
      type: list
      elements: dict
      sample: [{path: deploy, name: Deploy, kind: step, action: ansible.builtin.import_playbook, section: body, state: failed, failure: failed}]
"""

from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.in_templates import filtered


def status(run: object) -> dict[str, Any]:
    """See DOCUMENTATION. Raises AnsibleFilterError."""
    return filtered("status", run, _read)


def _read(run: str) -> dict[str, Any]:
    from ansible_collections.netops.changerail.plugins.plugin_utils import api

    seen = api.steps(run)
    steps = [{name: value for name, value in step.as_dict().items() if name != "steps"} for step in seen.walk()]
    return {**api.status(run).brief(), "counts": dict(seen.counts), "steps": steps}


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        return {"status": status}
