"""Diffs as people review them, device by device."""

from __future__ import annotations

import difflib

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netops.changerail.plugins.plugin_utils.views.diffs import (
    ADDED,
    NOTE,
    PLACE,
    REMOVED,
    SAME,
    DiffLine,
    devices,
    side_by_side,
)

UNIFIED = """### edge-fra
--- edge-fra: running
+++ edge-fra: rendered
@@ -3,3 +3,4 @@
 router bgp 65001
- neighbor 192.0.2.1 shutdown
+ neighbor 192.0.2.1 description Amsterdam
+ network 203.0.113.0/24
 exit

### edge-ams
--- edge-ams: running
+++ edge-ams: rendered
@@ -1 +1,2 @@
 hostname edge-ams
+--- a line that looks like a file
"""
FRR = """### r1

Lines To Delete
===============
router bgp 65001
 no neighbor 192.0.2.1 shutdown

Lines To Add
============
router bgp 65001
 network 203.0.113.0/24
"""


def test_one_diff_of_several_devices() -> None:
    fra, ams = devices(UNIFIED)
    assert (fra.device, fra.added, fra.removed) == ("edge-fra", 2, 1)
    assert (ams.device, ams.added, ams.removed) == ("edge-ams", 1, 0)
    assert [line for line in fra.lines if line.kind != NOTE] == [
        DiffLine(PLACE, "@@ -3,3 +3,4 @@"),
        DiffLine(SAME, "router bgp 65001", 3, 3),
        DiffLine(REMOVED, " neighbor 192.0.2.1 shutdown", 4, None),
        DiffLine(ADDED, " neighbor 192.0.2.1 description Amsterdam", None, 4),
        DiffLine(ADDED, " network 203.0.113.0/24", None, 5),
        DiffLine(SAME, "exit", 5, 6),
    ]
    # What is in a hunk is content, whatever it looks like.
    assert ams.lines[-1] == DiffLine(ADDED, "--- a line that looks like a file", None, 2)


def test_what_frr_reload_prints() -> None:
    (router,) = devices(FRR)
    assert (router.device, router.added, router.removed) == ("r1", 2, 2)
    assert [line.text for line in router.lines if line.kind == REMOVED] == [
        "router bgp 65001",
        " no neighbor 192.0.2.1 shutdown",
    ]


def test_files_of_git_and_of_diff() -> None:
    git = "diff --git a/r1.conf b/r1.conf\nindex 1..2 100644\n--- a/r1.conf\n+++ b/r1.conf\n@@ -1 +1 @@\n-a\n+b\n"
    plain = "--- r2.conf\t2026-01-01\n+++ r2.conf\t2026-01-02\n@@ -1 +1 @@\n-a\n+b\n"
    assert [device.device for device in devices(git + plain)] == ["r1.conf", "r2.conf"]
    new = "--- /dev/null\n+++ b/r3.conf\n@@ -0,0 +1 @@\n+x\n"
    assert devices(new)[0].device == "r3.conf"


def test_side_by_side() -> None:
    fra = devices(UNIFIED)[0]
    changed = [
        (pair.left and pair.left.text, pair.right and pair.right.text)
        for pair in side_by_side(fra.lines)
        if pair.both is None
    ]
    assert changed == [
        ("router bgp 65001", "router bgp 65001"),
        (" neighbor 192.0.2.1 shutdown", " neighbor 192.0.2.1 description Amsterdam"),
        (None, " network 203.0.113.0/24"),
        ("exit", "exit"),
    ]


def test_a_hunk_that_is_shorter_than_it_says_hides_nothing() -> None:
    cut = "--- a\n+++ b\n@@ -1,9 +1,9 @@\n-x\n### r2\n+y\n"
    assert [(device.device, device.added, device.removed) for device in devices(cut)] == [("a", 0, 1), ("r2", 1, 0)]


def test_nothing_at_all() -> None:
    assert devices("") == ()


LINES = st.lists(
    st.text(st.characters(blacklist_characters="\n\r", blacklist_categories=("Cs",)), max_size=8), max_size=12
)


@given(LINES, LINES)
def test_both_sides_can_be_read_off_the_view(old: list[str], new: list[str]) -> None:
    text = "\n".join(difflib.unified_diff(old, new, "r1", "r1", lineterm="", n=99))
    for device in devices(text):
        pairs = [pair for pair in side_by_side(device.lines) if pair.both is None]
        assert [pair.left.text for pair in pairs if pair.left] == old
        assert [pair.right.text for pair in pairs if pair.right] == new


@given(st.lists(st.text("+-#@ =\\abc", max_size=6), max_size=12))
def test_every_letter_of_any_text_is_kept(lines: list[str]) -> None:
    kept = "".join(device.device + "".join(line.text for line in device.lines) for device in devices("\n".join(lines)))
    for letter in "abc":
        assert kept.count(letter) >= "".join(lines).count(letter)
