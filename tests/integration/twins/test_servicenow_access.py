# The ServiceNow twin's doors: passwords, OAuth, API key, bearer, client certificate, rate limit; and pysnc through them. Run by pytest.
from __future__ import annotations

import pysnc
import pytest
import requests

from ansible_collections.netops.changerail.tests.twins.kit.start import running
from ansible_collections.netops.changerail.tests.twins.servicenow.people import (
    API_KEY,
    BEARER,
    CLIENT,
    INTEGRATION,
    PASSWORD,
)

TABLE = "/api/now/table/change_request?sysparm_limit=1"
CREDENTIALS = {"client_id": CLIENT.id, "client_secret": CLIENT.secret}
LOGIN = {"grant_type": "password", "username": INTEGRATION, "password": PASSWORD, **CREDENTIALS}


@pytest.fixture(scope="module")
def secure_twin(tmp_path_factory):
    with running("servicenow", tmp_path_factory.mktemp("secure"), "--tls") as twin:
        yield twin


def get(twin, **headers):
    return requests.get(twin.url + TABLE, headers=headers, timeout=10)


def token(twin, **form):
    return requests.post(twin.url + "/oauth_token.do", data=form, timeout=10)


def test_nobody_gets_in_without_credentials(servicenow_twin):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"x-sn-apikey": "wrong"}, {"Authorization": "Basic eDp5"}):
        reply = get(servicenow_twin, **headers)
        assert (reply.status_code, reply.json()["error"]["message"]) == (401, "User Not Authenticated")


def test_api_key_and_ready_bearer(servicenow_twin):
    assert get(servicenow_twin, **{"x-sn-apikey": API_KEY}).status_code == 200
    assert get(servicenow_twin, Authorization=f"Bearer {BEARER}").status_code == 200


def test_oauth_password_refresh_and_expiry(servicenow_twin):
    first = token(servicenow_twin, **LOGIN).json()
    assert (first["token_type"], first["scope"]) == ("Bearer", "useraccount")
    assert token(servicenow_twin, **LOGIN).json()["access_token"] == first["access_token"], (
        "the same token while it is alive"
    )
    bearer = {"Authorization": f"Bearer {first['access_token']}"}
    assert get(servicenow_twin, **bearer).status_code == 200
    servicenow_twin.administer("POST", "clock", {"advance": 1800})
    assert get(servicenow_twin, **bearer).status_code == 401
    renewed = token(
        servicenow_twin, grant_type="refresh_token", refresh_token=first["refresh_token"], **CREDENTIALS
    ).json()
    assert renewed["access_token"] != first["access_token"]
    assert renewed["refresh_token"] == first["refresh_token"]


def test_client_credentials_give_no_refresh_token_and_can_be_off(servicenow_twin):
    assert "refresh_token" not in token(servicenow_twin, grant_type="client_credentials", **CREDENTIALS).json()
    servicenow_twin.set(client_credentials=False)
    try:
        assert token(servicenow_twin, grant_type="client_credentials", **CREDENTIALS).status_code == 401
    finally:
        servicenow_twin.set(client_credentials=True)
    assert token(servicenow_twin, **{**LOGIN, "client_secret": "wrong"}).json()["error"] == "invalid_client"
    assert requests.post(servicenow_twin.url + "/oauth_token.do", json=LOGIN, timeout=10).status_code == 400


def test_rate_limit_headers(servicenow_twin):
    servicenow_twin.set(rate_limit=2)
    try:
        replies = [get(servicenow_twin, Authorization=f"Bearer {BEARER}") for dummy in range(3)]
    finally:
        servicenow_twin.set(rate_limit=0)
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[0].headers["X-RateLimit-Limit"] == "2"
    assert not any("Remaining" in name for name in replies[0].headers)
    assert int(replies[2].headers["Retry-After"]) > 0
    assert "X-RateLimit-Limit" not in get(servicenow_twin, Authorization=f"Bearer {BEARER}").headers


def test_a_client_certificate_is_a_log_in(secure_twin):
    folder = secure_twin.folder
    reply = requests.get(
        secure_twin.url + TABLE,
        cert=(str(folder / "client.pem"), str(folder / "client.key")),
        verify=str(folder / "ca.pem"),
        timeout=10,
    )
    assert reply.status_code == 200
    assert requests.get(secure_twin.url + TABLE, verify=str(folder / "ca.pem"), timeout=10).status_code == 401


@pytest.fixture
def client(secure_twin, monkeypatch):
    # pysnc lets these win over what it is told to verify with.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return pysnc.ServiceNowClient(secure_twin.url, (INTEGRATION, PASSWORD), verify=str(secure_twin.folder / "ca.pem"))


def test_pysnc_creates_reads_updates_and_queries(client):
    record = client.GlideRecord("change_request")
    record.initialize()
    record.short_description, record.correlation_id = "Made by pysnc", "pysnc-1"
    identity = record.insert()
    assert identity
    found = client.GlideRecord("change_request")
    found.add_query("correlation_id", "pysnc-1")
    found.query()
    assert [row.get_value("short_description") for row in found] == ["Made by pysnc"]
    assert found.get_row_count() == 1
    one = client.GlideRecord("change_request")
    assert one.get(identity)
    assert one.get_display_value("state") == "New"
    one.risk = "2"
    assert one.update()
    again = client.GlideRecord("change_request")
    again.get(identity)
    assert again.get_display_value("risk") == "High"
    again.state = "-1"
    with pytest.raises(pysnc.exceptions.RoleException, match="aborted by Business Rule"):
        again.update()


def test_pysnc_pages_batches_and_attaches(client):
    for index in range(7):
        record = client.GlideRecord("change_request")
        record.initialize()
        record.short_description, record.correlation_id = f"Change {index}", "pysnc-many"
        record.insert()
    many = client.GlideRecord("change_request", batch_size=2)
    many.add_query("correlation_id", "pysnc-many")
    many.query()
    rows = [row.get_value("number") for row in many]
    assert len(set(rows)) == 7
    for row in many:
        row.risk = "4"
    assert many.update_multiple()
    changed = client.GlideRecord("change_request")
    changed.add_query("correlation_id", "pysnc-many")
    changed.add_query("risk", "4")
    changed.query()
    assert changed.get_row_count() == 7
    changed.next()
    changed.add_attachment("note.txt", b"evidence")
    assert [attachment.read() for attachment in changed.get_attachments()] == [b"evidence"]


def test_pysnc_tells_apart_a_missing_record_and_a_bad_password(client, secure_twin):
    assert not client.GlideRecord("change_request").get("0" * 32)
    stranger = pysnc.ServiceNowClient(
        secure_twin.url, (INTEGRATION, "wrong"), verify=str(secure_twin.folder / "ca.pem")
    )
    with pytest.raises(pysnc.exceptions.AuthenticationException):
        stranger.GlideRecord("change_request").query()
