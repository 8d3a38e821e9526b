# What an answer of ServiceNow is worth: a page with 200, an error with 200, a rate limit, silence after a commit. Run by pytest.
from __future__ import annotations

import pytest
from support.calls import finished
from support.servicenow import Person

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed
from ansible_collections.netops.changerail.plugins.module_utils.operations.change_record import (
    OPERATION as CHANGE_RECORD,
)
from ansible_collections.netops.changerail.plugins.module_utils.provider import NoAnswer, correlation_id, records

OPEN = {"short_description": "Advertise a prefix", "assignment_group": "network"}


@pytest.mark.parametrize(
    ("fault", "text", "after"),
    [
        ("html", "with text/html instead of JSON; the instance may be asleep or want a log-in", None),
        ("error_body", "Transaction cancelled: maximum execution time exceeded", None),
        ("empty_body", "with an empty answer instead of JSON", None),
        ("server_error", "status 503", None),
        ("gateway_timeout", "status 504", None),
        ("rate_limit", "Rate limit exceeded", 7.0),
    ],
)
def test_a_look_that_fails_is_tried_again(call, twin, fault, text, after):
    provider = records("servicenow", call(**OPEN).context)
    twin.fault(fault, method="GET", path="/api/", seconds=7)
    with pytest.raises(OperationError, match=text) as caught:
        provider.find("nothing")
    assert (caught.value.failure, caught.value.retry_after) == ("transient", after)
    assert list(provider.find("nothing")) == []


@pytest.mark.parametrize("fault", ["html", "error_body", "empty_body", "server_error", "gateway_timeout", "cut_after"])
def test_a_write_without_a_usable_answer_may_have_happened(call, twin, fault):
    provider = records("servicenow", call(**OPEN).context)
    twin.fault(fault, method="POST", path="/change")
    with pytest.raises(NoAnswer):
        provider.create({**OPEN, "type": "normal"}, "answers")


@pytest.mark.parametrize("fault", ["html", "rate_limit", "server_error", "gateway_timeout", "cut_after", "duplicate"])
@pytest.mark.parametrize("change_api", [True, False])
def test_one_record_is_opened_whatever_is_answered(call, twin, fault, change_api):
    twin.set(change_api=change_api)
    try:
        twin.fault(fault, method="POST", path="/change" if change_api else "/table/change_request", seconds=0)
        outcome = Failed("transient", "")
        for attempt in (1, 2):
            if isinstance(outcome, Done):
                break
            made = call(attempt=attempt, **OPEN)
            try:
                outcome = finished(CHANGE_RECORD, made, CHANGE_RECORD.start(made))
            except OperationError as error:
                outcome = Failed(error.failure, str(error))
            assert isinstance(outcome, Done) or outcome.failure == "transient"
    finally:
        twin.set(change_api=True)
    (live,) = Person(twin).rows("change_request", f"correlation_id={correlation_id(made.context)}^state!=4")
    assert live["number"] == outcome.result["number"]
