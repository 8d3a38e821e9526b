# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options with which people are asked; Ansible reads it."""

from __future__ import annotations


class ModuleDocFragment:
    """For modules that ask people."""

    DOCUMENTATION = r"""
options:
  groups:
    description: The groups of C(changerail.yml) that are asked. Any member may answer.
    type: list
    elements: str
    default: []
  people:
    description: The people who are asked. Without them and without O(groups) anybody who is known may answer.
    type: list
    elements: str
    default: []
  quorum:
    description: How many must approve.
    type: int
    default: 1
  four_eyes:
    description: Whether the requester is kept out, which is whoever runs the playbook, or who launched the job of AWX.
    type: bool
    default: true
  assurance:
    description: How sure it must be who answers, weakest first. V(os_user) when C(changerail.yml) says nothing else.
    type: str
    choices: [asserted, os_user, authenticated, signed]
  title:
    description: The title of the question.
    type: str
  msg:
    description: What the people are told. In a workflow it is also called C(message).
    type: str
    default: ''
"""
