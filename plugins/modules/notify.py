# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``notify``: the operation of that name for plain playbooks; Ansible runs it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: notify
short_description: Tell people and channels
version_added: 0.1.0
description:
  - Sends a message to channels by mail, chat or pager, through Apprise.
  - In a workflow O(to) also takes the people and groups of C(changerail.yml) and the person who requested the run; a playbook knows only O(channels) and
    addresses. The same task works there without O(key) and O(channels).
author:
  - changerail contributors (!UNKNOWN)
options:
  to:
    description: Whom to tell, each a name in O(channels) or an Apprise URL. V(terminal) shows the message in the result only.
    type: list
    elements: str
    required: true
  msg:
    description: The message. A workflow also calls it C(message), a name that Ansible does not allow for an option of a module.
    type: str
    required: true
  title:
    description: Its title, or the subject of a mail.
    type: str
    default: ''
  attach:
    description: Files to attach, each a path or an artifact of a registered result, which must still be what it was.
    type: list
    elements: raw
    default: []
  channels:
    description: Apprise URLs by the name of the channel, each one URL or a list of them. They are secrets and never logged.
    type: dict
    default: {}
  key:
    description:
      - What marks the message. With the same key the same message is told to everybody once, on the machine the module runs on.
      - Without it every run of the task sends it.
    type: str
extends_documentation_fragment:
  - netops.changerail.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - With O(key).
requirements:
  - python >= 3.11
  - apprise
notes:
  - With O(key), what was sent is marked in C(modules) of the folder E(CHANGERAIL_HOME) names (C(~/.local/state/changerail)).
seealso:
  - module: community.general.mail
"""

EXAMPLES = r"""
- name: Tell the team, once for this change
  netops.changerail.notify:
    key: "net-{{ ticket }}-deployed"
    to: [network-operations]
    title: Deployed
    msg: 203.0.113.0/24 is advertised at the DC edge.
    attach: ["{{ validation.artifacts['edge.diff'] }}"]
    channels:
      network-operations: "mailto://mail.example.net:25?from=changes@example.net&to=netops@example.net"
"""

RETURN = r"""
delivered:
  description: Who was told, with C(to) and C(by).
  returned: always
  type: list
  elements: dict
  sample: [{to: network-operations, by: mailto}]
undelivered:
  description: Who was not, with C(to), C(by) and C(problem).
  returned: always
  type: list
  elements: dict
  sample: []
message:
  description: The message.
  returned: always
  type: str
  sample: 203.0.113.0/24 is advertised at the DC edge.
title:
  description: Its title.
  returned: always
  type: str
  sample: Deployed
terminal:
  description: Whether V(terminal) was told.
  returned: always
  type: bool
  sample: false
would_tell:
  description: Who would be told.
  returned: in check mode
  type: list
  elements: str
  sample: [network-operations]
key:
  description: What marks the message.
  returned: always
  type: str
  sample: net-4711-deployed
finished:
  description: That it is over. Sending does not wait for anything.
  returned: always
  type: bool
  sample: true
failure:
  description: The class of the failure, V(transient) when it could not be delivered, V(failed) when an address is wrong.
  returned: on failure
  type: str
  sample: transient
"""

from ansible_collections.netops.changerail.plugins.module_utils import module as door
from ansible_collections.netops.changerail.plugins.module_utils.operations.notify import OPERATION

OWN_OPTIONS = {"channels": {"type": "dict", "default": {}, "no_log": True}}


def main() -> None:
    module = door.build(OPERATION, OWN_OPTIONS, door.KEY)
    module.no_log_values.update(name for name in module.params["to"] if "://" in name)
    channels = {
        name: addresses if isinstance(addresses, list) else [addresses]
        for name, addresses in module.params["channels"].items()
    }
    key = door.key_of(module)
    folder = door.kept_folder(OPERATION.name, key) if module.params["key"] else None
    door.perform(module, OPERATION, door.context(module, key, folder, settings={"channels": channels}))


if __name__ == "__main__":
    main()
