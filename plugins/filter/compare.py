# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``compare``: what a device said before a change beside what it says afterwards; Ansible and the role ``checks`` call it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: compare
short_description: Compare two outputs of the same command
version_added: 0.1.0
author: changerail contributors (!UNKNOWN)
description:
  - Says whether two outputs are the same, which lines are gone and which are new, and shows the difference as a diff.
  - Where both are JSON they are compared by value, as one line for each value with its path before it, such as
    C(peers.192.0.2.1.state=Established). Elements of a list have their index in the path.
  - What changes by itself, such as counters and timers, is left out with O(only), O(ignore) and O(mask), which are tried in this order.
    All are regular expressions of Python and may match anywhere in a line.
positional: _input, after
options:
  _input:
    description: The output before the change.
    type: str
    required: true
  after:
    description: The output after it.
    type: str
    required: true
  only:
    description: Lines that match none of these do not count. Without any, all lines count.
    type: list
    elements: str
    default: []
  ignore:
    description: Lines that match any of these do not count.
    type: list
    elements: str
    default: []
  mask:
    description: What matches one of these is taken out of its line.
    type: list
    elements: str
    default: []
  expect:
    description:
      - What RV(_value.passed) asks for. V(same) lets nothing differ, V(kept) lets lines be new, but none be gone,
        V(changed) wants a difference, V(any) takes everything.
    type: str
    choices: [same, kept, changed, any]
    default: same
  name:
    description: What is compared, for the message and the head of the diff.
    type: str
    default: output
"""

EXAMPLES = r"""
- name: No session that was up is gone
  ansible.builtin.assert:
    that: sessions.passed
    fail_msg: "{{ sessions.message }}"
  vars:
    sessions: "{{ before.stdout | netops.changerail.compare(after.stdout, only=['\\.state=Established'], expect='kept') }}"
"""

RETURN = r"""
_value:
  description: What the comparison found.
  type: dict
  contains:
    same:
      description: Whether what counts is the same, line by line.
      type: bool
      sample: false
    lost:
      description: Lines that are no longer there, wherever they stood.
      type: list
      elements: str
      sample: [peers.192.0.2.1.state=Established]
    new:
      description: Lines that were not there before, wherever they stand.
      type: list
      elements: str
      sample: [peers.192.0.2.1.state=Idle]
    diff:
      description: The difference as a unified diff, empty when there is none.
      type: str
      sample: "--- sessions, before\n+++ sessions, after\n@@ -1 +1 @@\n-peers.192.0.2.1.state=Established\n+peers.192.0.2.1.state=Idle\n"
    expect:
      description: What was expected.
      type: str
      sample: same
    passed:
      description: Whether it is as expected.
      type: bool
      sample: false
    message:
      description: What is wrong, with the beginning of the diff. Empty when it is as expected.
      type: str
      sample: "sessions: expected the same\n--- sessions, before\n+++ sessions, after\n"
"""

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

_WANTED = {
    "same": "expected the same as before",
    "kept": "expected everything that was there before",
    "changed": "expected a difference, there is none",
}
_MOST = 4000
"""Characters of a diff that a message quotes."""


def compare(
    before: str,
    after: str,
    only: Sequence[str] = (),
    ignore: Sequence[str] = (),
    mask: Sequence[str] = (),
    expect: str = "same",
    name: str = "output",
) -> dict[str, Any]:
    """See DOCUMENTATION. Raises AnsibleFilterError."""
    for which, output in (("before", before), ("after", after)):
        if not isinstance(output, str):
            raise AnsibleFilterError(f"compare: the output {which} is {type(output).__name__}, expected text")
    patterns = {what: _compiled(what, given) for what, given in (("only", only), ("ignore", ignore), ("mask", mask))}
    if expect not in (*_WANTED, "any"):
        raise AnsibleFilterError(f"compare: expect: {expect!r} is none of {', '.join(_WANTED)}, any")
    pair = _as_values(before, after) or (before.splitlines(), after.splitlines())
    old, new = (_counting(lines, **patterns) for lines in pair)
    diff = "".join(
        f"{line}\n" for line in difflib.unified_diff(old, new, f"{name}, before", f"{name}, after", lineterm="")
    )
    lost = list((Counter(old) - Counter(new)).elements())
    passed = {"same": old == new, "kept": not lost, "changed": old != new, "any": True}[expect]
    return {
        "same": old == new,
        "lost": lost,
        "new": list((Counter(new) - Counter(old)).elements()),
        "diff": diff,
        "expect": expect,
        "passed": passed,
        "message": "" if passed else f"{name}: {_WANTED[expect]}\n{diff[:_MOST]}".rstrip(),
    }


def _compiled(what: str, patterns: Sequence[str]) -> list[re.Pattern[str]]:
    given = [patterns] if isinstance(patterns, str) else patterns
    try:
        return [re.compile(pattern) for pattern in given]
    except (re.error, TypeError) as error:
        raise AnsibleFilterError(f"compare: {what}: expected regular expressions, got {given!r}: {error}") from None


def _counting(
    lines: Sequence[str], only: list[re.Pattern[str]], ignore: list[re.Pattern[str]], mask: list[re.Pattern[str]]
) -> list[str]:
    """The lines that count, without what is masked in them and without blanks at their ends."""
    counting = []
    for line in lines:
        if only and not any(pattern.search(line) for pattern in only):
            continue
        if any(pattern.search(line) for pattern in ignore):
            continue
        for pattern in mask:
            line = pattern.sub("", line)
        counting.append(line.rstrip())
    return counting


def _as_values(before: str, after: str) -> tuple[list[str], list[str]] | None:
    """Both outputs as lines of values when both are JSON objects or lists."""
    try:
        trees = (json.loads(before), json.loads(after))
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(tree, (dict, list)) for tree in trees):
        return None
    old, new = (list(_values(tree)) for tree in trees)
    return old, new


def _values(tree: Any) -> Iterator[str]:
    """``path=value`` for each value, by path; without recursion, since what a device says may be nested as deep as JSON allows."""
    waiting: list[tuple[str, Any]] = [("", tree)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, dict) and node:
            inner = [(f"{path}.{key}" if path else str(key), node[key]) for key in sorted(node, key=str)]
        elif isinstance(node, list) and node:
            inner = [(f"{path}[{index}]", value) for index, value in enumerate(node)]
        else:
            yield f"{path}={node if isinstance(node, str) else json.dumps(node)}"
            continue
        waiting.extend(reversed(inner))


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        return {"compare": compare}
