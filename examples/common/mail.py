"""A mail server for the examples that keeps every message as a file; `python -m examples.common.mail HOST PORT FOLDER` serves, `messages` reads."""

from __future__ import annotations

import asyncio
import email
import email.policy
import itertools
import sys
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

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


class Server:
    """An SMTP server in a thread of its own; port 0 takes a free one, ``port`` says which. A context manager."""

    def __init__(self, host: str, port: int, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        mailbox = Mailbox(folder)
        self._loop = asyncio.new_event_loop()
        serving = self._loop.create_server(lambda: SMTP(mailbox, loop=self._loop), host, port)
        self.port: int = self._loop.run_until_complete(serving).sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name="mail", daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def messages(folder: Path) -> Iterator[EmailMessage]:
    """Every message received, in the order of arrival."""
    for file in sorted(folder.glob("*.eml")):
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        yield message


def main() -> None:
    host, port, folder = sys.argv[1:]
    with Server(host, int(port), Path(folder)):
        print("ready", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
