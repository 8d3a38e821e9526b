# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action ``workflow``, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workflow
short_description: Run, resume, answer or rehearse a workflow
version_added: 0.1.0
description:
  - Starts a workflow, or goes on with one that was started before, and returns how it stands and what its steps registered. What was done is not done again.
  - It is the command C(changerail run) in a task, with the same journal in E(CHANGERAIL_HOME). A run that a task has started can be answered and resumed
    from a shell, and the other way round.
  - With E(CHANGERAIL_SERVER) and E(CHANGERAIL_TOKEN) in the environment of the controller the run is one of that C(changerail serve). It is started,
    driven and kept there, by the name of O(workflow) and with the inventory and the project file of the server. O(inventory), O(config), O(project) and
    O(person) cannot be given then.
  - In a job of AWX the person who launched the job is the requester of a run and the author of an answer. They count as V(authenticated) where
    C(trusted_os_users) in C(changerail.yml) names the login under which AWX runs its jobs, and only there; else they are V(asserted).
author:
  - changerail contributors (!UNKNOWN)
options:
  workflow:
    description:
      - The workflow file. It is started, except when there is a run with O(run_id) already, which is then gone on with, on the workflow it was started with.
      - A relative path begins where C(ansible-playbook) was called, which in AWX is the project.
    type: path
  run_id:
    description:
      - What the run is called, at most 100 letters, digits, dots, dashes and underscores. Made of the workflow's name and the day when it is not given.
      - Give one that is the same whenever the same change is meant, such as the number of a ticket. Then the task can be repeated.
      - Without O(workflow) the run of this id is gone on with. A beginning of the id that no other run has is enough then, or V(last).
    type: str
  variables:
    description: Variables of the workflow. They are data, a template in them is not evaluated by the workflow.
    type: dict
    default: {}
  extra_vars:
    description:
      - Whether the workflow also gets the extra vars of C(ansible-playbook), which are the answers to the survey of an AWX job template. O(variables) win.
      - An answer that is text gets the type that the variable's default in the workflow has. V(true) becomes a truth value, a number a number, YAML or
        JSON a mapping or a list, and lines or words between commas a list. An empty text means that the default holds.
      - Names that begin with C(ansible_), C(awx_) or C(tower_) are left out, and so are the names of these options and C(check), C(choice), C(comment),
        C(fail_when_waiting), C(go_on), C(keep_project) and C(step), which mean something to the playbooks of this collection.
    type: bool
    default: false
  inventory:
    description: Inventories for the playbooks of the workflow, in place of its own.
    type: list
    elements: str
  fallback_inventory:
    description: Inventories for the playbooks when neither O(inventory) nor the workflow names one. Those that are not there are left out.
    type: list
    elements: str
  limit:
    description: Limits the playbooks of the workflow to these hosts.
    type: str
  config:
    description: The project file. Otherwise E(CHANGERAIL_CONFIG), C(changerail.yml) or C(~/.changerail.yml).
    type: path
  project:
    description:
      - A folder that is copied beside the run when it starts, without its version control. The run takes its workflow and playbooks from there.
        Inventories outside of it are copied too.
      - It is for jobs whose project is thrown away when they end, as in AWX. And what people approved is what is deployed, whatever happens to the
        project in the meantime.
    type: path
  scenario:
    description:
      - A scenario file. The workflow, or the one that the scenario names, is then rehearsed in virtual time, and nothing is started or contacted.
      - The task fails when something is not as the scenario expects.
    type: path
  answer:
    description: Answers a question of the run O(run_id) in place of driving it.
    type: dict
    suboptions:
      step:
        description: The path of the step that asks, or an end of it. It may be left out when one question is open.
        type: str
      choice:
        description: The answer, one of the choices that the question has, such as V(approve) or V(deny).
        type: str
        required: true
      comment:
        description: Goes into the journal and the change record.
        type: str
        default: ''
  person:
    description:
      - Who requests the change or answers, where it is not the person of this login. That is only an assertion, except where the login is among the
        C(trusted_os_users) of C(changerail.yml).
      - In a job of AWX the person who launched it by default.
    type: str
  wait:
    description:
      - Whether to wait until the run is over. With V(false) the task ends as soon as only people or long waits are left.
      - V(true) by default, except in a job of AWX, which should not hold a slot for days.
    type: bool
  timeout:
    description:
      - How long to drive the run at most, such as V(90m). It is then put down, and the task fails. Nothing is lost by that; a later task goes on with it.
      - A playbook that runs at that moment goes on running, and is found again.
    type: str
extends_documentation_fragment:
  - netops.changerail.attributes
attributes:
  check_mode:
    support: full
    details:
      - The run is a run in check mode, as with C(changerail run --check). Nothing outside is started, and playbooks run in check mode.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - With O(run_id). Without one each task starts a run.
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
requirements:
  - on the controller, Python 3.11 or newer and the libraries of changerail
seealso:
  - module: netops.changerail.workflow_info
"""

EXAMPLES = r"""
- name: Start the change, or go on with it
  netops.changerail.workflow:
    workflow: change.yml
    run_id: "{{ ticket }}"
    variables:
      prefix: 203.0.113.0/24
    wait: false
  register: change

- name: Say who is waited for
  ansible.builtin.debug:
    msg: "{{ change.waiting_for }}"
  when: change.state == 'waiting'

- name: Approve
  netops.changerail.workflow:
    run_id: "{{ ticket }}"
    answer:
      step: security-review
      choice: approve
      comment: the rule is narrow enough

- name: Go on
  netops.changerail.workflow:
    run_id: "{{ ticket }}"

- name: Would it be rolled back?
  netops.changerail.workflow:
    scenario: scenarios/failed-deployment.yml
"""

RETURN = r"""
run:
  description: The run's id.
  returned: except for a rehearsal
  type: str
  sample: change-20300131-1a2b
name:
  description: The change, as the workflow calls it.
  returned: except for a rehearsal
  type: str
  sample: Advertise 203.0.113.0/24
state:
  description: V(succeeded), V(failed), V(cancelled), V(waiting), V(running) when another process drives it, or V(interrupted).
  returned: except for a rehearsal
  type: str
  sample: waiting
finished:
  description: Whether it is over.
  returned: except for a rehearsal
  type: bool
  sample: false
started:
  description: Whether this task started the run.
  returned: when it was driven
  type: bool
  sample: true
message:
  description: Why it ended as it did.
  returned: except for a rehearsal
  type: str
  sample: ''
requester:
  description: Who requested the change.
  returned: except for a rehearsal
  type: str
  sample: alice
began:
  description: When it was started, in seconds since the epoch.
  returned: except for a rehearsal
  type: float
  sample: 1900000000.0
ended:
  description: When it was over.
  returned: except for a rehearsal
  type: float
  sample: 1900003600.0
check:
  description: Whether it is a run in check mode.
  returned: except for a rehearsal
  type: bool
  sample: false
driver:
  description: The process that drives it now, if any.
  returned: except for a rehearsal
  type: str
  sample: ''
waiting_for:
  description: The questions that are open and the long waits.
  returned: except for a rehearsal
  type: list
  elements: dict
  contains:
    step:
      description: The path of the step.
      type: str
      sample: security-review
    message:
      description: What is asked or waited for.
      type: str
      sample: Security review
    since:
      description: Since when, in seconds since the epoch.
      type: float
      sample: 1900000000.0
    asked:
      description: Who may answer.
      type: str
      sample: group netsec
    choices:
      description: The answers that are possible. Empty when nobody is asked.
      type: list
      elements: str
      sample: [approve, deny]
    deadline:
      description: When it is denied by itself, in seconds since the epoch.
      type: float
      sample: 1900014400.0
results:
  description: What the steps registered so far, by the names they registered it under.
  returned: except for a rehearsal
  type: dict
  sample: {change: {number: CHG0030001, state: scheduled}}
journal:
  description: The run's journal on the controller.
  returned: except for a rehearsal
  type: str
  sample: /var/lib/changerail/runs/change-20300131-1a2b/journal.jsonl
folder:
  description: The folder with everything of the run.
  returned: except for a rehearsal
  type: str
  sample: /var/lib/changerail/runs/change-20300131-1a2b
step:
  description: The step that was answered.
  returned: with O(answer)
  type: str
  sample: security-review
counted:
  description: Whether the answer counts. V(false) as long as the process that drives the run has not said so.
  returned: with O(answer)
  type: bool
  sample: true
refused:
  description: Why the answer does not count.
  returned: with O(answer)
  type: str
  sample: ''
rehearsal:
  description: What C(changerail rehearse --json) says.
  returned: with O(scenario)
  type: dict
  sample: {passed: true, status: succeeded, checks: []}
"""
