# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The provider ``gitlab``: pipelines of a GitLab server, and what is approved there; found by ``operation.find``."""

from __future__ import annotations

from ansible_collections.netops.changerail.plugins.module_utils.gitlab.approvals import GitLabApprovals
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.pipelines import GitLabPipelines
from ansible_collections.netops.changerail.plugins.module_utils.provider import Provider

PROVIDER = Provider(pipelines=GitLabPipelines, approvals=GitLabApprovals)
