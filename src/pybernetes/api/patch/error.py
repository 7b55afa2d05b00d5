"""Why a patch cannot be applied."""

from __future__ import annotations


class PatchError(ValueError):
    """The patch is malformed, or does not fit the document. The text is upstream's where it has one."""


class BadPatch(PatchError):
    """The patch breaks the rules of its form: upstream answers 400."""


class UnfitPatch(PatchError):
    """The patch and the document's lists do not go together: upstream answers 500."""


class UnfitVersion(PatchError):
    """An object in the version of one of its managers is not what that version's schema says, or there is no such
    version."""


class TestFailed(PatchError):
    """A JSON patch's `test` found another value."""

    __test__ = False
