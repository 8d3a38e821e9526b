# The contract of operations, held against every case: an effect happens once, looking changes nothing, no secret is shown.
from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from contract import cases
from contract.cases import SECRET, Case, Maker, plain
from contract.crash import die_at, lines_of
from contract.twins import GitLabPipelineCase, ServiceNowRecordCase, ServiceNowTaskCase

from ansible_collections.netops.changerail.plugins.module_utils.arguments import validated
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED, FAILURE_CLASSES
from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed, Outcome, Waiting

CASES = {
    **cases.CASES,
    "change_record-servicenow": plain(ServiceNowRecordCase),
    "change_task-servicenow": plain(ServiceNowTaskCase),
    "pipeline-gitlab": plain(GitLabPipelineCase),
}

# The child runs our code and nothing of the threads of the web servers.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


@pytest.fixture(params=list(CASES))
def maker(request: pytest.FixtureRequest) -> Maker:
    return CASES[request.param]


@pytest.fixture
def case(maker: Maker, tmp_path: Path) -> Iterator[Case]:
    with maker(tmp_path) as made:
        yield made


def described(outcome: Outcome) -> str:
    """All that an outcome would put into a journal."""
    if isinstance(outcome, Waiting):
        return json.dumps([outcome.handle, outcome.message, outcome.question], allow_nan=False)
    message = outcome.message if isinstance(outcome, Failed) else ""
    return json.dumps([outcome.result, message], allow_nan=False)


def test_it_is_found_by_its_name_and_says_what_it_takes(case: Case) -> None:
    operation = case.operation
    assert operation.name == case.name
    for name, spec in operation.options.items():
        assert spec.get("type"), name
    assert set(operation.raw_options) <= set(operation.options)
    validated(operation, case.args())


def test_it_comes_to_an_end(case: Case) -> None:
    made = case.call()
    outcome = case.finish(made, operation_start(case))
    assert isinstance(outcome, Done), outcome
    assert case.effects() == case.wanted


def operation_start(case: Case) -> Outcome:
    return case.operation.start(case.call())


def test_starting_again_has_no_second_effect(case: Case) -> None:
    first = operation_start(case)
    second = operation_start(case)
    assert type(first) is type(second)
    assert isinstance(case.finish(case.call(), second), Done)
    third = operation_start(case)
    assert isinstance(case.finish(case.call(), third), Done)
    assert case.effects() == case.wanted


def test_a_crash_at_any_line_of_the_start_has_no_second_effect(maker: Maker, tmp_path: Path) -> None:
    with maker(tmp_path / "count") as case:
        crashes = case.crashes
        lines = lines_of(lambda: operation_start(case))
        case.finish(case.call(), operation_start(case))
    deaths = 0
    for line in range(1, lines + 1, max(1, lines // crashes)):
        with maker(tmp_path / str(line)) as case:
            died = die_at(line, lambda case=case: operation_start(case))
            deaths += died
            outcome = case.finish(case.call(), operation_start(case))
            assert isinstance(outcome, Done), (line, died, outcome)
            allowed = (case.wanted, case.wanted + 1) if case.at_least_once else (case.wanted,)
            assert case.effects() in allowed, (line, died)
    assert deaths > 0


def test_a_lost_answer_has_no_second_effect(case: Case) -> None:
    if not case.can_lose_answers:
        pytest.skip("no answer can be lost in this world")
    case.lose_next_answer()
    outcome = operation_start(case)
    assert isinstance(outcome, Waiting), outcome
    assert isinstance(case.finish(case.call(), outcome), Done)
    assert case.effects() == case.wanted


def test_looking_starts_nothing_and_says_the_same(case: Case) -> None:
    outcome = operation_start(case)
    if not isinstance(outcome, Waiting):
        pytest.skip("it never waits")
    effects = case.effects()
    looks = [case.operation.poll(case.call(), outcome.handle) for _look in range(3)]
    assert case.effects() <= max(effects, case.wanted)
    for one, other in itertools.pairwise(look for look in looks if isinstance(look, Waiting)):
        assert (one.message, one.question) == (other.message, other.question)
    assert isinstance(case.finish(case.call(), outcome), Done)
    assert case.effects() == case.wanted


def test_a_handle_is_enough_for_another_process(case: Case) -> None:
    outcome = operation_start(case)
    if not isinstance(outcome, Waiting):
        pytest.skip("it never waits")
    handle = json.loads(json.dumps(outcome.handle))
    assert handle == outcome.handle
    again = case.operation.poll(case.call(), handle)
    assert isinstance(case.finish(case.call(), again), Done)


def test_waiting_says_for_what_and_when_to_look(case: Case) -> None:
    outcome = operation_start(case)
    if not isinstance(outcome, Waiting):
        pytest.skip("it never waits")
    assert outcome.message and "\n" not in outcome.message
    assert 0 < outcome.after <= 86400 or (outcome.after == math.inf and outcome.question is not None)
    assert outcome.question is None or outcome.question["id"]


def test_cancel_while_it_waits(case: Case) -> None:
    outcome = operation_start(case)
    if not isinstance(outcome, Waiting):
        pytest.skip("it never waits")
    ended = case.operation.cancel(case.call(), outcome.handle)
    assert isinstance(ended, Failed)
    assert ended.failure == CANCELLED
    assert ended.message
    assert case.effects() <= case.wanted


def test_cancel_without_a_handle_finds_what_was_started(case: Case) -> None:
    """The engine died after the start and before it had recorded a handle."""
    if not isinstance(operation_start(case), Waiting):
        pytest.skip("it never waits")
    ended = case.operation.cancel(case.call(), {})
    assert isinstance(ended, Failed) and ended.failure == CANCELLED and ended.message
    assert case.effects() <= case.wanted


def test_cancel_of_what_was_never_started_starts_nothing(case: Case) -> None:
    ended = case.operation.cancel(case.call(), {})
    assert isinstance(ended, Done) or (isinstance(ended, Failed) and ended.failure == CANCELLED)
    assert case.effects() == 0


def test_cancel_after_the_end_undoes_nothing(case: Case) -> None:
    outcome = operation_start(case)
    if not isinstance(outcome, Waiting):
        pytest.skip("it never waits")
    assert isinstance(case.finish(case.call(), outcome), Done)
    effects = case.effects()
    ended = case.operation.cancel(case.call(), outcome.handle)
    assert isinstance(ended, Done) or (isinstance(ended, Failed) and ended.failure == CANCELLED)
    assert case.effects() == effects
    assert isinstance(case.finish(case.call(), operation_start(case)), Done)


def test_no_secret_is_shown(case: Case) -> None:
    made = case.call()
    outcome = operation_start(case)
    seen = [described(outcome)]
    if isinstance(outcome, Waiting):
        seen.append(described(case.operation.poll(made, outcome.handle)))
    seen.append(described(case.finish(made, outcome)))
    if isinstance(outcome, Waiting):
        seen.append(described(case.operation.cancel(made, outcome.handle)))
    for text in seen:
        assert SECRET not in text


def test_check_mode_has_no_effect(case: Case) -> None:
    made = case.call(check=True)
    outcome = case.operation.start(made)
    if isinstance(outcome, Waiting):  # a playbook in check mode
        outcome = case.finish(made, outcome)
    assert isinstance(outcome, Done), outcome
    assert case.effects() == 0
    json.dumps(outcome.result, allow_nan=False)


def bad_options() -> list[Any]:
    found = []
    for name, maker in CASES.items():
        with maker(Path("/")) as made:
            for number, (args, named) in enumerate(made.bad):
                found.append(pytest.param(maker, args, named, id=f"{name}-{number}"))
    return found


@pytest.mark.parametrize(("maker", "args", "named"), bad_options())
def test_bad_options_are_named_and_have_no_effect(
    maker: Maker, args: Mapping[str, Any], named: str, tmp_path: Path
) -> None:
    with maker(tmp_path) as case:
        with pytest.raises((AuthorError, OperationError)) as error:
            case.operation.start(case.call(args))
        assert named in str(error.value)
        assert case.effects() == 0


def test_an_unknown_option_is_an_authors_mistake(case: Case) -> None:
    with pytest.raises(AuthorError, match="unknown option 'no_such_option'"):
        case.call({**case.args(), "no_such_option": 1})


def test_failure_classes_are_the_known_ones(case: Case) -> None:
    outcome = operation_start(case)
    if isinstance(outcome, Waiting):
        outcome = case.operation.cancel(case.call(), outcome.handle)
    assert not isinstance(outcome, Failed) or outcome.failure in FAILURE_CLASSES
