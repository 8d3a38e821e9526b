# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option with the connection to GitLab, for the documentation of modules that have it; Ansible reads it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  gitlab:
    description:
      - The connection to a GitLab server, by the names C(connections.gitlab) has in C(changerail.yml).
      - What is not given is taken from the environment.
    type: dict
    suboptions:
      url:
        description: Address of the server without C(/api/v4), such as V(https://gitlab.example.net). Otherwise E(GITLAB_URL).
        type: str
      token:
        description: Access token (personal, project or group) with the scope C(api). Otherwise E(GITLAB_TOKEN). Needed for looking in any case.
        type: str
      trigger_token:
        description: Trigger token that starts pipelines in place of the access token, as the user who owns it. Otherwise E(GITLAB_TRIGGER_TOKEN).
        type: str
      marker:
        description:
          - How a pipeline carries its key, V(variable) for the variable E(CHANGERAIL_KEY), V(input) for the input C(changerail_key).
          - Say V(input) where the project forbids pipeline variables, and declare the input in the CI file.
        type: str
        choices: [variable, input]
        default: variable
      ca_path:
        description: File or folder with the CA that the server's certificate is checked against.
        type: path
      verify:
        description: Whether to check the server's certificate.
        type: bool
        default: true
      headers:
        description: More headers for every request.
        type: dict
      interval:
        description: Seconds between two looks at a running pipeline.
        type: float
        default: 10.0
      lag:
        description:
          - Seconds a new pipeline may be missing from the server's lists.
          - After a request without a usable answer, a pipeline is searched for this long before it counts as not started.
        type: float
        default: 30.0
"""
