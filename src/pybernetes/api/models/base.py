"""What every generated model shares.

Guarantees
  Every field has a default, so an incomplete document still decodes and validation can say what is missing.
  A field that holds its default is left out when encoding, but for the type of a top-level object and for the
  structs that upstream writes even when they are empty.
Caveats
  The garbage collector does not look at models: informers hold millions, and what was decoded has no cycles. Whoever
  makes a model part of a cycle keeps it for ever.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Model(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel", gc=False):
    """An object of the API, or a part of one."""


def always(value: str) -> Any:
    """A default that is encoded all the same: msgspec never takes what a factory returns for a default."""
    return msgspec.field(default_factory=value.__str__)
