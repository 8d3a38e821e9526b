# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``pipeline_info``: a pipeline as it is, for plain playbooks; Ansible runs it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pipeline_info
short_description: See how a pipeline stands
version_added: 0.1.0
description:
  - Looks at one pipeline and its jobs, and changes nothing. A pipeline that failed is no failure of this module.
author:
  - changerail contributors (!UNKNOWN)
options:
  provider:
    description: The system, V(gitlab) or V(local). When it is not given, that of the registered result in O(pipeline), else V(local).
    type: str
  pipeline:
    description:
      - The pipeline, as its RV(netops.changerail.pipeline#module:id) or the registered result of M(netops.changerail.pipeline), also one with C(wait=false).
      - For GitLab that is the project's number and the pipeline's, such as V(42/4711).
      - With V(local) only the registered result will do.
    type: raw
    required: true
extends_documentation_fragment:
  - netops.changerail.attributes
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
  - python >= 3.11
  - requests
seealso:
  - module: netops.changerail.pipeline
"""

EXAMPLES = r"""
- name: How does the deployment stand?
  netops.changerail.pipeline_info:
    pipeline: "{{ started }}"
  register: deployment

- name: Say so
  ansible.builtin.debug:
    msg: "{{ deployment.url }} is {{ deployment.status }}"
"""

RETURN = r"""
provider:
  description: The system.
  returned: success
  type: str
  sample: gitlab
id:
  description: The pipeline's identity.
  returned: success
  type: str
  sample: 42/4711
status:
  description: How it stands, V(running), V(blocked) (it waits for a person or a timer), V(success), V(failed), V(canceled) or V(lost) (nobody can tell).
  returned: success
  type: str
  sample: running
url:
  description: Where to look at it.
  returned: success
  type: str
  sample: https://gitlab.example.net/net/edge/-/pipelines/4711
message:
  description: What it is at.
  returned: success
  type: str
  sample: job deploy
jobs:
  description: Its jobs, each with C(name), C(status) and C(url).
  returned: success
  type: list
  elements: dict
  sample: [{name: validate, status: success, url: "https://gitlab.example.net/net/edge/-/jobs/1"}]
failure:
  description: The class of the failure, V(transient), V(failed) or V(unknown).
  returned: on failure
  type: str
  sample: transient
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netops.changerail.plugins.module_utils import module as door
from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, Context
from ansible_collections.netops.changerail.plugins.module_utils.provider import chosen, pipelines


def named(given: Any) -> Mapping[str, str]:
    """Provider, id and key of a pipeline, as far as ``given`` knows them: an id, or the result of a task that started it."""
    if not isinstance(given, Mapping):
        return {"id": str(given)}
    at = (given.get("handle") or {}).get("at") or given
    if not at.get("id"):
        raise OperationError(
            "pipeline: expected a pipeline's id or the registered result of a netops.changerail.pipeline task; this mapping has neither "
            "'id' nor a 'handle' with one"
        )
    return {name: str(value) for name, value in {**at, "key": given.get("key")}.items() if value}


def look(given: Mapping[str, str], provider: str | None, surroundings: Context) -> dict[str, JSON]:
    """The pipeline as it stands."""
    name = chosen(provider or given.get("provider"), "pipelines", surroundings)
    seen = pipelines(name, surroundings).look(given["id"])
    return {
        "provider": name,
        "id": seen.id,
        "status": seen.status.value,
        "url": seen.url,
        "message": seen.message,
        "jobs": [asdict(job) for job in seen.jobs],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "provider": {"type": "str"},
            "pipeline": {"type": "raw", "required": True},
            **door.GITLAB,
            **door.LOCAL,
        },
        supports_check_mode=True,
    )
    given = door.ask(module, lambda: named(module.params["pipeline"]))
    key = given.get("key", "")
    surroundings = door.context(module, key, door.kept_folder("pipeline", key) if key else None)
    seen = door.ask(module, lambda: look(given, module.params["provider"], surroundings))
    module.exit_json(changed=False, **seen)


if __name__ == "__main__":
    main()
