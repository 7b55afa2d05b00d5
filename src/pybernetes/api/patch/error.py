"""Why a patch cannot be applied."""

from __future__ import annotations


class PatchError(ValueError):
    """The patch is malformed, or does not fit the document. The text is upstream's where it has one."""


class TestFailed(PatchError):
    """A JSON patch's `test` found another value."""

    __test__ = False
