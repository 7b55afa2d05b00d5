"""Match conditions: one that is false decides, what fails is told otherwise."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pybernetes.api.fields import at
from pybernetes.api.models.admissionregistration_v1 import MatchCondition
from pybernetes.apiserver.admission.contract import Attributes, Operation
from pybernetes.apiserver.auth.contract import AlwaysAllow, AlwaysDeny, Authorizer, User
from pybernetes.apiserver.cel.match_conditions import MatchConditions, Verdict, check_expression
from pybernetes.apiserver.resource import Context
from pybernetes.apiserver.resources.config_map import CONFIG_MAPS

CONTEXT = Context(User("jane", groups=("devs",)), datetime(2030, 1, 1, tzinfo=UTC))
DOCUMENT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}


async def verdict(*expressions: str, authorizer: Authorizer | None = None) -> Verdict:
    conditions = [MatchCondition(name=f"c{index}", expression=text) for index, text in enumerate(expressions)]
    attributes = Attributes(Operation.CREATE, CONFIG_MAPS, "default", "c", CONTEXT, DOCUMENT)
    return await MatchConditions(conditions, authorizer or AlwaysAllow()).evaluate(attributes)


async def test_all_conditions_must_hold() -> None:
    assert await verdict("object.data.a == '1'", "request.userInfo.groups == ['devs'] && oldObject == null") == Verdict(
        matches=True
    )


async def test_a_false_condition_decides_even_beside_one_that_fails() -> None:
    assert await verdict("object.data.missing == '1'", "request.operation == 'UPDATE'") == Verdict(
        matches=False, failed="c1"
    )


async def test_what_fails_is_told_when_nothing_is_false() -> None:
    found = await verdict("true", "object.data.missing == '1'")
    assert found.error == "expression 'object.data.missing == '1'' resulted in error: no such key: missing"


@pytest.mark.parametrize(("authorizer", "matches"), [(AlwaysAllow(), True), (AlwaysDeny(), False)])
async def test_the_authorizer_is_asked(authorizer: Authorizer, matches: bool) -> None:
    asking = "authorizer.group('apps').resource('deployments').check('create').allowed()"
    assert (await verdict(f"{asking} || object.nope == 1 || false", authorizer=authorizer)).matches is matches


def test_a_condition_must_be_true_or_false() -> None:
    [error] = check_expression("request.name", at.expression)
    assert error.detail == "must evaluate to bool but got string"
    [error] = check_expression("params.a == 1", at.expression)
    assert "undeclared reference to 'params'" in error.detail
    assert list(check_expression("params.a == 1", at.expression, params=True)) == []
