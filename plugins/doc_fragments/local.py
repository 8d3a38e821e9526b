# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option with the settings of the provider local, for the documentation of modules that have it; Ansible reads it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  local:
    description:
      - The settings of the provider V(local), which needs no other system, by the names C(connections.local) has in C(changerail.yml).
    type: dict
    suboptions:
      records:
        description: Folder with the change records. It is made when it is not there. Needed for change records of the provider V(local).
        type: path
      approvals:
        description: The groups that are asked, by the record's state that asks (V(assess), V(authorize)).
        type: dict
      templates:
        description: The fields of standard changes, by the name of the template.
        type: dict
      pipelines:
        description:
          - The commands that are pipelines, by the name of the project. Each is a mapping with C(command) and, when needed,
            C(chdir), C(variables) and C(artifacts).
        type: dict
      grace:
        description: Seconds a command that is cancelled has to end by itself.
        type: float
        default: 10.0
"""
