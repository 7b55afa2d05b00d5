from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as some

from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import ConfigMap
from pybernetes.apiserver.list_body import PIECE, ListBody
from pybernetes.apiserver.objects import Form, StoredObject

START = b'{"kind":"ConfigMapList","apiVersion":"v1","metadata":{},"items":['


def stored(number: int, size: int) -> StoredObject:
    form = Form(info_of(ConfigMap))
    value = form.to_stored({"metadata": {"name": f"map-{number}"}, "data": {"filler": "x" * size}})
    return StoredObject(form, "/registry/configmaps/", f"/registry/configmaps/default/map-{number}", value, 10**number)


def items_of(found: list[StoredObject]) -> list[bytes]:
    return [one.item for one in found]


@given(some.lists(some.sampled_from((0, 10, PIECE // 3, PIECE)), min_size=1, max_size=12))
def test_pieces_together_are_the_list_whose_length_was_known(sizes: list[int]) -> None:
    found = [stored(number, size) for number, size in enumerate(sizes)]
    made_first = ListBody.of(START, items_of(found))
    made_late = ListBody(START, found, items_of, found[0].form.extent(found))
    whole = made_first.whole()
    assert whole == made_late.whole() == b"".join(made_late.pieces())
    assert len(whole) == len(made_first) == len(made_late)
    assert orjson.loads(whole)["items"] == [orjson.loads(one.item) for one in found]


def test_what_leads_and_what_ends_goes_out_with_the_pieces() -> None:
    assert list(ListBody.of(START, [b"{}"] * 3).pieces(b"lead", b"end")) == [b"lead" + START + b"{},{},{}]}\nend"]
    *_, last = ListBody.of(START, [b"{}"] * 300_000).pieces(b"lead", b"end")
    assert last.endswith(b"{}]}\nend")


async def test_a_long_list_is_never_in_memory_as_a_whole() -> None:
    found = [stored(number, PIECE // 2) for number in range(12)]
    pieces = [piece async for piece in ListBody(START, found, items_of, found[0].form.extent(found))]
    assert len(pieces) > 4
    assert max(map(len, pieces)) < 2 * PIECE
