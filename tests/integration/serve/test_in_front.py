"""What stands around the server: TLS of its own, the real nginx before it, systemd's units and socket, refusals on the command line."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.calls import eventually
from support.serving import CHANGERAIL, PATIENCE, Serving, fetch

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "serve"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="Debian's nginx is not installed (.ci/run installs it)")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate")
# Sends an event at once and the next one only when a file is there.
STREAM = """
import asyncio, sys
from pathlib import Path
import uvicorn
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

async def events(request):
    async def stream():
        yield f"data: first for {request.client.host if request.client else ''}\\n\\n"
        while not Path(sys.argv[2]).exists():
            await asyncio.sleep(0.02)
        yield "data: second\\n\\n"
    return StreamingResponse(stream(), media_type="text/event-stream")

uvicorn.run(Starlette(routes=[Route("/events", events)]), uds=sys.argv[1], log_level="warning")
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            key,
            "-out",
            cert,
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


@needs_openssl
def test_tls_of_its_own(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate
    with Serving(tmp_path / "state", ["--tls-cert", str(cert), "--tls-key", str(key)], listen="0.0.0.0:0") as server:
        assert server.url.startswith("https://0.0.0.0:")
        port = int(server.url.rpartition(":")[2])
        context = ssl.create_default_context(cafile=str(cert))
        with (
            socket.create_connection(("127.0.0.1", port), 30) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            assert secure.version() in ("TLSv1.2", "TLSv1.3")
            secure.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            reply = b""
            while data := secure.recv(65536):
                reply += data
        assert reply.startswith(b"HTTP/1.1 200") and reply.endswith(b'"problem":""}')


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "0.0.0.0:0"], "refusing to listen on 0.0.0.0 without TLS"),
        (["--listen", "[::]:0"], "refusing to listen on :: without TLS"),
        (["--tls-cert", "x"], "go together"),
        (["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"], "no such file"),
        (["--proxy", "nginx"], "expected an address or network"),
        (["--public-url", "changes.example.net"], "expected an address such as https://"),
        (["--metrics-from", "everybody"], "expected an address or network"),
        (["--listen", "somewhere"], "expected HOST:PORT"),
    ],
)
def test_what_is_refused_on_the_command_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [CHANGERAIL, "serve", *arguments],
        env={**os.environ, "CHANGERAIL_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr


def test_plain_on_every_address_answers_the_named_proxy_alone(tmp_path: Path) -> None:
    with Serving(tmp_path / "state", ["--proxy", "192.0.2.10"], listen="0.0.0.0:0") as server:
        assert fetch(server.url.replace("0.0.0.0", "127.0.0.1") + "/healthz")[0] == 421


def test_a_second_server_and_a_second_signal(tmp_path: Path) -> None:
    with Serving(tmp_path / "state") as server:
        second = subprocess.run(
            [CHANGERAIL, "serve", "--listen", "127.0.0.1:0"],
            env={**os.environ, "CHANGERAIL_HOME": str(tmp_path / "state")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert second.returncode == 1 and "another server" in second.stderr and "Traceback" not in second.stderr
        assert server.stop(signal.SIGINT) == 0


@contextmanager
def nginx(folder: Path, certificate: tuple[Path, Path], upstream: Path) -> Iterator[str]:
    """The real nginx with the example's own configuration, on another port, with another certificate and socket; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = (EXAMPLES / "nginx.conf").read_text()
    for old, new in (
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;"),
        ("/etc/ssl/changes.example.net.pem", str(certificate[0])),
        ("/etc/ssl/private/changes.example.net.key", str(certificate[1])),
        ("unix:/run/changerail.sock", f"unix:{upstream}"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "site.conf").write_text(text)
    user = "user root;" if os.getuid() == 0 else ""
    temporary = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {temporary} include {folder}/site.conf; }}\n"
    )
    assert NGINX is not None
    with open(folder / "nginx.log", "wb") as log:
        process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")], stdout=log, stderr=log)
    try:
        eventually(lambda: _open(port), PATIENCE)
        yield f"https://localhost:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def curl(certificate: tuple[Path, Path], *arguments: str) -> str:
    command = ["curl", "--silent", "--max-time", "30", "--cacert", str(certificate[0]), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@needs_nginx
@needs_openssl
def test_behind_nginx_the_client_is_who_nginx_says(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "serve.sock"
    options = ["--proxy", "unix", "--log-format", "json"]
    with (
        Serving(tmp_path / "state", options, listen=f"unix:{path}") as server,
        nginx(tmp_path, certificate, path) as url,
    ):
        claim = ["-H", "X-Forwarded-For: 203.0.113.66", "-H", "Forwarded: for=203.0.113.66"]
        assert json.loads(curl(certificate, *claim, f"{url}/healthz"))["status"] == "ok"
        # The line is written once the answer has been sent.
        asked = eventually(
            lambda: [
                json.loads(line) for line in server.log.splitlines(True) if '"/healthz"' in line and line[-1] == "\n"
            ],
            PATIENCE,
        )
        # What a client claims does not get through; that it is this machine is nginx's own word.
        assert {line["client"] for line in asked} == {"127.0.0.1"}
        assert "404" in curl(certificate, "-o", "/dev/null", "-w", "%{http_code}", f"{url}/metrics")
        assert path.stat().st_mode & 0o777 == 0o660
    assert not path.exists()


@needs_nginx
@needs_openssl
def test_nginx_hands_on_nobodys_word_who_they_are(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    path, project = tmp_path / "serve.sock", tmp_path / "changerail.yml"
    project.write_text('sign_in: {proxy: {user: X-Forwarded-User, groups: X-Forwarded-Groups}, roles: {"*": viewer}}\n')
    project.chmod(0o600)
    environment = {"CHANGERAIL_CONFIG": str(project)}
    with (
        Serving(tmp_path / "state", ["--proxy", "unix"], environment, listen=f"unix:{path}"),
        nginx(tmp_path, certificate, path) as url,
    ):
        asked = ["-o", "/dev/null", "-w", "%{http_code}", "-H", "X-Forwarded-User: ann", f"{url}/runs"]
        assert curl(certificate, *asked) == "303", "to the page where people sign in"


@needs_nginx
@needs_openssl
def test_server_sent_events_pass_through_nginx_as_they_come(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    path, go = tmp_path / "stream.sock", tmp_path / "go"
    stream = subprocess.Popen([sys.executable, "-c", STREAM, str(path), str(go)])
    try:
        eventually(path.exists, PATIENCE)
        with nginx(tmp_path, certificate, path) as url:
            client = subprocess.Popen(
                [
                    "curl",
                    "--silent",
                    "--no-buffer",
                    "--max-time",
                    "60",
                    "--cacert",
                    str(certificate[0]),
                    f"{url}/events",
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert client.stdout is not None
            # The stream is still open: had nginx kept it back, this would wait for ever.
            assert client.stdout.readline().startswith("data: first")
            go.touch()
            assert "data: second" in client.stdout.read()
            assert client.wait(30) == 0
    finally:
        stream.terminate()
        stream.wait(30)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze to judge the units")
def test_the_units_are_what_systemd_takes(tmp_path: Path) -> None:
    for name in ("changerail.service", "changerail.socket"):
        text = (EXAMPLES / name).read_text().replace("/opt/changerail/bin/changerail", "/bin/true")
        (tmp_path / name).write_text(text)
    units = [str(tmp_path / name) for name in ("changerail.service", "changerail.socket")]
    checked = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    complaints = [line for line in checked.stderr.splitlines() if "changerail" in line]
    assert (checked.returncode, complaints) == (0, []), checked.stderr
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", units[0]],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in judged.stderr:
        return
    exposure = re.search(r"exposure level.*: ([\d.]+)", judged.stdout)
    assert exposure is not None, judged.stderr
    assert float(exposure[1]) <= 2.5


def test_the_units_options_are_the_servers_own() -> None:
    text = (EXAMPLES / "changerail.service").read_text()
    command = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert command is not None
    options = re.findall(r"--[a-z-]+", command[1])
    usage = subprocess.run([CHANGERAIL, "serve", "--help"], capture_output=True, text=True, check=True).stdout
    assert options and all(option in usage for option in options)
    # Else systemd would end the playbooks under way with the server.
    assert "KillMode=process" in text and "PrivateTmp=" not in re.sub(r"^#.*$", "", text, flags=re.MULTILINE)


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="there is no systemd-socket-activate to hand a socket over"
)
def test_a_socket_handed_over_is_served_and_systemd_is_told(tmp_path: Path) -> None:
    path, ear_path = tmp_path / "handed.sock", tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(ear_path))
        ear.settimeout(PATIENCE)
        environment = {**os.environ, "CHANGERAIL_HOME": str(tmp_path / "state")}
        settings = [f"--setenv={name}={value}" for name, value in environment.items()]
        with open(tmp_path / "log", "wb") as log:
            process = subprocess.Popen(
                [
                    "systemd-socket-activate",
                    f"--listen={path}",
                    f"--setenv=NOTIFY_SOCKET={ear_path}",
                    *settings,
                    CHANGERAIL,
                    "serve",
                    "--proxy",
                    "unix",
                ],
                env=environment,
                stdout=log,
                stderr=log,
            )
        try:
            eventually(path.exists, PATIENCE)
            # It is started by the first who connects.
            command = ["curl", "--silent", "--max-time", "60", "--unix-socket", str(path), "http://localhost/healthz"]
            answered = subprocess.run(command, capture_output=True, text=True, check=False)
            assert json.loads(answered.stdout)["status"] == "ok", (tmp_path / "log").read_text()
            assert ear.recv(1000).startswith(b"READY=1")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
            deadline = time.monotonic() + PATIENCE
            told = b""
            while b"STOPPING=1" not in told and time.monotonic() < deadline:
                told += ear.recv(1000)
            assert b"STOPPING=1" in told
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(30)
