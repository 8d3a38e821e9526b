# The ServiceNow twin's Table and Attachment API: queries, pages, display values, silent drops, ACLs, journal, files. Run by pytest.
from __future__ import annotations

import hashlib

from ansible_collections.netops.changerail.tests.twins.kit.start import running
from ansible_collections.netops.changerail.tests.twins.servicenow.people import PASSWORD


def test_values_are_strings_and_references_come_in_three_shapes(integration):
    change = integration.change(correlation_id="shapes")
    path = (
        f"/api/now/table/change_request/{change}?sysparm_fields=state,assignment_group,assignment_group.name,nonsense"
    )
    raw = integration.call("GET", path).json()["result"]
    assert raw["state"] == "-5"
    assert set(raw["assignment_group"]) == {"link", "value"}
    assert raw["assignment_group.name"] == "network"
    assert "nonsense" not in raw
    shown = integration.call("GET", path + "&sysparm_display_value=true").json()["result"]
    assert (shown["state"], shown["assignment_group"]["display_value"]) == ("New", "network")
    both = integration.call("GET", path + "&sysparm_display_value=all").json()["result"]
    assert both["state"] == {"display_value": "New", "value": "-5"}
    plain = integration.call("GET", path + "&sysparm_exclude_reference_link=true").json()["result"]
    assert isinstance(plain["assignment_group"], str)


def test_an_invalid_fragment_of_a_query_is_dropped(integration):
    integration.change(correlation_id="needle")
    assert len(integration.rows("change_request", "correlation_id=needle")) == 1
    total = len(integration.rows("change_request", ""))
    assert len(integration.rows("change_request", "corelation_id=needle")) == total
    integration.twin.set(invalid_query_returns_nothing=True)
    try:
        assert integration.rows("change_request", "corelation_id=needle") == []
    finally:
        integration.twin.set(invalid_query_returns_nothing=False)


def test_operators(integration):
    low, high = integration.change(correlation_id="op-1", risk="4"), integration.change(correlation_id="op-2", risk="2")

    def found(query):
        return [row["sys_id"] for row in integration.rows("change_request", query)]

    assert found("correlation_idSTARTSWITHop-^ORDERBYDESCcorrelation_id") == [high, low]
    assert found("correlation_idINop-1,op-2^risk>3") == [low]
    assert found("correlation_id=op-1^ORcorrelation_id=op-2^risk!=4") == [high]
    assert found("correlation_id=op-1^NQcorrelation_id=op-2^ORDERBYcorrelation_id") == [low, high]
    assert found("correlation_idLIKEop-^assignment_group.name=network^close_codeISEMPTY^ORDERBYcorrelation_id") == [
        low,
        high,
    ]


def test_a_page_may_be_short_while_more_exist(integration):
    for index in range(6):
        integration.change(correlation_id="paged", category="restricted" if index < 2 else "network")
    parameters = {"sysparm_query": "correlation_id=paged^ORDERBYnumber", "sysparm_limit": "2", "sysparm_offset": "0"}
    first = integration.call("GET", "/api/now/table/change_request", params=parameters)
    assert first.json()["result"] == [], "both rows of the first page are hidden from the caller"
    assert first.headers["X-Total-Count"] == "6"
    assert 'rel="next"' in first.headers["Link"]
    seen, url = 0, first.links["next"]["url"]
    while url:
        reply = integration.session.get(url, timeout=10)
        seen += len(reply.json()["result"])
        url = reply.links.get("next", {}).get("url")
    assert seen == 4


def test_unknown_and_closed_columns_are_ignored_without_a_word(integration):
    change = integration.change()
    reply = integration.set(change, nonsense="x", cab_delegate="somebody", justification="because")
    assert reply.status_code == 200
    row = integration.row(change)
    assert (row["cab_delegate"], row["justification"]) == ("", "because")
    ignored = integration.call(
        "PATCH", f"/api/sn_chg_rest/v1/change/{change}", {"nonsense": "x", "cab_delegate": "y"}
    ).json()["result"]["__meta"]
    assert ignored["ignoredFields"] == ["nonsense", "cab_delegate"]


def test_roles_decide_who_reads_and_writes(integration, person):
    change = integration.change()
    assert person("reader").row(change)["sys_id"] == change
    denied = person("reader").set(change, risk="2")
    assert (denied.status_code, denied.json()["error"]["detail"]) == (
        403,
        "ACL Exception Update Failed due to security constraints",
    )
    assert person("outsider").rows("change_request", "") == []
    hidden = person("outsider").call("GET", f"/api/now/table/change_request/{change}")
    assert (hidden.status_code, hidden.json()["error"]["message"]) == (404, "No Record found")
    assert integration.call("DELETE", f"/api/now/table/change_request/{change}").status_code == 403
    assert person("change.manager").call("DELETE", f"/api/now/table/change_request/{change}").status_code == 204


def test_a_data_policy_names_labels(integration):
    integration.twin.set(mandatory={"-5": ["justification", "backout_plan"]})
    try:
        reply = integration.call("POST", "/api/now/table/change_request", {"short_description": "x"})
    finally:
        integration.twin.set(mandatory={})
    assert (
        reply.json()["error"]["detail"]
        == "Data Policy Exception: \n\tThe following fields are mandatory: Justification, Backout plan"
    )


def test_journal_entries_append_and_are_found_in_their_table(integration):
    change = integration.change()
    for text in ("first", "second [mark]"):
        integration.set(change, work_notes=text)
    assert integration.row(change)["work_notes"] == ""
    shown = integration.call("GET", f"/api/now/table/change_request/{change}?sysparm_display_value=true").json()[
        "result"
    ]["work_notes"]
    assert shown.index("second") < shown.index("first")
    assert len(integration.rows("sys_journal_field", f"element_id={change}^element=work_notes^valueLIKE[mark]")) == 1


def test_attachments_with_hash_and_without(integration):
    change = integration.change()
    place = {"table_name": "change_request", "table_sys_id": change, "file_name": "edge.diff"}
    made = integration.session.post(
        integration.twin.url + "/api/now/attachment/file",
        params=place,
        data=b"+ line",
        headers={"Content-Type": "text/plain"},
        timeout=10,
    )
    assert made.status_code == 201
    metadata = made.json()["result"]
    assert metadata["hash"] == hashlib.sha256(b"+ line").hexdigest()
    assert integration.session.get(made.headers["Location"] + "/file", timeout=10).content == b"+ line"
    form = integration.session.post(
        integration.twin.url + "/api/now/attachment/upload",
        data={"table_name": "change_request", "table_sys_id": change},
        files={"uploadFile": ("edge.diff", b"+ line")},
        timeout=10,
    )
    assert form.status_code == 201
    query = {"sysparm_query": f"table_name=change_request^table_sys_id={change}"}
    assert len(integration.call("GET", "/api/now/attachment", params=query).json()["result"]) == 2, (
        "the platform never de-duplicates"
    )
    integration.twin.set(attachment_hash=False)
    try:
        assert "hash" not in integration.call("GET", "/api/now/attachment", params=query).json()["result"][0]
    finally:
        integration.twin.set(attachment_hash=True)


def test_bad_requests(integration):
    assert integration.call("GET", "/api/now/table/nonsense").json()["error"]["message"] == "Invalid table nonsense"
    plain = integration.session.post(
        integration.twin.url + "/api/now/table/change_request",
        data="x",
        headers={"Content-Type": "text/plain"},
        timeout=10,
    )
    assert plain.status_code == 415
    assert integration.call("GET", "/api/now/v1/table/change_request?sysparm_query=number=none").status_code == 404
    assert integration.call("GET", "/api/now/v2/table/change_request?sysparm_query=number=none").json() == {
        "result": []
    }


def test_the_page_shows_records_and_escapes_them(integration):
    change = integration.change(short_description="<script>alert(1)</script>")
    number = integration.row(change)["number"]
    text = integration.call("GET", f"/change/{number}").text
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    assert number in integration.call("GET", "/").text


def test_records_outlive_the_process(tmp_path):
    import requests

    auth = ("changerail.integration", PASSWORD)
    with running("servicenow", tmp_path) as twin:
        made = requests.post(
            f"{twin.url}/api/now/table/change_request", json={"short_description": "kept"}, auth=auth, timeout=10
        )
    number = made.json()["result"]["number"]
    with running("servicenow", tmp_path) as twin:
        found = requests.get(
            f"{twin.url}/api/now/table/change_request", params={"number": number}, auth=auth, timeout=10
        )
    assert [row["short_description"] for row in found.json()["result"]] == ["kept"]
