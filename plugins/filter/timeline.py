# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``timeline``: who did what in a run, and when; Ansible calls it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: timeline
short_description: Who did what in a run, and when
version_added: 0.1.0
author: changerail contributors (!UNKNOWN)
description:
  - Reads a run's journal on the controller and gives what happened in it, one entry for each thing that means something to a person, in order.
options:
  _input:
    description: The run, by its id, a beginning or an end of it that no other run has, or V(last); or what M(netops.changerail.workflow) returned.
    type: raw
    required: true
requirements:
  - on the controller, Python 3.11 or newer and the libraries of changerail
seealso:
  - plugin: netops.changerail.evidence
    plugin_type: filter
  - plugin: netops.changerail.status
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Who answered what
  ansible.builtin.debug:
    msg: "{{ change | netops.changerail.timeline | selectattr('kind', 'eq', 'answered') | map(attribute='who') }}"

- name: The run as a page
  ansible.builtin.copy:
    dest: /var/www/changes/{{ change.run }}.txt
    mode: "0644"
    content: |
      {% for entry in change | netops.changerail.timeline %}
      {{ '%Y-%m-%d %H:%M:%S' | strftime(entry.at, utc=true) }}  {{ entry.path or 'run' }}  {{ entry.who }}  {{ entry.text }}
      {% endfor %}
"""

RETURN = r"""
_value:
  description: The entries, the first first.
  type: list
  elements: dict
  contains:
    at:
      description: When it happened, in seconds since the epoch.
      type: float
      sample: 1900000000.0
    kind:
      description:
        - What it is, V(run), V(engine), V(started), V(asked), V(answered), V(refused), V(escalated), V(decided), V(ok), V(changed), V(skipped),
          V(failed), V(cancel), V(evidence), V(succeeded) or V(cancelled).
      type: str
      sample: answered
    path:
      description: The path of the step, empty for the run itself.
      type: str
      sample: security-review
    who:
      description: The person who did it, empty where no person did.
      type: str
      sample: alice
    text:
      description: What happened, in words.
      type: str
      sample: "approve (os_user): narrow enough"
    due:
      description: When a question is denied by itself, in seconds since the epoch.
      type: float
      sample: 1900014400.0
"""

from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.in_templates import filtered


def timeline(run: object) -> list[dict[str, Any]]:
    """See DOCUMENTATION. Raises AnsibleFilterError."""
    return filtered("timeline", run, _read)


def _read(run: str) -> list[dict[str, Any]]:
    from ansible_collections.netops.changerail.plugins.plugin_utils import api

    return [entry.as_dict() for entry in api.timeline(run)]


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        return {"timeline": timeline}
