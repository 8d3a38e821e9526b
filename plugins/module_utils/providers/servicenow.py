# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The provider ``servicenow``: change requests and change tasks of a ServiceNow instance; found by ``operation.find``."""

from __future__ import annotations

from ansible_collections.netops.changerail.plugins.module_utils.provider import Provider
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.records import ServiceNowRecords
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.tasks import ServiceNowTasks

PROVIDER = Provider(records=ServiceNowRecords, tasks=ServiceNowTasks)
