"""Changes of documents, as clients send them: pure functions that leave their arguments alone.

What a patch does not touch is shared between the old document and the new one.
"""

from pybernetes.api.patch.error import BadPatch, PatchError, TestFailed, UnfitPatch

__all__ = ["BadPatch", "PatchError", "TestFailed", "UnfitPatch"]
