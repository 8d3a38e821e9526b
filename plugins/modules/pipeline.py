# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``pipeline``: the operation of that name for plain playbooks; Ansible runs it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pipeline
short_description: Start a pipeline once, wait for its end, bring its artifacts and logs
version_added: 0.1.0
description:
  - Starts a pipeline with inputs, waits until it and every pipeline it started have ended, and brings artifacts and logs.
  - A pipeline is marked with the key. When no usable answer comes to the request it is searched for, never asked for again.
  - Inputs and variables are shown with C(-vvv). Use C(no_log) on the task when they are secret.
  - The same task works as a step of a workflow, without O(key), O(wait), O(timeout), O(handle) and the connections.
author:
  - changerail contributors (!UNKNOWN)
options:
  provider:
    description: The system, V(gitlab) or V(local), where a pipeline is a command of the machine the module runs on. V(local) when it is not given.
    type: str
  project:
    description: The project, such as V(net/edge). With O(provider=local) a name in O(local.pipelines).
    type: str
  ref:
    description: Branch or tag.
    type: str
  key:
    description:
      - What marks the pipeline, so that the same task run again finds it, as it is or as it ended, and does not start a second one.
      - Choose something that is the same in every run for the same change and another one for another try, such as the name of a release.
      - Without it every run of the task starts a pipeline.
    type: str
  inputs:
    description: Inputs of the pipeline, by name.
    type: dict
    default: {}
  variables:
    description: Variables of the pipeline, by name.
    type: dict
    default: {}
  artifacts:
    description: Names or globs of the files to bring. That a file named without a glob is missing is a failure. With none given all are brought.
    type: list
    elements: str
    default: []
  command:
    description: With O(provider=local) the command, as a list of its words or as text. It is no shell.
    type: raw
  chdir:
    description: With O(provider=local) the folder the command runs in.
    type: str
  play:
    description: With O(provider=gitlab) names or globs of manual jobs to start when the pipeline waits for them.
    type: list
    elements: str
  pipeline:
    description:
      - With O(provider=gitlab) a pipeline to go on with instead of starting one, as its RV(id) or the registered result of the task that has it.
      - Together with O(play) it opens the gate at which the pipeline waits.
    type: raw
  wait_for:
    description:
      - With O(provider=gitlab) what ends the task, V(end) the pipeline's end, V(gate) also that it waits for a person or a timer, such as at a manual job.
      - V(end) when it is not given.
    type: str
    choices: [end, gate]
  retry:
    description:
      - With O(provider=gitlab) what another attempt at the step of a workflow does, V(pipeline) for a new pipeline, V(failed_jobs) for running again what
        failed in the one there is. V(pipeline) when it is not given.
      - In a plain playbook a task has one attempt for a O(key), so it changes nothing there.
    type: str
    choices: [pipeline, failed_jobs]
extends_documentation_fragment:
  - netops.changerail.attributes
  - netops.changerail.waiting
  - netops.changerail.gitlab
  - netops.changerail.local
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - With O(key) a pipeline is started once. A successful one is reported as changed, because it did something.
requirements:
  - requests
notes:
  - Artifacts and logs are kept on the machine the module runs on, in C(modules) of the folder E(CHANGERAIL_HOME) names
    (C(~/.local/state/changerail)), readable by their owner only.
seealso:
  - module: netops.changerail.pipeline_info
"""

EXAMPLES = r"""
- name: Validate
  netops.changerail.pipeline:
    provider: gitlab
    project: net/edge
    ref: main
    key: "net-{{ ticket }}-validate"
    inputs:
      prefix: 203.0.113.0/24
    artifacts: [edge.diff]
    timeout: 30m
  register: validation

- name: Show the diff
  ansible.builtin.debug:
    msg: "{{ lookup('file', validation.artifacts['edge.diff'].path) }}"

- name: Start the deployment and let the job go
  netops.changerail.pipeline: &deployment
    provider: gitlab
    project: net/edge
    ref: main
    key: "net-{{ ticket }}-deploy"
    wait: false
  register: started

- name: Look again
  netops.changerail.pipeline:
    <<: *deployment
    handle: "{{ started.handle | default(omit) }}"
  register: deployed
  until: deployed.finished
  retries: 60
  delay: 30

- name: Validate, and stop at the gate before the deployment
  netops.changerail.pipeline:
    provider: gitlab
    project: net/edge
    ref: main
    key: "net-{{ ticket }}"
    wait_for: gate
    artifacts: [edge.diff]
  register: validated

- name: Open the gate
  netops.changerail.pipeline:
    provider: gitlab
    pipeline: "{{ validated.id }}"
    play: [deploy]

- name: A command of this machine
  netops.changerail.pipeline:
    provider: local
    command: [make, validate]
    chdir: /srv/edge
    artifacts: ["*.diff"]
"""

RETURN = r"""
provider:
  description: The system.
  returned: when it has ended
  type: str
  sample: gitlab
project:
  description: The project.
  returned: when it has ended
  type: str
  sample: net/edge
ref:
  description: Branch or tag.
  returned: when it has ended
  type: str
  sample: main
id:
  description: The pipeline's identity.
  returned: when it has ended
  type: str
  sample: 42/4711
status:
  description: How it ended, V(success), V(failed), V(canceled) or V(lost); V(blocked) where it waits at a gate. Empty in check mode.
  returned: when it has ended
  type: str
  sample: success
url:
  description: Where to look at it.
  returned: when it has ended
  type: str
  sample: https://gitlab.example.net/net/edge/-/pipelines/4711
jobs:
  description: Its jobs, each with C(name), C(status) and C(url).
  returned: when it has ended
  type: list
  elements: dict
  sample: [{name: validate, status: success, url: "https://gitlab.example.net/net/edge/-/jobs/1"}]
artifacts:
  description: The files that were brought, by name, each with C(name), C(path), C(sha256) and C(size) in bytes.
  returned: when it has ended
  type: dict
  sample:
    edge.diff:
      name: edge.diff
      path: /home/netops/.local/state/changerail/modules/5f0c/artifacts/edge.diff
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      size: 312
logs:
  description: The logs of its jobs, by name, shaped as RV(artifacts). That of the job that failed comes first.
  returned: when it has ended
  type: dict
  sample: {}
key:
  description: What marks the work.
  returned: always
  type: str
  sample: net-4711
finished:
  description: Whether it has ended. V(false) with O(wait=false) as long as it has not.
  returned: always
  type: bool
  sample: true
handle:
  description: By this a later task looks at the same work.
  returned: when it has not ended
  type: dict
  sample: {operation: pipeline, key: net-4711, at: {id: 42/4711}}
waiting_for:
  description: What is waited for.
  returned: when it has not ended and O(wait=false)
  type: str
  sample: "pipeline net/edge 4711 is running"
progress:
  description: Everything that was waited for, in order. C(-v) shows it.
  returned: always
  type: list
  elements: str
  sample: ["pipeline net/edge 4711 is running"]
failure:
  description: The class of the failure, V(transient), V(failed), V(rejected), V(timeout), V(cancelled) or V(unknown).
  returned: on failure
  type: str
  sample: failed
"""

from ansible_collections.netops.changerail.plugins.module_utils import module as door
from ansible_collections.netops.changerail.plugins.module_utils.operations.pipeline import OPERATION


def main() -> None:
    module = door.build(OPERATION, door.KEY, door.WAITING, door.GITLAB, door.LOCAL)
    key = door.key_of(module)
    door.perform(module, OPERATION, door.context(module, key, door.kept_folder(OPERATION.name, key)))


if __name__ == "__main__":
    main()
