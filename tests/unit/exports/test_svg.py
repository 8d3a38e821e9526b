"""Runs as pictures."""

from __future__ import annotations

from xml.etree import ElementTree

from ansible_collections.netops.changerail.plugins.plugin_utils.exports.svg import MOST, svg
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import RunStatus, StepStatus
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import RunSummary

HOSTILE = '</title><script>alert(1)</script>\x1b[31m\u202e"'


def step(
    path: str, kind: str = "step", state: str = "ok", children: tuple[StepStatus, ...] = (), **more: object
) -> StepStatus:
    name = str(more.pop("name", path))
    return StepStatus(path, name, "", kind, "", "body", state, children=children, **more)  # type: ignore[arg-type]


def drawn(*steps: StepStatus) -> ElementTree.Element:
    return ElementTree.fromstring(svg(RunStatus(RunSummary("r", HOSTILE, "running", "", 0.0, 0.0), steps, {}), 100.0))


def boxes(picture: ElementTree.Element) -> dict[str, tuple[int, ...]]:
    found = {}
    for group in picture.iter("{http://www.w3.org/2000/svg}g"):
        rect = group.find("{http://www.w3.org/2000/svg}rect")
        found[group.attrib["data-path"]] = tuple(int(rect.attrib[side]) for side in ("x", "y", "width", "height"))
    return found


def test_one_after_the_other_and_side_by_side() -> None:
    found = boxes(drawn(step("a"), step("p", "parallel", "running", (step("p/x"), step("p/y"))), step("b")))
    assert found["a"][1] < found["p"][1] < found["b"][1]
    assert found["p/x"][1] == found["p/y"][1]
    assert found["p/x"][0] + found["p/x"][2] < found["p/y"][0]
    for inner in ("p/x", "p/y"):
        left, top, width, height = found[inner]
        assert found["p"][0] < left and left + width < found["p"][0] + found["p"][2]
        assert found["p"][1] < top and top + height < found["p"][1] + found["p"][3]


def test_what_is_tried_again_and_what_waits() -> None:
    text = "".join(
        drawn(step("a", state="retrying", next_try=130.0), step("b", state="waiting", since=40.0)).itertext()
    )
    assert "next try in 30s" in text
    assert "for 1m 00s" in text


def test_names_have_no_power() -> None:
    picture = drawn(step("a", name=HOSTILE))
    assert not list(picture.iter("{http://www.w3.org/2000/svg}script"))
    assert not {"\x1b", "\u202e"} & set("".join(picture.itertext()))


def test_thousands_of_items_and_deep_trees() -> None:
    many = tuple(step(f"l[{number}]") for number in range(5000))
    assert f"and {5000 - MOST} more" in "".join(drawn(step("l", "loop", children=many)).itertext())
    deep = step("d" * 3000)
    for depth in range(2999, 0, -1):
        deep = step("d" * depth, "block", children=(deep,))
    assert len(boxes(drawn(deep))) == 3000


def test_steps_that_only_follow_a_failure_say_so() -> None:
    undone = StepStatus("b/u", "Undo", "", "step", "", "rescue", "pending")
    assert "rescue: Undo" in "".join(drawn(step("b", "block", "running", (step("b/a"), undone))).itertext())
