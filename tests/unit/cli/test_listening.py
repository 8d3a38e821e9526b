"""Where a server listens, and where it refuses to; real sockets on loopback."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, RunError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli import listening
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.listening import Place, place_of


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:8400", Place("127.0.0.1", 8400)),
        ("8400", Place("127.0.0.1", 8400)),
        ("[::1]:8400", Place("::1", 8400)),
        ("localhost:0", Place("localhost", 0)),
        ("unix:/run/x.sock", Place(path="/run/x.sock")),
    ],
)
def test_places(text, place):
    assert place_of(text) == place


@pytest.mark.parametrize("text", ["", "host", "127.0.0.1:http", "127.0.0.1:65536", "unix:relative", "127.0.0.1:-1"])
def test_what_is_no_place(text):
    with pytest.raises(AuthorError, match="expected"):
        place_of(text)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1"])
def test_other_addresses_need_tls_or_a_named_proxy(address):
    with pytest.raises(AuthorError, match=r"refusing to listen .* without TLS"):
        listening.check(address, False, ())
    listening.check(address, True, ())
    listening.check(address, False, ("192.0.2.9",))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_needs_nothing(address):
    listening.check(address, False, ())


def test_nothing_is_opened_that_is_refused():
    with pytest.raises(AuthorError, match="without TLS"):
        listening.opened(Place("0.0.0.0", 0), False, ())


def test_a_taken_port_and_a_name_that_is_none_are_said():
    (held,) = listening.opened(Place("127.0.0.1", 0), False, ())
    try:
        with pytest.raises(RunError, match="in use"):
            listening.opened(Place("127.0.0.1", held.getsockname()[1]), False, ())
    finally:
        held.close()
    with pytest.raises(AuthorError, match="is no address"):
        listening.opened(Place("name.invalid", 0), False, ())


def test_a_socket_file_is_for_owner_and_group_and_replaces_one_left_behind(tmp_path: Path):
    path = str(tmp_path / "s.sock")
    left = socket.socket(socket.AF_UNIX)
    left.bind(path)
    left.close()
    (made,) = listening.opened(Place(path=path), False, ())
    try:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        assert listening.is_local(made)
        with pytest.raises(RunError, match="in use"):
            listening.opened(Place(path=path), False, ())
    finally:
        made.close()


def test_no_other_file_is_removed(tmp_path: Path):
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(RunError, match="in use"):
        listening.opened(Place(path=str(path)), False, ())
    assert path.read_text() == "data"


def test_systemd_is_told_and_its_absence_is_no_error(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        listening.tell_systemd({"NOTIFY_SOCKET": str(tmp_path / "notify")}, "READY=1")
        assert ear.recv(100) == b"READY=1"
    listening.tell_systemd({}, "READY=1")
    listening.tell_systemd({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, "READY=1")


def test_sockets_meant_for_another_process_are_not_taken():
    assert listening.handed_over({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, False, ()) == []
