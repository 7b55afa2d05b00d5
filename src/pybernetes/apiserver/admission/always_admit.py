"""AlwaysAdmit: does nothing. It is deprecated upstream and here for old flags.

Follows plugin/pkg/admission/admit.
"""

from __future__ import annotations

from pybernetes.apiserver.admission.contract import Plugin


class AlwaysAdmit(Plugin):
    name = "AlwaysAdmit"
