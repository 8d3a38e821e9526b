# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup ``run``: how runs stand and what their steps registered; Ansible calls it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run
short_description: How a run stands, and what its steps registered
version_added: 0.1.0
author: changerail contributors (!UNKNOWN)
description:
  - Reads the journals of runs in E(CHANGERAIL_HOME) on the controller, and gives for each how it stands and what its steps registered.
  - A run that is not there is an error; with C(errors='ignore') it is left out.
options:
  _terms:
    description: Runs, each by its id, a beginning or an end of it that no other run has, or V(last).
    type: list
    elements: str
    required: true
requirements:
  - on the controller, Python 3.11 or newer and the libraries of changerail
seealso:
  - module: netops.changerail.workflow_info
  - plugin: netops.changerail.status
    plugin_type: filter
"""

EXAMPLES = r"""
- name: The number of the change record that the run opened
  ansible.builtin.debug:
    msg: "{{ lookup('netops.changerail.run', 'CHG-4711').results.change.number }}"

- name: Deploy only what was approved
  ansible.builtin.assert:
    that: lookup('netops.changerail.run', ticket).results.security_review.decision == 'approve'
"""

RETURN = r"""
_raw:
  description:
    - For each run what M(netops.changerail.workflow_info) returns of one, with C(run), C(name), C(state), C(finished), C(message), C(requester), C(began),
      C(ended), C(check), C(driver), C(waiting_for), C(results), C(journal) and C(folder).
  type: list
  elements: dict
  sample: [{run: change-20300131-1a2b, state: succeeded, finished: true, results: {change: {number: CHG0030001, state: closed}}}]
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.in_templates import missing, run_of


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible does not say what its types are
    """See DOCUMENTATION."""

    def run(
        self, terms: Sequence[object], variables: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            from ansible_collections.netops.changerail.plugins.plugin_utils import api

            return [api.status(run_of(term)).as_dict() for term in terms]
        except ModuleNotFoundError as error:
            raise AnsibleLookupError(missing("run", error)) from None
        except ChangerailError as error:
            raise AnsibleLookupError(f"run: {error}") from None
