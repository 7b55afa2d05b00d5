"""Amounts of resources as a person writes them."""

from __future__ import annotations

_BINARY = (("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10))
_BYTES = ("memory", "ephemeral-storage", "hugepages-")


def written(resource: str, amount: int) -> str:
    """``250m`` or ``7.5`` of CPU, ``1.5Gi`` of memory, a number of anything else."""
    if resource == "cpu":
        return f"{amount}m" if abs(amount) < 1000 and amount else f"{amount / 1000:g}"
    if not resource.startswith(_BYTES):
        return str(amount)
    for unit, size in _BINARY:
        if abs(amount) >= size:
            return f"{round(amount / size, 2):g}{unit}"
    return str(amount)
