# notify: mail through a real SMTP server and web hooks; who is meant, what is told twice and what is not, no secret shown.
from __future__ import annotations

import email
import json
import socket
from collections.abc import Iterator, Mapping
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from support.calls import call
from support.servers import Answer, Web, web

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, OperationError
from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of
from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed, Outcome
from ansible_collections.netops.changerail.plugins.module_utils.operations.notify import OPERATION


class Mailbox:
    """An SMTP server's mails; it refuses those to an address in ``refused``."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], Message]] = []
        self.refused: set[str] = set()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refused:
            return "451 mailbox is busy, token s3cret-mail"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append((list(envelope.rcpt_tos), email.message_from_bytes(envelope.content)))
        return "250 OK"

    @property
    def recipients(self) -> list[str]:
        return [address for addresses, _mail in self.mails for address in addresses]


@pytest.fixture
def post() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield box, port
    finally:
        server.stop()


@pytest.fixture
def hook() -> Iterator[Web]:
    with web() as server:
        server.answers["/hook"] = Answer()
        yield server


def tell(folder: Path, to: list[str], port: int = 0, **more: Any) -> Outcome:
    mail = {"host": "127.0.0.1", "port": port, "from": "changerail@example.net"}
    context: dict[str, Any] = {
        "connections": {"mail": mail},
        "settings": {
            "people": {"ann": {"mail": "ann@example.net"}, "ben": {"mail": "ben@example.net"}, "odd": {"mail": ""}},
            "groups": {"netops": ["ann", "ben"]},
            "channels": more.pop("channels", {}),
        },
        "requester": "ann",
    }
    context |= {name: more.pop(name) for name in ("attempt", "check", "requester") if name in more}
    args = {"to": to, "title": "CHG0000001", "message": "Deployed to ams1.", **more}
    return OPERATION.start(call(OPERATION, folder, args, **context))


def hook_url(server: Web, token: str = "s3cret-hook") -> str:
    return f"json://user:s3cret-pass@127.0.0.1:{server.port}/hook?+X-Token={token}"


def bodies(server: Web) -> list[Mapping[str, Any]]:
    return [json.loads(request.body) for request in server.asked]


def test_mail_to_people_groups_and_the_requester_once_each(tmp_path: Path, post: tuple[Mailbox, int]) -> None:
    box, port = post
    outcome = tell(tmp_path, ["netops", "ann", "requester", "terminal"], port)
    assert isinstance(outcome, Done), outcome
    assert sorted(box.recipients) == ["ann@example.net", "ben@example.net"]
    mail = box.mails[0][1]
    assert (mail["Subject"], mail["From"]) == ("CHG0000001", "changerail@example.net")
    assert "Deployed to ams1." in mail.as_string()
    assert outcome.result["terminal"] is True
    assert [row["to"] for row in outcome.result["delivered"]] == ["ann", "ben"]


def test_a_channel_is_told_with_its_credentials(tmp_path: Path, hook: Web) -> None:
    outcome = tell(tmp_path, ["chat"], channels={"chat": [hook_url(hook)]})
    assert isinstance(outcome, Done), outcome
    assert [(body["title"], body["message"]) for body in bodies(hook)] == [("CHG0000001", "Deployed to ams1.")]
    assert hook.asked[0].headers["X-Token"] == "s3cret-hook"
    assert outcome.result["delivered"] == [{"to": "chat", "by": "json"}]


def test_a_retry_tells_only_those_who_were_not_told(tmp_path: Path, post: tuple[Mailbox, int]) -> None:
    box, port = post
    box.refused.add("ben@example.net")
    first = tell(tmp_path, ["netops"], port)
    assert isinstance(first, Failed)
    assert first.failure == "transient"
    assert first.message.startswith("told ann; not told: ben by mailto: ")
    box.refused.clear()
    second = tell(tmp_path, ["netops"], port, attempt=2)
    assert isinstance(second, Done)
    assert box.recipients == ["ann@example.net", "ben@example.net"]
    assert [row["to"] for row in second.result["delivered"]] == ["ann", "ben"]


def test_start_again_tells_nobody_twice_and_another_message_is_told(tmp_path: Path, hook: Web) -> None:
    channels = {"chat": [hook_url(hook)]}
    for message in ("one", "one", "two"):
        assert isinstance(tell(tmp_path, ["chat"], channels=channels, message=message), Done)
    assert [body["message"] for body in bodies(hook)] == ["one", "two"]


def test_what_may_not_have_been_sent_is_sent_again(tmp_path: Path, hook: Web) -> None:
    channels = {"chat": [hook_url(hook)]}
    tell(tmp_path, ["chat"], channels=channels)
    (mark,) = tmp_path.rglob("sent/*.json")
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "state": "sending"}))
    tell(tmp_path, ["chat"], channels=channels)
    assert len(hook.asked) == 2


def test_no_secret_is_shown_or_kept(
    tmp_path: Path, hook: Web, post: tuple[Mailbox, int], capfd: pytest.CaptureFixture[str]
) -> None:
    box, port = post
    box.refused.add("ann@example.net")
    hook.answers["/hook"] = Answer(500, "no")
    with web() as gone:
        closed = hook_url(gone)
    token = "s3cret-chat-T1JJ3T3L2"
    channels = {"chat": [hook_url(hook), closed, f"nosuch://{token}", f"slack://{token}"]}
    outcome = tell(tmp_path, ["chat", "ann", f"json://127.0.0.1:1/{token}?token={token}"], port, channels=channels)
    assert isinstance(outcome, Failed)
    kept = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    out, err = capfd.readouterr()
    for text in (outcome.message, json.dumps(outcome.result), kept, out, err):
        assert "s3cret-hook" not in text and "s3cret-pass" not in text and "s3cret-chat" not in text, text
    assert len(outcome.result["undelivered"]) == 6


def test_everybody_else_is_told_when_one_address_is_wrong(tmp_path: Path, hook: Web) -> None:
    outcome = tell(tmp_path, ["bad", "chat"], channels={"bad": ["nosuch://x"], "chat": [hook_url(hook)]})
    assert isinstance(outcome, Failed)
    assert outcome.failure == "failed"
    assert outcome.message == "told chat; not told: bad by nosuch: its address is none that Apprise understands"
    assert len(hook.asked) == 1


def test_files_are_attached(tmp_path: Path, post: tuple[Mailbox, int]) -> None:
    box, port = post
    (tmp_path / "out").write_text("+ route\n")
    artifact = artifact_of(tmp_path / "out", "edge.diff").as_dict()
    assert isinstance(tell(tmp_path, ["ann"], port, attach=[artifact, "out"]), Done)
    parts = {
        part.get_filename(): part.get_payload(decode=True) for part in box.mails[0][1].walk() if part.get_filename()
    }
    assert parts == {"edge.diff": b"+ route\n", "out": b"+ route\n"}
    (tmp_path / "out").write_text("forged")
    with pytest.raises(OperationError, match="its SHA-256 changed"):
        tell(tmp_path, ["ann"], port, attach=[artifact])
    with pytest.raises(OperationError, match=r"attach: .*nothing: No such file"):
        tell(tmp_path, ["ann"], port, attach=["nothing"])


def test_check_mode_tells_nobody(tmp_path: Path, hook: Web) -> None:
    outcome = tell(tmp_path, ["chat"], channels={"chat": [hook_url(hook)]}, check=True)
    assert isinstance(outcome, Done)
    assert outcome.result["would_tell"] == ["chat"]
    assert hook.asked == []


@pytest.mark.parametrize(
    ("to", "message"),
    [
        (
            ["oncal"],
            "to: 'oncal' is no channel, group or person of changerail.yml and no address; known are ann, ben, netops, odd, requester, terminal",
        ),
        (["odd"], "to: 'odd' cannot be reached"),
        (["requester"], "to: 'stranger' cannot be reached"),
    ],
)
def test_people_who_cannot_be_told_are_named(tmp_path: Path, to: list[str], message: str) -> None:
    with pytest.raises(OperationError) as error:
        tell(tmp_path, to, requester="stranger")
    assert message in str(error.value)


def test_mail_needs_a_server(tmp_path: Path) -> None:
    args = {"to": ["ann"], "message": "x"}
    settings = {"people": {"ann": {"mail": "ann@example.net"}}}
    for connections, message in (
        ({}, "no connections.mail"),
        ({"mail": {"host": "h"}}, "expected host, from"),
        ({"mail": {"tls": "x"}}, "tls"),
    ):
        with pytest.raises(OperationError, match=message):
            OPERATION.start(call(OPERATION, tmp_path, args, settings=settings, connections=connections))


@pytest.mark.parametrize("args", [{}, {"to": ["terminal"]}, {"message": "x"}])
def test_options_that_are_needed(tmp_path: Path, args: dict[str, Any]) -> None:
    with pytest.raises(AuthorError, match="missing required arguments"):
        call(OPERATION, tmp_path, args)
