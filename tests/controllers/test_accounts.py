"""Each controller acts as an account that a role of upstream's name is bound to."""

from __future__ import annotations

from pybernetes.apiserver.auth.bootstrap_controller_policy import CONTROLLER_ROLES, WORKLOAD_CONTROLLER_ROLES
from pybernetes.apiserver.auth.bootstrap_policy import ROLES
from pybernetes.apiserver.auth.bootstrap_roles import defaults
from pybernetes.controllers import CONTROLLERS
from pybernetes.controllers.accounts import ACCOUNTS, account_of


def test_every_controller_has_a_role() -> None:
    in_namespaces = {name.removeprefix("system:controller:") for _, name in ROLES}
    assert {
        account_of(each.name) for each in CONTROLLERS
    } <= CONTROLLER_ROLES.keys() | WORKLOAD_CONTROLLER_ROLES.keys() | in_namespaces


def test_only_controllers_that_exist_are_listed() -> None:
    assert ACCOUNTS.keys() <= {each.name for each in CONTROLLERS}


def test_the_roles_of_controllers_are_bound_to_their_accounts_alone() -> None:
    bound = {
        document["metadata"]["name"]: [(one["kind"], one["name"]) for one in document["subjects"]]
        for _, document in defaults()
        if document["kind"] == "ClusterRoleBinding" and document["metadata"]["name"].startswith("system:controller:")
    }
    assert bound["system:controller:job-controller"] == [("ServiceAccount", "job-controller")]
    assert all(len(subjects) == 1 for subjects in bound.values())
