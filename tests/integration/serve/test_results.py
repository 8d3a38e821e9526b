"""What a run has to show for itself, at a real server: registered results, artifacts and their download, and when a step is tried again."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.forms import Browser
from support.team import PASSWORD, Team, team

from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import wake_server

MADE = """
name: Makes files
steps:
  - id: made
    name: "<b>Collect</b>"
    register: collected
    example.world.act: {world: "{{ world }}", result: "{{ made }}"}
  - {id: ask, approval: {groups: [neteng]}}
"""
TRIED_AGAIN = """
name: Tries again
steps:
  - {id: push, example.world.act: {world: "{{ world }}", failure: transient, times: 9}, retries: 3, delay: 3600}
"""
LARGE = 100 * 1024 * 1024


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("results")) as made:
        for name in ("reader", "other"):
            role = {"reader": "viewer", "other": "requester"}[name]
            made.add(name, Grant(role), password=PASSWORD)
        yield made


@pytest.fixture(scope="module")
def browser(people: Team) -> Browser:
    return Browser(people.server.url).sign_in("reader")


def named(name: str, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": name, "path": str(path), "sha256": digest, "size": path.stat().st_size}


def made(people: Team, run: str, **artifacts: dict[str, Any]) -> None:
    """A run that waits after a step which made these files."""
    wake_server(people.bench.create(MADE, run, {"made": {"count": 7, "artifacts": artifacts}}))
    people.until(run)


def links(text: str) -> dict[str, str]:
    """Addresses of downloads by the name that stands on them."""
    return {
        unescape(name): unescape(place) for place, name in re.findall(r'<a href="([^"]+)" download>([^<]*)</a>', text)
    }


def test_results_and_artifacts_with_hostile_names(people: Team, browser: Browser) -> None:
    file = people.bench.state.path / "config.txt"
    file.write_text("hostname edge1\n")
    names = {"a": "../../etc/passwd", "b": '"><script>alert(1)</script>', "c": "a\x1b[31m\u202eb\r\nX-Evil: 1"}
    made(people, "shown", **{key: named(name, file) for key, name in names.items()})
    status, text = browser.get("/runs/shown/results")
    assert status == 200 and not re.search(r"<script>|<b>Collect|\x1b|\u202e", text)
    assert "<b>collected</b>" in text and "&#34;count&#34;: 7" in text and "15 B" in text
    assert hashlib.sha256(b"hostname edge1\n").hexdigest() in text
    found = links(text)
    assert set(found) == {"../../etc/passwd", '"><script>alert(1)</script>', "a\\x1b[31m\\u202eb\\r\nX-Evil: 1"}
    came = {}
    for name, place in found.items():
        assert browser.get(place) == (200, "hostname edge1\n")
        came[name] = browser.headers["content-disposition"]
        assert browser.headers["content-type"] == "application/octet-stream"
        assert browser.headers["x-content-type-options"] == "nosniff"
        assert browser.headers["content-security-policy"].startswith("default-src 'none'")
        assert "x-evil" not in browser.headers
    assert came["../../etc/passwd"] == 'attachment; filename="passwd"'
    assert all(re.fullmatch(r'attachment; filename="[A-Za-z0-9_][A-Za-z0-9._-]*"', said) for said in came.values())
    assert found["../../etc/passwd"] in unescape(browser.get("/runs/shown/step?path=made")[1])
    assert "/runs/shown/results" in browser.get("/runs/shown")[1]


def test_only_what_the_journal_names_is_handed_out(people: Team, browser: Browser) -> None:
    state, outside = people.bench.state.path, people.bench.folder / "outside"
    outside.write_text("secret")
    files = {name: state / f"{name}.txt" for name in ("same", "other", "gone", "linked")}
    for file in files.values():
        file.write_text("same")
    made(
        people,
        "named",
        outside=named("outside", outside),
        climbing={**named("climbing", outside), "path": f"{state}/../outside"},
        nothing={**named("nothing", outside), "path": "a\0b"},
        waits={**named("waits", outside), "path": f"{state}/runs/named/wake", "size": 0},
        **{name: named(name, file) for name, file in files.items()},
    )
    files["other"].write_text("else")
    files["gone"].unlink()
    files["linked"].unlink()
    files["linked"].symlink_to(outside)
    os.mkfifo(state / "pipe")
    text = browser.get("/runs/named/results")[1]
    assert set(links(text)) == {"same", "other"}, "a change that leaves the size is found when it is asked for"
    assert "its file is gone" in text and "outside of the state folder" in text
    wanted = {"same": 200, "other": 409, "gone": 409, "waits": 409, "none": 404}
    wanted |= dict.fromkeys(("outside", "climbing", "linked", "nothing"), 404)
    page = "/runs/named/artifact?path=made&name="
    assert {name: browser.get(f"{page}{name}")[0] for name in wanted} == wanted
    status, text = browser.get(f"{page}other")
    assert status == 409 and "its SHA-256 is not the recorded one" in text and "<h1>" in text
    assert browser.get(f"{page}same&sha256=00")[0] == 404
    assert browser.get("/runs/named/artifact?path=../../etc&name=passwd")[0] == 404
    assert Browser(people.server.url).get(f"{page}same")[0] == 303, "nobody without signing in"
    assert Browser(people.server.url).sign_in("other").get(f"{page}same")[0] == 404, "nor who may not see the run"


def test_an_artifact_of_100_megabytes_is_never_in_memory(people: Team, browser: Browser) -> None:
    file = people.bench.state.path / "large.pcap"
    with file.open("wb") as stream:
        stream.truncate(LARGE)
    made(people, "large", large=named("large.pcap", file))
    place = links(browser.get("/runs/large/results")[1])["large.pcap"]
    before = peak(people)
    connection = http.client.HTTPConnection(urlsplit(people.server.url).netloc, timeout=60)
    connection.request("GET", place, headers={"Cookie": f"changerail={browser.cookies['changerail']}"})
    reply, received = connection.getresponse(), 0
    assert reply.status == 200 and reply.getheader("content-length") == str(LARGE)
    while piece := reply.read(1 << 20):
        received += len(piece)
    connection.close()
    assert received == LARGE
    assert peak(people) - before < 20_000_000


def peak(people: Team) -> int:
    """The most memory that the server has had, in bytes."""
    process = people.server.process
    assert process is not None
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def test_a_step_says_when_it_is_tried_again(people: Team, browser: Browser) -> None:
    wake_server(people.bench.create(TRIED_AGAIN, "again"))
    people.until("again")
    text = browser.get("/runs/again")[1]
    assert re.search(r"next try at \d{4}-\d\d-\d\d \d\d:\d\d[^<]*\(in 59m \d\ds\)", text), text
