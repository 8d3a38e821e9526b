"""A mail server for the examples that keeps every message as a file; `python -m examples.common.mail HOST PORT FOLDER` serves, `messages` reads."""

from __future__ import annotations

import email
import email.policy
import itertools
import sys
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class Mailbox:
    """What aiosmtpd hands a message to: writes ``0001.eml``, ``0002.eml``, … into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        arrived = self._folder / f"{next(self._numbers):04}.new"
        arrived.write_bytes(b"X-Envelope-To: " + ", ".join(envelope.rcpt_tos).encode() + b"\r\n" + content)
        arrived.rename(arrived.with_suffix(".eml"))
        return "250 OK"


def serve(host: str, port: int, folder: Path) -> Controller:
    """Start a server in a thread; port 0 takes a free one, see ``port``. End it with ``stop()``."""
    folder.mkdir(parents=True, exist_ok=True)
    controller = Controller(Mailbox(folder), hostname=host, port=port)
    controller.start()
    return controller


def port(controller: Controller) -> int:
    """The port a server listens on."""
    number: int = controller.server.sockets[0].getsockname()[1]
    return number


def messages(folder: Path) -> Iterator[EmailMessage]:
    """Every message received, in the order of arrival."""
    for file in sorted(folder.glob("*.eml")):
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        yield message


def main() -> None:
    host, port, folder = sys.argv[1:]
    serve(host, int(port), Path(folder))
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
