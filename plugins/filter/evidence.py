# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``evidence``: a run as it is put before an auditor; Ansible calls it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: evidence
short_description: A run as it is put before an auditor
version_added: 0.1.0
author: changerail contributors (!UNKNOWN)
description:
  - Reads a run's journal on the controller and gives everything that shows that a change was made as agreed. It is what C(evidence.json) holds, which
    M(netops.changerail.change_record) attaches in a workflow.
  - Secrets and what C(no_log) hides are hidden in it, as they are in the journal.
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
  - module: netops.changerail.change_record
"""

EXAMPLES = r"""
- name: The files of the run with their digests
  ansible.builtin.debug:
    msg: "{{ (change | netops.changerail.evidence).artifacts | map(attribute='path') }}"

- name: The evidence as a file
  ansible.builtin.copy:
    dest: evidence/{{ change.run }}.json
    mode: "0600"
    content: "{{ change | netops.changerail.evidence | to_nice_json }}"
"""

RETURN = r"""
_value:
  description: The evidence.
  type: dict
  contains:
    run:
      description: How the run and its steps stand, the steps of a block or loop within it under C(steps).
      type: dict
      sample: {run: change-20300131-1a2b, state: succeeded, counts: {ok: 4}, steps: []}
    workflow_sha256:
      description: The SHA-256 of the workflow's files as they were when the run was started.
      type: str
      sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    variables:
      description: The variables the run was started with.
      type: dict
      sample: {prefix: 203.0.113.0/24}
    versions:
      description: The versions of what ran it.
      type: dict
      sample: {changerail: 0.1.0, ansible-core: 2.19.0}
    timeline:
      description: The entries that P(netops.changerail.timeline#filter) gives.
      type: list
      elements: dict
      sample: [{at: 1900000000.0, kind: run, path: "", who: alice, text: "started run change-20300131-1a2b: Advertise 203.0.113.0/24", due: null}]
    answers:
      description: Every answer, with C(person), C(choice), C(assurance), C(comment) and C(signature). C(counted) is V(false) for one that was refused.
      type: list
      elements: dict
      sample: [{path: security-review, person: alice, choice: approve, assurance: signed, counted: true}]
    steps:
      description: Each step that was reached, by its path, with all its attempts, their options, questions and results.
      type: dict
      sample: {deploy: {path: deploy, attempts: [], notes: []}}
    artifacts:
      description: The files that steps made or fetched.
      type: list
      elements: dict
      sample:
        - step: validation
          name: edge.diff
          path: /var/lib/changerail/runs/change-20300131-1a2b/steps/validation/attempt-1/edge.diff
          sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
          size: 412
"""

from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.in_templates import filtered


def evidence(run: object) -> dict[str, Any]:
    """See DOCUMENTATION. Raises AnsibleFilterError."""
    return filtered("evidence", run, _read)


def _read(run: str) -> dict[str, Any]:
    from ansible_collections.netops.changerail.plugins.plugin_utils import api

    return api.evidence(run).as_dict()


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        return {"evidence": evidence}
