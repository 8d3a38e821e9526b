"""A browser without JavaScript, for pages of a real server: it keeps cookies and the token of the last page's forms, and follows nothing."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from support.team import PASSWORD


@dataclass
class Browser:
    """Keeps cookies and follows nothing; ``token`` is that of the last page's forms."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""
    set_cookie: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def get(self, path: str) -> tuple[int, str]:
        status, text = self._ask("GET", path, None, {})
        found = re.search(r'name="token" value="([^"]+)"', text)
        self.token = found[1] if found else self.token
        return status, text

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> tuple[int, str]:
        return self._ask("POST", path, urlencode({"token": self.token, **form}), headers)

    def sign_in(self, name: str, password: str = PASSWORD) -> Browser:
        assert self.post("/sign-in", {"name": name, "password": password})[0] == 303
        assert self.get("/runs")[0] == 200
        return self

    def _ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> tuple[int, str]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request(method, path, body, sent)
        reply = connection.getresponse()
        text = reply.read().decode()
        self.headers = {name.lower(): value for name, value in reply.getheaders()}
        sent_cookies = reply.headers.get_all("set-cookie") or []
        self.set_cookie = "\n".join(sent_cookies)
        for cookie in sent_cookies:
            name, dummy, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        connection.close()
        return reply.status, text
