# The way into a ServiceNow instance, from the settings and from the environment of servicenow.itsm. Run by pytest.
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Context
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.login import Login, login

HOST = {"SN_HOST": "example.service-now.com"}
PERSON = {"SN_USERNAME": "integration", "SN_PASSWORD": "a-password"}
CLIENT = {"SN_CLIENT_ID": "an-id", "SN_CLIENT_SECRET": "a-secret"}


def way_in(environment: Mapping[str, str], **settings: Any) -> Login:
    context = Context(
        key="r/s/1", run="r", path="s", attempt=1, folder=Path(), base=Path(), requester="",
        connections={"servicenow": settings}, environment={**HOST, **environment},
    )  # fmt: skip
    return login(context)


@pytest.mark.parametrize(
    ("environment", "form"),
    [
        ({**CLIENT, **PERSON}, {"grant_type": "password", "username": "integration", "password": "a-password"}),
        (CLIENT, {"grant_type": "client_credentials"}),
        ({**CLIENT, "SN_REFRESH_TOKEN": "a-token"}, {"grant_type": "refresh_token", "refresh_token": "a-token"}),
        ({**CLIENT, **PERSON, "SN_GRANT_TYPE": "client_credentials"}, {"grant_type": "client_credentials"}),
    ],
)
def test_oauth(environment: Mapping[str, str], form: Mapping[str, str]) -> None:
    found = way_in(environment)
    assert found.grant is not None
    assert found.grant.form == {"client_id": "an-id", "client_secret": "a-secret", **form}
    assert "a-secret" not in repr(found)


def test_without_oauth() -> None:
    assert way_in(PERSON).peer.basic == ("integration", "a-password")
    assert way_in({"SN_API_KEY": "a-key", **PERSON}).peer.headers == {"x-sn-apikey": "a-key"}
    assert way_in({"SN_ACCESS_TOKEN": "a-token", **CLIENT}).peer.headers == {"Authorization": "Bearer a-token"}
    certificate = {"SN_CLIENT_CERTIFICATE_FILE": "me.pem", "SN_CLIENT_KEY_FILE": "me.key"}
    assert way_in(certificate).peer.certificate == ("me.pem", "me.key")


def test_the_project_file_counts_more_and_https_is_understood() -> None:
    assert way_in(PERSON).peer.url == "https://example.service-now.com"
    found = way_in(PERSON, url="https://other.service-now.com", username="another")
    assert (found.peer.url, found.peer.basic) == ("https://other.service-now.com", ("another", "a-password"))


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({}, "no credentials"),
        ({**CLIENT, "SN_GRANT_TYPE": "implicit"}, "grant_type 'implicit'; expected one of"),
        ({**CLIENT, "SN_GRANT_TYPE": "password"}, "grant_type password needs username, password"),
    ],
)
def test_what_is_missing_is_said(environment: Mapping[str, str], text: str) -> None:
    with pytest.raises(OperationError, match=text):
        way_in(environment)
