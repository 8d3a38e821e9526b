# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of modules that wait, for their documentation; Ansible reads it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether to wait until it has ended. With V(false) the module looks once and returns RV(finished) and RV(handle),
        so that a playbook or an AWX job need not hold a slot.
      - Changes are reported by the look that sees the end.
    type: bool
    default: true
  timeout:
    description:
      - How long to wait, as seconds or as a duration such as V(90s), V(15m), V(2h30m) or V(1d). Afterwards the module fails with RV(failure=timeout).
      - Nothing is stopped by that. RV(handle) is returned with the failure, to look again later.
    type: str
    default: 1h
  handle:
    description:
      - What an earlier task of the same module returned as RV(handle). The module then looks at that work and starts nothing.
      - Repeat the other options of that task; the key is in the handle.
    type: dict
requirements:
  - python >= 3.11
"""
