# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP for operations and providers: every request has a timeout and a size limit, credentials stay with their host, errors have a failure class.

Names no system; a provider adds its paths, headers and the meaning of a reply.
"""

from __future__ import annotations

import email.utils
import http.cookiejar
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import FAILED, TRANSIENT
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON
from ansible_collections.netops.changerail.plugins.module_utils.provider import NoAnswer

if TYPE_CHECKING:
    import requests

USER_AGENT = "changerail (netops.changerail)"
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
"""Seconds between two pieces of a reply."""
REPLY_TIMEOUT = 120.0
"""Seconds until a whole reply is here, however steadily it drips."""
REPLY_LIMIT = 16 * 1024 * 1024
MOST_REDIRECTS = 5
LONGEST_RETRY_AFTER = 86400.0
NOT_TAKEN = (408, 425, 429)
"""Statuses which say that a request was not processed and may be repeated."""

_REDIRECTS = (301, 302, 303, 307, 308)
_SAFE_METHODS = ("GET", "HEAD")
_PORTS = {"http": 80, "https": 443}
_SECRET_NAME = re.compile(
    r"token|secret|passw|pwd|credential|auth|session|cookie|signature|\bsig$|(^|api|access|[_.-])key$", re.IGNORECASE
)
_HIDDEN = "***"
_SHORTEST_SECRET = 3


@dataclass(frozen=True)
class Peer:
    """How to reach a system and how to prove who we are.

    ``url`` is its base address; what proves who we are is sent there and nowhere else. ``verify`` is False, True or the path of a CA file;
    ``certificate`` the paths of a client certificate and its key.
    """

    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)
    verify: bool | str = True
    certificate: tuple[str, str] | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must not be shown: the password and the values of secret-looking headers, with and without their scheme."""
        texts = [self.basic[1]] if self.basic else []
        for name, value in self.headers.items():
            if _SECRET_NAME.search(name):
                texts += [value, value.rpartition(" ")[2]]
        return tuple(texts)

    def address(self, url: str) -> str:
        """``url`` itself, or where it is under the peer's when it is relative."""
        return url if "://" in url else urljoin(self.url.rstrip("/") + "/", url.lstrip("/"))


def peer_of(connection: Mapping[str, JSON]) -> Peer:
    """The peer of a connection in the project file: ``url``, ``username`` and ``password`` or ``token`` (sent as a bearer token),
    ``headers``, ``verify``, ``ca_path``, ``client_cert`` and ``client_key``.
    """
    headers = {str(name): str(value) for name, value in (connection.get("headers") or {}).items()}
    if connection.get("token"):
        headers["Authorization"] = f"Bearer {connection['token']}"
    basic = (str(connection["username"]), str(connection.get("password") or "")) if connection.get("username") else None
    verify = connection.get("verify", True)
    certificate = connection.get("client_cert")
    return Peer(
        url=str(connection.get("url") or ""),
        headers=headers,
        basic=basic,
        verify=str(connection["ca_path"]) if verify and connection.get("ca_path") else bool(verify),
        certificate=(str(certificate), str(connection.get("client_key") or certificate)) if certificate else None,
    )


@dataclass(frozen=True)
class Patience:
    """Seconds: until a connection stands, between two pieces of a reply, until the whole of it is here."""

    connect: float = CONNECT_TIMEOUT
    read: float = READ_TIMEOUT
    whole: float = REPLY_TIMEOUT


@dataclass(frozen=True)
class Reply:
    """A whole reply. Header names are in lower case; ``url`` is where it came from, without secrets."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text in the charset the reply names, UTF-8 otherwise; what cannot be decoded is replaced."""
        charset = re.search(r"charset=\"?([\w-]+)", self.headers.get("content-type", ""))
        try:
            return self.body.decode(charset.group(1) if charset else "utf-8", errors="replace")
        except LookupError:
            return self.body.decode("utf-8", errors="replace")

    def json(self) -> JSON:
        """The body as JSON. Raises OperationError (NoAnswer for a write) when it is something else, such as the page of a sleeping system."""
        try:
            return json.loads(self.body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            kind = self.headers.get("content-type", "no content type")
            message = f"{self.method} {self.url}: expected JSON, got {kind} with status {self.status}"
            raise OperationError(message, TRANSIENT) if self.method in _SAFE_METHODS else NoAnswer(message) from None

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait by the ``Retry-After`` header (a number or a date), a day at most; None without one."""
        return retry_after(self.headers.get("retry-after", ""), time.time())

    def raise_for_status(self) -> None:
        """Raise OperationError unless the status is 2xx; NoAnswer for a write that broke on the server's side (5xx)."""
        if 200 <= self.status < 300:
            return
        message = f"{self.method} {self.url}: status {self.status}: {' '.join(self.text.split())[:300]}"
        if self.status in NOT_TAKEN:
            raise OperationError(message, TRANSIENT, self.retry_after)
        if self.status >= 500 and self.method not in _SAFE_METHODS:
            raise NoAnswer(message)
        raise OperationError(message, TRANSIENT if self.status >= 500 else FAILED, self.retry_after)


def _no_constant(name: str) -> None:
    """``NaN`` and ``Infinity`` are no JSON, whatever Python's reader says."""
    raise ValueError(name)


class Client:
    """Requests to one peer over kept connections. No cookies, no ``.netrc``; proxies come from the environment as everywhere."""

    def __init__(self, peer: Peer, limit: int = REPLY_LIMIT, patience: Patience | None = None) -> None:
        self._peer = peer
        self._limit = limit
        self._patience = patience or Patience()
        self._session: requests.Session | None = None

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        redirects: str = "same_host",
    ) -> Reply:
        """Send one request and read the whole reply, whatever its status. ``url`` may be relative to the peer's.

        ``redirects`` (of GET and HEAD; a write is never redirected): "same_host", "all" (without credentials on another host) or "none".
        Raises OperationError: transient when the request was not taken, NoAnswer when a write was sent and no reply came.
        """
        target = self._peer.address(url)
        if params:
            target += ("&" if urlsplit(target).query else "?") + urlencode(params)
        home = self._peer.url or target
        for _hop in range(MOST_REDIRECTS + 1):
            _check_address(target)
            reply, location = self._once(method, target, headers or {}, content, same_place(home, target))
            if location is None or redirects == "none":
                return reply
            onward = _joined(target, location)
            self._check_redirect(method, target, onward, redirects)
            target = onward
        raise OperationError(f"{method} {redacted(url)}: redirected more than {MOST_REDIRECTS} times", FAILED)

    def _check_redirect(self, method: str, target: str, onward: str, redirects: str) -> None:
        step = f"{method} {redacted(target)}: redirected to {redacted(onward)}"
        if method not in _SAFE_METHODS:
            raise OperationError(
                f"{step}; a write is not sent to another address: use that address in the first place", FAILED
            )
        if redirects == "same_host" and not same_place(target, onward):
            raise OperationError(
                f"{step}, another host or port; allow it with 'follow_redirects: all' if that is right", FAILED
            )
        if urlsplit(target).scheme == "https" and urlsplit(onward).scheme != "https":
            raise OperationError(f"{step}, which is not encrypted", FAILED)

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, at_home: bool
    ) -> tuple[Reply, str | None]:
        """One request without redirects: the reply, and where it redirects to."""
        import requests

        session = self._connected(requests)
        ours = {"User-Agent": USER_AGENT, **(self._peer.headers if at_home else {}), **headers}
        auth = requests.auth.HTTPBasicAuth(*self._peer.basic) if self._peer.basic and at_home else _no_netrc
        try:
            response = session.request(
                method,
                url,
                headers=ours if at_home else {"User-Agent": USER_AGENT},
                data=content,
                auth=auth,
                allow_redirects=False,
                stream=True,
                timeout=(self._patience.connect, self._patience.read),
                verify=self._peer.verify,
                cert=self._peer.certificate if at_home else None,
            )
            with response:
                body = b"".join(self._pieces(response, f"{method} {redacted(url)}"))
        except (requests.RequestException, UnicodeError) as error:
            raise _failure(error, method, url) from None
        except OperationError as error:
            # Of an answer that is too long or too slow nobody knows what it says.
            raise error if method in _SAFE_METHODS else NoAnswer(str(error)) from None
        reply = Reply(
            method,
            redacted(url),
            response.status_code,
            {name.lower(): value for name, value in response.headers.items()},
            body,
        )
        return reply, reply.headers.get("location") if reply.status in _REDIRECTS else None

    def _pieces(self, response: requests.Response, what: str) -> Iterator[bytes]:
        """The body in pieces, up to the limits of size and time."""
        whole = self._patience.whole
        size, end = 0, time.monotonic() + whole
        for piece in _as_it_comes(response):
            size += len(piece)
            if size > self._limit:
                raise OperationError(f"{what}: the reply is larger than {self._limit} bytes", FAILED)
            if time.monotonic() > end:
                raise OperationError(f"{what}: the reply was not complete after {whole:.0f} s", TRANSIENT)
            yield piece

    def _connected(self, requests: Any) -> requests.Session:
        if self._session is None:
            self._session = requests.Session()
            self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        return self._session


def _no_netrc(request: Any) -> Any:
    """An authentication that adds nothing: without one, requests would take credentials from ``.netrc``."""
    return request


def _check_address(url: str) -> None:
    """Raises OperationError for what is no address of a web server."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise OperationError(f"{redacted(url)}: this is no address; expected http:// or https:// with a host", FAILED)


def _joined(url: str, location: str) -> str:
    """Where a redirect leads to; an address that cannot be read stays as it is, to be refused as such."""
    try:
        return urljoin(url, location)
    except ValueError:
        return location


def _as_it_comes(response: requests.Response) -> Iterator[bytes]:
    """What has arrived of the body, each time something has: whoever sends a byte now and then must not keep us until a piece is full.

    Raises RequestException as ``requests`` does.
    """
    import requests
    import urllib3

    if not hasattr(response.raw, "read1"):
        # urllib3 before 2.1.
        yield from response.iter_content(65536)
        return
    try:
        while piece := response.raw.read1(65536, decode_content=True):
            yield piece
    except urllib3.exceptions.DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from None
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ConnectionError(error) from None


def _failure(error: Exception, method: str, url: str) -> OperationError:
    """The OperationError for a request that failed: whether it was sent, and why in words without secrets."""
    import requests
    from urllib3.exceptions import MaxRetryError, NewConnectionError

    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None) if isinstance(cause, MaxRetryError) else cause
    what = f"{method} {redacted(url)}: {_in_words(reason if isinstance(reason, BaseException) else error)}"
    if isinstance(error, requests.exceptions.SSLError):
        return OperationError(f"{what}; the certificate must be valid for the host: name its CA with ca_path", FAILED)
    if isinstance(error, (ValueError, UnicodeError)):
        return OperationError(f"{method} {redacted(url)}: this is no address or header that can be sent", FAILED)
    if (
        method in _SAFE_METHODS
        or isinstance(reason, NewConnectionError)
        or isinstance(error, requests.exceptions.ConnectTimeout)
    ):
        return OperationError(what, TRANSIENT)
    return NoAnswer(what)


def _in_words(error: BaseException) -> str:
    """Why a connection failed: the operating system's own words where there are some; never the URL, which is in the rest."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return str(seen.strerror)
        nested = next((part for part in seen.args if isinstance(part, BaseException)), None)
        seen = nested or seen.__cause__ or seen.__context__
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()


def same_place(home: str, url: str) -> bool:
    """Whether ``url`` is on the host and port of ``home``, where its credentials may go; the step up from http to https counts as the same."""
    try:
        here, there = urlsplit(home), urlsplit(url)
        ports = (here.port or _PORTS.get(here.scheme), there.port or _PORTS.get(there.scheme))
    except ValueError:
        return False
    if here.hostname != there.hostname:
        return False
    return (here.scheme == there.scheme and ports[0] == ports[1]) or (
        (here.scheme, there.scheme, *ports) == ("http", "https", 80, 443)
    )


def credentials_in(url: str) -> tuple[str, str] | None:
    """The user and password written into an address, None when there are none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return (unquote(parts.username), unquote(parts.password or "")) if parts.username else None


def secrets_in(url: str) -> tuple[str, ...]:
    """What ``redacted`` hides of an address: its password and the values of secret-looking query parameters."""
    credentials = credentials_in(url)
    hidden = [credentials[1]] if credentials else []
    try:
        query = parse_qsl(urlsplit(url).query)
    except ValueError:
        query = []
    return (*hidden, *(value for name, value in query if _SECRET_NAME.search(name)))


def redacted(url: str) -> str:
    """``url`` without user, password and fragment, and with the values of secret-looking query parameters hidden."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "(an address that cannot be read)"
    query = parts.query
    if query:
        query = "&".join(
            f"{quote(name)}={_HIDDEN if _SECRET_NAME.search(name) else quote(value)}"
            for name, value in parse_qsl(query, keep_blank_values=True)
        )
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def masked(value: JSON, secrets: tuple[str, ...]) -> JSON:
    """``value`` with every occurrence of a secret in its texts hidden."""
    if isinstance(value, str):
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST_SECRET:
                value = value.replace(secret, _HIDDEN)
        return value
    if isinstance(value, Mapping):
        return {masked(name, secrets): masked(inner, secrets) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(inner, secrets) for inner in value]
    return value


def retry_after(header: str, now: float) -> float | None:
    """Seconds to wait by a ``Retry-After`` header: a number of seconds or an HTTP date; None when it is neither."""
    text = header.strip()
    if re.fullmatch(r"\d{1,9}", text):
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return min(max(0.0, moment.timestamp() - now), LONGEST_RETRY_AFTER)


def connection(connections: Mapping[str, Mapping[str, JSON]], name: str) -> Mapping[str, JSON]:
    """The settings of the connection called ``name``. Raises OperationError when the project file has none of that name."""
    if name not in connections:
        known = ", ".join(sorted(connections)) or "none"
        raise OperationError(f"connection {name!r}: changerail.yml has no connection of that name; it has: {known}")
    return connections[name]
