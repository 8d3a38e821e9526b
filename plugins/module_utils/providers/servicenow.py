# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The provider ``servicenow``: change requests of a ServiceNow instance; found by ``operation.find``."""

from __future__ import annotations

from ansible_collections.netops.changerail.plugins.module_utils.provider import Provider
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.records import ServiceNowRecords

PROVIDER = Provider(records=ServiceNowRecords)
