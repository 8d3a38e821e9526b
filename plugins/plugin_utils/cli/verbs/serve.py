# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail serve``: drive all runs of the state folder in one process, with pages, API, hooks and metrics."""

from __future__ import annotations

import ipaddress
import logging
import os
import resource
import signal
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli import listening
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.main import version
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import config_option, need_extra
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.driving import evidence_of
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import state_folder
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.project import for_new_run

if TYPE_CHECKING:
    import click
    import uvicorn

    from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Server, Settings

_LOG = logging.getLogger("changerail.serve")
_FILES = 65536
"""Open files wanted: each run at work and each open page takes some."""
_CONNECTIONS = 1000
"""Requests and open pages at once; further ones are told to come back."""
_IDLE = 30
"""Seconds a connection without a request is kept."""
_LEAVE = 5
"""Seconds that open requests have to end when the server stops."""


@dataclass(frozen=True)
class Transport:
    """How the server is reached: where it listens, its certificate and key ("" without TLS), the proxies in front of it."""

    place: listening.Place
    certificate: str
    key: str
    proxies: Sequence[str]

    @property
    def tls(self) -> bool:
        """Whether it speaks TLS itself."""
        return bool(self.certificate)


def command() -> click.Command:
    """The verb for click."""
    import click

    many = "; may be given several times"
    return click.Command(
        "serve",
        callback=serve,
        params=[
            click.Option(
                ["--listen"],
                default=listening.DEFAULT,
                show_default=True,
                metavar="PLACE",
                help="HOST:PORT, PORT on loopback, or unix:/path. What systemd hands over comes first.",
            ),
            click.Option(["--tls-cert", "certificate"], metavar="FILE", default="", help="Certificate chain (PEM)."),
            click.Option(["--tls-key", "key"], metavar="FILE", default="", help="Its private key (PEM)."),
            click.Option(
                ["--proxy", "proxies"],
                multiple=True,
                metavar="ADDRESS",
                help=f"A reverse proxy that does TLS: its address or network, or 'unix'. Its forwarded headers are believed, nobody else's{many}.",
            ),
            click.Option(
                ["--public-url"],
                metavar="URL",
                default="",
                help="The address at which people reach the server, for links in messages.",
            ),
            click.Option(
                ["--workers"],
                type=click.IntRange(1, 512),
                default=32,
                show_default=True,
                help="Steps that may be busy at once; a step that only waits is not.",
            ),
            click.Option(
                ["--workflows"],
                type=click.Path(exists=True, file_okay=False),
                metavar="FOLDER",
                help="The workflow files in this folder may be started at the server; default: none may.",
            ),
            click.Option(
                ["--metrics-from"],
                multiple=True,
                metavar="ADDRESS",
                help=f"An address or network that may read /metrics; default: this machine{many}.",
            ),
            click.Option(
                ["--log-format"],
                type=click.Choice(["text", "json"]),
                default="text",
                show_default=True,
                help="Of the log on standard error.",
            ),
            click.Option(
                ["--log-level"],
                type=click.Choice(["debug", "info", "warning", "error"]),
                default="info",
                show_default=True,
            ),
            click.Option(
                ["--traces"],
                is_flag=True,
                help="Send OpenTelemetry traces of runs, steps and calls; where to, say the OTEL_ variables. Needs the extra [otel].",
            ),
            config_option(),
        ],
        help="Drive all runs of the state folder in this process, and serve pages, API, hooks and metrics. Stopping it, or killing it, loses nothing.",
    )


def serve(
    listen: str,
    certificate: str,
    key: str,
    proxies: Sequence[str],
    public_url: str,
    workers: int,
    workflows: str | None,
    metrics_from: Sequence[str],
    log_format: str,
    log_level: str,
    traces: bool,
    config: str | None,
) -> int:
    """Serve until a signal says otherwise; returns the exit code."""
    need_extra("serve", "uvicorn", "starlette", "prometheus_client", "argon2", "authlib", "joserfc", "jsonschema")
    if traces:
        need_extra("otel", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
    from ansible_collections.netops.changerail.plugins.plugin_utils.web import logs

    logs.set_up(log_format, log_level)
    transport = _transport(listen, certificate, key, proxies)
    sockets = _sockets(transport)
    settings = _settings(transport, sockets, public_url, metrics_from, workflows)
    _raise_file_limit()
    server = _server(settings, for_new_run(config), workers, traces)
    web = _web(server, transport)
    _stopped_by_signals(web)
    server.scheduler.start()
    try:
        for made in sockets:
            scheme = "https" if transport.tls else "http"
            _LOG.info("serving %s on %s://%s", server.state.path, scheme, listening.where(made))
        listening.tell_systemd(os.environ, "READY=1\nSTATUS=taking up runs")
        threading.Thread(target=_settle, args=(server,), name="changerail-settle", daemon=True).start()
        web.run(sockets=sockets)
    finally:
        listening.tell_systemd(os.environ, "STOPPING=1")
        server.scheduler.stop()
        server.observers.close()
        if transport.place.path:
            Path(transport.place.path).unlink(missing_ok=True)
    _LOG.info("stopped; what was not finished goes on at the next start")
    return 0


def _stopped_by_signals(web: uvicorn.Server) -> None:
    """The first signal stops the server in an orderly way, the second ends the process at once; neither loses anything.

    While it serves, uvicorn hears signals first; one that comes before that makes it stop as soon as it has begun.
    """
    stopping = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()
        web.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)


def _transport(listen: str, certificate: str, key: str, proxies: Sequence[str]) -> Transport:
    if bool(certificate) != bool(key):
        raise AuthorError("--tls-cert and --tls-key go together")
    for name, path in (("--tls-cert", certificate), ("--tls-key", key)):
        if path and not os.access(path, os.R_OK):
            raise AuthorError(f"{name} {path}: no such file, or not readable for this user")
    for proxy in proxies:
        _network("--proxy", proxy, ("unix",))
    return Transport(listening.place_of(listen), certificate, key, tuple(proxies))


def _sockets(transport: Transport) -> list[socket.socket]:
    handed = listening.handed_over(os.environ, transport.tls, transport.proxies)
    return handed or listening.opened(transport.place, transport.tls, transport.proxies)


def _settings(
    transport: Transport,
    sockets: Sequence[socket.socket],
    public_url: str,
    metrics_from: Sequence[str],
    workflows: str | None,
) -> Settings:
    from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Settings

    if public_url and urlsplit(public_url).scheme not in ("http", "https"):
        raise AuthorError(f"--public-url {public_url}: expected an address such as https://changes.example.net")
    for text in metrics_from:
        _network("--metrics-from", text, ())
    plain = not transport.tls and not all(map(listening.is_local, sockets))
    settings = Settings(public_url.rstrip("/"), transport.proxies, plain)
    folder = Path(workflows).absolute() if workflows else None
    return replace(settings, workflows=folder, metrics_from=tuple(metrics_from) or settings.metrics_from)


def _network(option: str, text: str, words: Sequence[str]) -> None:
    if text in words:
        return
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        expected = " or ".join(["an address or network such as 192.0.2.10 or 192.0.2.0/24", *map(repr, words)])
        raise AuthorError(f"{option} {text}: expected {expected}") from None


def _server(settings: Settings, project: Project, workers: int, traces: bool) -> Server:
    from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import Surround
    from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.scheduler import Scheduler
    from ansible_collections.netops.changerail.plugins.plugin_utils.web import links
    from ansible_collections.netops.changerail.plugins.plugin_utils.web.observers import Observers
    from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Server

    observers = Observers(traces)
    around = Surround(
        project=project, evidence=evidence_of, meter=observers, link=partial(links.public, settings.public_url)
    )
    scheduler = Scheduler(state_folder(), around, workers=workers, observer=observers.record)
    observers.attach(scheduler)
    return Server(state_folder(), scheduler, around, observers, settings, project.path)


def _web(server: Server, transport: Transport) -> uvicorn.Server:
    import uvicorn

    from ansible_collections.netops.changerail.plugins.plugin_utils.web.app import application
    from ansible_collections.netops.changerail.plugins.plugin_utils.web.connections import bounded
    from ansible_collections.netops.changerail.plugins.plugin_utils.web.security import SLOWEST

    config = uvicorn.Config(
        application(server, version()),
        ssl_certfile=transport.certificate or None,
        ssl_keyfile=transport.key or None,
        http=bounded(SLOWEST),
        log_config=None,
        access_log=False,
        server_header=False,
        # Peers does it, and for nobody by default.
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=_LEAVE,
        h11_max_incomplete_event_size=64 * 1024,
    )
    return uvicorn.Server(config)


def _settle(server: Server) -> None:
    """Once all runs are taken up: say so, and keep the collector of garbage away from what stays."""
    from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.memory import settle

    server.scheduler.taken_up.wait()
    settle()
    count = len(server.scheduler.rows())
    _LOG.info("all runs are taken up: %d", count)
    listening.tell_systemd(os.environ, f"STATUS={count} runs taken up")


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
