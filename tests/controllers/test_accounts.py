"""Each controller acts as an account that a role of upstream's name is bound to."""

from __future__ import annotations

from pybernetes.apiserver.auth.bootstrap_controller_policy import CONTROLLER_ROLES
from pybernetes.controllers import CONTROLLERS
from pybernetes.controllers.accounts import ACCOUNTS, account_of

OWN = frozenset({"node-storage-controller"})


def test_every_controller_has_a_role() -> None:
    without = {each.name for each in CONTROLLERS if account_of(each.name) not in CONTROLLER_ROLES}
    assert without <= OWN


def test_only_controllers_that_exist_are_listed() -> None:
    assert ACCOUNTS.keys() - {each.name for each in CONTROLLERS} <= {"resourceclaim-controller"}
