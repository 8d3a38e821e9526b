# Serves a twin on loopback in its own process until it is told to end. For the twins' __main__.
from __future__ import annotations

import json
import os
import signal
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from werkzeug.serving import WSGIRequestHandler, make_server

PARENT_CHECK = 0.5
"""Seconds between two looks at whether the process that started us is still there."""
SHUTDOWN_CHECK = 0.05
"""Seconds the server may take to notice that it shall end."""


class _Handler(WSGIRequestHandler):
    # Headers and body leave in two writes; with Nagle's algorithm each answer would wait 40 ms for the client's acknowledgement.
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """Silent: what was asked is in /_twin/log."""


def serve(app: Any, port: int, tls: ssl.SSLContext | None, finish: Callable[[], None]) -> None:
    """Prints the address as the first line and serves until SIGTERM, SIGINT or the end of the parent; then calls ``finish``."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Handler, ssl_context=tls)
    server.daemon_threads = True
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=server.serve_forever, args=(SHUTDOWN_CHECK,), daemon=True).start()
    print(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}", flush=True)
    parent = os.getppid()
    while not ended.wait(PARENT_CHECK):
        if os.getppid() != parent:
            break
    server.shutdown()
    finish()


def keep(path: Path, document: Any) -> None:
    """Writes the twin's records so that the next start finds them."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document))
    new.replace(path)


def kept(path: Path) -> Any:
    """What ``keep`` wrote, or None at the first start."""
    return json.loads(path.read_text()) if path.exists() else None


def tls_context(folder: Path, client: str) -> ssl.SSLContext:
    """TLS with a certificate of our own.

    Leaves in ``folder``: ``ca.pem`` (what a client must trust), ``client.pem`` and ``client.key`` (a client certificate for the user ``client``).
    """
    authority_key, authority = _certificate("twin authority", None, None)
    server_key, server = _certificate("127.0.0.1", authority_key, authority)
    client_key, client_certificate = _certificate(client, authority_key, authority)
    for name, certificate in (("ca", authority), ("server", server), ("client", client_certificate)):
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    for name, key in (("server", server_key), ("client", client_key)):
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def common_name(pem: str) -> str:
    """The name a certificate was made out to."""
    return str(
        x509.load_pem_x509_certificate(pem.encode()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    )


def _certificate(
    name: str, issuer_key: ec.EllipticCurvePrivateKey | None, issuer: x509.Certificate | None
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A key and its certificate: signed by ``issuer``, or an authority of its own without one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((issuer_key or key).public_key()), critical=False
        )
    )
    if issuer is None:
        # Python 3.13 checks as RFC 5280 wants it: an authority says that it signs certificates.
        builder = builder.add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    else:
        names = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return key, builder.sign(issuer_key or key, hashes.SHA256())
