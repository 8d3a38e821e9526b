"""Keywords whose values are templates: read in a run as they are read when they are written out."""

from __future__ import annotations

import pytest
from support.runs import Bench

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e

FLOW = """
name: a change
vars: {limit: VALUE}
steps:
  - id: one
    ansible.builtin.debug: {msg: hello}
    timeout: "{{ limit }}"
    delay: "{{ limit }}"
    ignore_errors: "{{ false }}"
"""


@pytest.mark.parametrize(("written", "seconds"), [("90", 90), ("2h30m", 9000), ("'1.5'", 1.5)])
def test_a_duration(tmp_path, written, seconds):
    ending, events = Bench(tmp_path).run(FLOW.replace("VALUE", written).replace("", ""))
    entered = next(event for event in events if isinstance(event, e.Evaluated))
    assert ending.status == "succeeded"
    assert (entered.values["timeout"], entered.values["delay"]) == (seconds, seconds)


@pytest.mark.parametrize("written", ["soon", "-1", "[1]"])
def test_what_is_no_duration_fails_the_step(tmp_path, written):
    ending, _events = Bench(tmp_path).run(FLOW.replace("VALUE", written).replace("", ""))
    assert ending.status == "failed"
    assert "timeout: expected seconds or a duration such as 15m or 2h30m" in ending.message
