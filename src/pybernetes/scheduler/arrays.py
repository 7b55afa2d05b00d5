"""The arrays that the scheduler computes with: a place for each row of ``NodeColumns``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int32]
"""Interned values; ``ABSENT`` where a row has none."""

Rows = slice | npt.NDArray[np.intp]
EVERY_ROW = slice(None)
ABSENT = -1
