# The filter compare: texts, JSON, what does not count, and what is no pattern. Run by pytest.
from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netops.changerail.plugins.filter.compare import compare


def test_the_same_text_is_the_same_and_has_no_diff():
    found = compare("up 1\nup 2\n", "up 1  \nup 2")
    assert (found["same"], found["lost"], found["new"], found["diff"], found["message"]) == (True, [], [], "", "")


def test_what_is_gone_and_what_is_new_wherever_it_stands():
    found = compare("a\nb\nb\nc", "c\nb\na\nd", name="routes")
    assert (found["same"], found["lost"], found["new"]) == (False, ["b"], ["d"])
    assert found["diff"].startswith("--- routes, before\n+++ routes, after\n@@ ")


def test_lines_in_another_order_are_not_the_same_but_nothing_is_lost():
    found = compare("a\nb", "b\na")
    assert (found["same"], found["lost"], found["new"]) == (False, [], [])


def test_json_is_compared_by_value_not_by_its_writing():
    before = {"peers": {"192.0.2.1": {"state": "Established", "uptime": 12}}, "ids": [1, {}], "none": None}
    assert compare(json.dumps(before), json.dumps(before, indent=4, sort_keys=True))["same"]
    after = {"peers": {"192.0.2.1": {"state": "Idle", "uptime": 3}}, "ids": [1, {}], "none": None}
    found = compare(json.dumps(before), json.dumps(after), ignore=[r"\.uptime="])
    assert found["lost"] == ["peers.192.0.2.1.state=Established"]
    assert found["new"] == ["peers.192.0.2.1.state=Idle"]


def test_json_on_one_side_only_is_text():
    assert not compare('{"a": 1}', "error: no such command")["same"]


def test_only_then_ignore_then_mask():
    before = "B 10.0.0.0/8 via r1, 00:01:02\nB 10.9.0.0/16 via r1, 00:09:00\nC 192.0.2.0/24\n"
    after = "B 10.0.0.0/8 via r1, 00:07:08\nC 192.0.2.0/24 down\n"
    found = compare(before, after, only=["^B"], ignore=["10.9"], mask=[r", \d\d:\d\d:\d\d"])
    assert found["same"]


@pytest.mark.parametrize(
    ("expect", "same", "more", "less"),
    [
        ("same", True, False, False),
        ("kept", True, True, False),
        ("changed", False, True, True),
        ("any", True, True, True),
    ],
)
def test_what_is_expected(expect, same, more, less):
    outputs = ("a", "a\nb", "")
    found = [compare("a", output, expect=expect, name="routes") for output in outputs]
    assert [each["passed"] for each in found] == [same, more, less]
    for each in found:
        assert each["message"].startswith("routes: expected ") != each["passed"]


def test_what_can_not_be_expected_is_named():
    with pytest.raises(AnsibleFilterError, match="expect: 'equal' is none of same, kept, changed, any"):
        compare("a", "b", expect="equal")


@pytest.mark.parametrize("patterns", [{"only": ["("]}, {"ignore": [7]}, {"mask": "*"}])
def test_what_is_no_pattern_is_named(patterns):
    (what,) = patterns
    with pytest.raises(AnsibleFilterError, match=f"compare: {what}: expected regular expressions"):
        compare("a", "b", **patterns)


def test_an_output_that_is_no_text_is_named():
    with pytest.raises(AnsibleFilterError, match="the output after is dict, expected text"):
        compare("a", {"stdout": "b"})


def test_json_nested_as_deep_as_it_gets_is_compared():
    deep = "[" * 900 + "1" + "]" * 900
    assert compare(deep, deep.replace("1", "2"))["lost"] == ["[0]" * 900 + "=1"]


@given(st.lists(st.text("ab\n", max_size=3)), st.lists(st.text("ab\n", max_size=3)))
def test_the_same_means_nothing_lost_nothing_new_and_no_diff(before, after):
    found = compare("\n".join(before), "\n".join(after))
    if found["same"]:
        assert (found["lost"], found["new"], found["diff"]) == ([], [], "")
    else:
        assert found["diff"]
