# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The provider ``local``: change records in files and pipelines as commands of this machine; found by ``operation.find``."""

from __future__ import annotations

from ansible_collections.netops.changerail.plugins.module_utils.local.pipelines import LocalPipelines
from ansible_collections.netops.changerail.plugins.module_utils.local.records import LocalRecords
from ansible_collections.netops.changerail.plugins.module_utils.provider import Provider

PROVIDER = Provider(records=LocalRecords, pipelines=LocalPipelines)
