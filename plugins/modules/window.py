# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``window``: the operation of that name for plain playbooks; Ansible runs it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: window
short_description: Go on only inside a change window
version_added: 0.1.0
description:
  - Goes on inside a change window, outside of freezes and with enough time left; waits for one or fails otherwise. It changes nothing.
  - Windows and freezes come from calendars (iCalendar), weekly hours or both. At least one of O(calendar), O(windows) and O(freezes) is given.
  - The same task works as a step of a workflow, without O(wait), O(timeout) and O(handle).
author:
  - changerail contributors (!UNKNOWN)
options:
  calendar:
    description: Calendars whose events are change windows, each as an address or a path.
    type: list
    elements: str
    default: []
  windows:
    description: Weekly change windows.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What to call it.
        type: str
        default: ''
      days:
        description: The days on which it begins.
        type: list
        elements: str
        choices: [mon, tue, wed, thu, fri, sat, sun]
        default: [mon, tue, wed, thu, fri, sat, sun]
      from:
        description: When it begins, such as V(22:00).
        type: raw
        required: true
      to:
        description: When it ends, such as V(04:00). Not after O(windows[].from) means the next day.
        type: raw
        required: true
  freezes:
    description: Calendars whose events are freezes, each as an address or a path. A freeze closes every window.
    type: list
    elements: str
    default: []
  timezone:
    description: The zone of O(windows) and of events without one.
    type: str
    default: UTC
  outside:
    description: What to do outside of a window.
    type: str
    choices: [wait, fail]
    default: wait
  duration:
    description: How much time must be left in the window, in seconds or as a duration such as V(45m).
    type: raw
    default: 0
extends_documentation_fragment:
  - netops.changerail.attributes
  - netops.changerail.waiting
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - icalendar and recurring-ical-events (for calendars)
  - requests (for calendars with an address)
notes:
  - The address of a calendar often is a secret. Use C(no_log) on the task then.
seealso:
  - module: netops.changerail.dependency
"""

EXAMPLES = r"""
- name: Only in the night window, and never in a freeze
  netops.changerail.window:
    windows:
      - name: nightly
        days: [mon, tue, wed, thu]
        from: "22:00"
        to: "04:00"
    freezes: [/srv/calendars/freeze.ics]
    timezone: Europe/Amsterdam
    duration: 45m
    timeout: 12h

- name: Refuse outside of the window
  netops.changerail.window:
    calendar: [https://calendar.example.net/changes.ics]
    outside: fail
"""

RETURN = r"""
open:
  description: Whether the window is open now.
  returned: success
  type: bool
  sample: true
name:
  description: What the window is called. That of the next one when none is open.
  returned: success
  type: str
  sample: nightly
start:
  description: When it begins, in ISO 8601. Null when there is no window.
  returned: success
  type: str
  sample: "2030-01-31T22:00:00+01:00"
end:
  description: When it ends. Null when that is more than a year ahead.
  returned: success
  type: str
  sample: "2030-02-01T04:00:00+01:00"
timezone:
  description: The zone of both.
  returned: success
  type: str
  sample: Europe/Amsterdam
key:
  description: What marks the work.
  returned: always
  type: str
  sample: playbook/window
finished:
  description: Whether it has ended. V(false) with O(wait=false) as long as it has not.
  returned: always
  type: bool
  sample: true
handle:
  description: By this a later task looks at the same work.
  returned: when it has not ended
  type: dict
  sample: {operation: window, key: playbook/window, at: {}}
waiting_for:
  description: What is waited for.
  returned: when it has not ended and O(wait=false)
  type: str
  sample: "waiting: the change window nightly opens Thu 2030-01-31 22:00 CET (Europe/Amsterdam)"
progress:
  description: Everything that was waited for, in order. C(-v) shows it.
  returned: always
  type: list
  elements: str
  sample: ["waiting: the change window nightly opens Thu 2030-01-31 22:00 CET (Europe/Amsterdam)"]
failure:
  description: The class of the failure, V(transient), V(failed), V(rejected), V(timeout), V(cancelled) or V(unknown).
  returned: on failure
  type: str
  sample: failed
"""

from ansible_collections.netops.changerail.plugins.module_utils import module as door
from ansible_collections.netops.changerail.plugins.module_utils.operations.window import OPERATION


def main() -> None:
    module = door.build(OPERATION, door.WAITING)
    door.perform(module, OPERATION, door.context(module, door.key_of(module, otherwise="playbook/window")))


if __name__ == "__main__":
    main()
