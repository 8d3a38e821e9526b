# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``dependency``: the operation of that name for plain playbooks; Ansible runs it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dependency
short_description: Wait until something else is as it must be
version_added: 0.1.0
description:
  - Looks at an HTTP API, a DNS name, a TCP port, a file or a change record until it is there, or until a condition holds for what is seen.
    It changes nothing. Not reachable and not there yet are waited for; what cannot become right by waiting, such as a wrong certificate, is a failure.
  - Exactly one of O(http), O(dns), O(tcp), O(file), O(step) and O(record) is given.
  - The same task works as a step of a workflow, without O(wait), O(timeout), O(handle) and the connections.
author:
  - changerail contributors (!UNKNOWN)
options:
  http:
    description: A request. A body that is JSON is what O(until) sees; of any other it sees C(status) and C(text).
    type: dict
    suboptions:
      url:
        description: The address. With O(http.connection) it may be relative to that connection's.
        type: str
        required: true
      method:
        description: The method.
        type: str
        choices: [GET, HEAD, POST]
        default: GET
      headers:
        description: More headers. The values of headers that carry credentials are not logged.
        type: dict
        default: {}
      body:
        description: The body, text as it is or anything else as JSON.
        type: raw
      status:
        description: The status codes that are expected. Any 2xx when none is given.
        type: list
        elements: int
        default: []
      not_yet:
        description: The status codes that mean it is not there yet, beside all 5xx. Any other is a failure.
        type: list
        elements: int
        default: [404, 408, 425, 429]
      connection:
        description: Whose address and credentials are used, V(servicenow) or V(gitlab), as those options give them.
        type: str
      verify:
        description: Whether to check the certificate.
        type: bool
        default: true
      follow_redirects:
        description: Which redirects are followed.
        type: str
        choices: [same_host, all, none]
        default: same_host
  dns:
    description: A query. O(until) sees C(answers) (as C(dig +short) writes them), C(ttl) in seconds and C(rcode).
    type: dict
    suboptions:
      name:
        description: The name that is asked for.
        type: str
        required: true
      type:
        description: The type of the record.
        type: str
        default: A
      server:
        description: The name server. This machine's own when it is not given.
        type: str
      port:
        description: The name server's port.
        type: int
        default: 53
  tcp:
    description: A connection, closed at once. O(until) sees C(open).
    type: dict
    suboptions:
      host:
        description: Name or address.
        type: str
        required: true
      port:
        description: The port.
        type: int
        required: true
  file:
    description: A file of the machine the module runs on. O(until) sees C(exists), C(kind), C(size) in bytes, C(modified) and C(content).
    type: dict
    suboptions:
      path:
        description: The path.
        type: str
        required: true
      state:
        description: Whether to wait for the file to be there or to be gone.
        type: str
        choices: [present, absent]
        default: present
  step:
    description: A step of another run. Only a run can see it, so only in a workflow; in a playbook it is refused.
    type: dict
    suboptions:
      run:
        description: The id of the run.
        type: str
        required: true
      step:
        description: The path of the step.
        type: str
        required: true
  record:
    description:
      - A change record, as the registered result of M(netops.changerail.change_record), or a mapping with C(provider) and C(number). Needs O(until),
        which sees C(number), C(state), C(type), C(approval) and C(fields).
    type: raw
  until:
    description: The condition, in JMESPath over what is seen. Without it the thing just has to be there.
    type: str
  interval:
    description: Time between two looks, in seconds or as a duration such as V(5m).
    type: raw
    default: 30
extends_documentation_fragment:
  - netops.changerail.attributes
  - netops.changerail.waiting
  - netops.changerail.servicenow
  - netops.changerail.gitlab
  - netops.changerail.local
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - requests (for O(http) and O(record))
  - dnspython (for O(dns))
  - jmespath (for O(until))
seealso:
  - module: ansible.builtin.wait_for
  - module: ansible.builtin.uri
"""

EXAMPLES = r"""
- name: The firewall team's rule is active
  netops.changerail.dependency:
    http:
      url: https://firewall.example.net/api/rules/4711
    until: state == 'active'
    interval: 1m
    timeout: 8h

- name: The name is in DNS
  netops.changerail.dependency:
    dns:
      name: edge.example.net
      server: 192.0.2.53
    until: contains(answers, '203.0.113.1')

- name: BGP's port is open
  netops.changerail.dependency:
    tcp:
      host: 192.0.2.1
      port: 179
    timeout: 5m

- name: The other change is closed
  netops.changerail.dependency:
    record:
      provider: servicenow
      number: CHG0030001
    until: state == 'closed'
    wait: false
  register: other
  until: other.finished
  retries: 100
  delay: 300
"""

RETURN = r"""
target:
  description: What was looked at.
  returned: when it is as it must be, and in check mode
  type: str
  sample: A edge.example.net at 192.0.2.53
observed:
  description: What was seen.
  returned: when it is as it must be, and in check mode
  type: raw
  sample: {answers: [203.0.113.1], ttl: 60, rcode: NOERROR}
waited:
  description: How long it took, in seconds.
  returned: when it is as it must be, and in check mode
  type: float
  sample: 61.2
would_wait:
  description: That it is not as it must be.
  returned: in check mode, when it is not
  type: bool
  sample: true
key:
  description: What marks the work.
  returned: always
  type: str
  sample: playbook/dependency
finished:
  description: Whether it has ended. V(false) with O(wait=false) as long as it has not.
  returned: always
  type: bool
  sample: true
handle:
  description: By this a later task looks at the same work.
  returned: when it has not ended
  type: dict
  sample: {operation: dependency, key: playbook/dependency, at: {started: 1900000000.0, since: 1900000000.0, seen: 5f0c}}
waiting_for:
  description: What is waited for.
  returned: when it has not ended and O(wait=false)
  type: str
  sample: "A edge.example.net: NXDOMAIN since 2030-01-31 22:00:00 UTC; waiting for it to be there"
progress:
  description: Everything that was waited for, in order. C(-v) shows it.
  returned: always
  type: list
  elements: str
  sample: ["A edge.example.net: NXDOMAIN since 2030-01-31 22:00:00 UTC; waiting for it to be there"]
failure:
  description: The class of the failure, V(transient), V(failed), V(rejected), V(timeout), V(cancelled) or V(unknown).
  returned: on failure
  type: str
  sample: failed
"""

from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils import http
from ansible_collections.netops.changerail.plugins.module_utils import module as door
from ansible_collections.netops.changerail.plugins.module_utils.operations.dependency import OPERATION

PLAIN_HEADERS = ("accept", "accept-encoding", "accept-language", "content-type", "user-agent")


def secrets(request: dict[str, Any]) -> set[str]:
    """What of a request must not be shown: credentials in its address, and every header that may be one."""
    headers = {str(value) for name, value in request["headers"].items() if str(name).lower() not in PLAIN_HEADERS}
    return {value for value in (*http.secrets_in(request["url"]), *headers) if value}


def main() -> None:
    module = door.build(OPERATION, door.WAITING, door.SERVICENOW, door.GITLAB, door.LOCAL)
    if module.params["http"]:
        module.no_log_values.update(secrets(module.params["http"]))
    if module.params["step"]:
        module.fail_json(
            msg="step: a playbook cannot see the steps of runs; put this task into a workflow and start it with 'changerail run'",
            failure="failed",
        )
    door.perform(module, OPERATION, door.context(module, door.key_of(module, otherwise="playbook/dependency")))


if __name__ == "__main__":
    main()
