# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback plugin that records any playbook in a run's journal, as evidence; Ansible loads it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: evidence
type: notification
short_description: Record a playbook in the journal of a run
version_added: 0.1.0
author: changerail contributors (!UNKNOWN)
description:
  - Records what a playbook does that C(ansible-playbook) was started with by hand, by a pipeline or by AWX. Its events, the diffs of what it changed,
    and how it ended go into the journal of a run and so into the run's evidence.
  - The run is named by O(run). When it is there, the playbook is evidence of it, whether the run waits, is driven by another process or is over.
    When it is not there, a run of its own is made, which is over at once and says what came of the playbook.
  - A run is written to when the playbook ends. A playbook that is interrupted is recorded as one of which nobody knows what it has done.
    Of one that is killed only the events are there, in the folder C(recorded) of the run's folder.
  - C(no_log) is honoured. Values of extra variables and of variables of a play whose names say that they are secret are hidden wherever they appear.
  - Nothing of this can fail a playbook. What goes wrong here is a warning.
  - Playbooks that a run of changerail starts are recorded by that run in any case, and this plugin leaves them alone.
requirements:
  - enable in configuration, C(callbacks_enabled = netops.changerail.evidence)
  - on the controller, Python 3.11 or newer and the libraries of changerail
options:
  run:
    description:
      - The id of the run, at most 100 letters, digits, dots, dashes and underscores.
      - Without it every playbook gets a run of its own, called after the playbook and the day.
    type: str
    default: ''
    env:
      - name: CHANGERAIL_EVIDENCE_RUN
    ini:
      - section: callback_changerail_evidence
        key: run
  max_result:
    description: Results longer than this many bytes of JSON are shortened.
    type: int
    default: 65536
    env:
      - name: CHANGERAIL_EVIDENCE_MAX_RESULT
    ini:
      - section: callback_changerail_evidence
        key: max_result
seealso:
  - plugin: netops.changerail.evidence
    plugin_type: filter
  - plugin: netops.changerail.timeline
    plugin_type: filter
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  callbacks_enabled = netops.changerail.evidence

.gitlab-ci.yml: |
  deploy:
    script:
      - ansible-playbook deploy.yml --diff
    variables:
      ANSIBLE_CALLBACKS_ENABLED: netops.changerail.evidence
      CHANGERAIL_EVIDENCE_RUN: CHG-4711
"""

import atexit
import json
import os
import time
from typing import TYPE_CHECKING, Any

from ansible_collections.netops.changerail.plugins.callback.events import CallbackModule as Events
from ansible_collections.netops.changerail.plugins.callback.events import encode
from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError

if TYPE_CHECKING:
    from ansible_collections.netops.changerail.plugins.plugin_utils.runs.recording import Recording


class CallbackModule(Events):
    """Writes the events as the plugin events does, into the run's folder, and at the end the journal."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "netops.changerail.evidence"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._recording: Recording | None = None
        self._process = os.getpid()
        self._masker: Any = None
        self._person = ""

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        """Called by Ansible once the options are known; nothing is written before the playbook's name is known."""
        super(Events, self).set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.attempt import MARKER

        self.disabled = MARKER in os.environ

    def v2_playbook_on_start(self, playbook: Any) -> None:
        try:
            from ansible_collections.netops.changerail.plugins.plugin_utils.engine.mask import Masker
            from ansible_collections.netops.changerail.plugins.plugin_utils.runs import recording

            self._masker = Masker()
            self._recording = recording.begin(self.get_option("run"), playbook._file_name, time.time())
            self._open(self._recording.events)
        except (ChangerailError, ModuleNotFoundError, OSError) as error:
            self._give_up(error)
            return
        # Ansible does not say when a playbook is interrupted.
        atexit.register(self._conclude)
        self._write("playbook", playbook=playbook._file_name)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        from ansible_collections.netops.changerail.plugins.plugin_utils.cli.from_playbook import launched_by
        from ansible_collections.netops.changerail.plugins.plugin_utils.engine.mask import secrets_by_name

        extra_vars = play.get_variable_manager().extra_vars
        self._masker.add(secrets_by_name([extra_vars, play.get_vars()]))
        self._person = launched_by(extra_vars)
        super().v2_playbook_on_play_start(play)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        super().v2_playbook_on_stats(stats)
        self._conclude()

    def _write(self, event: str, **fields: Any) -> None:
        if self.disabled:
            return
        try:
            # As JSON first: a vaulted value must not decrypt itself on the way.
            super()._write(event, **self._masker.plain(json.loads(encode(fields))))
        except OSError as error:
            self._give_up(error)

    def _conclude(self) -> None:
        """Once, and only in the process that began: workers are forks of it."""
        found, self._recording = self._recording, None
        if found is None or self.disabled or os.getpid() != self._process:
            return
        from ansible_collections.netops.changerail.plugins.plugin_utils.runs import recording

        try:
            self._display.v(f"changerail: {recording.conclude(found, self._person, time.time())}")
        except (ChangerailError, OSError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.disabled = True
        said = f"the Python library {error.name} is missing" if isinstance(error, ModuleNotFoundError) else error
        self._display.warning(f"netops.changerail.evidence: this playbook is not recorded: {said}")
