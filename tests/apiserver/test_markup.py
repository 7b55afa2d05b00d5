"""JSON answers escape what could be taken for markup, as Go's encoder does; who reads them sees what was written."""

from __future__ import annotations

import pytest

from apiserver.serving import CONFIG_MAPS, MERGE_PATCH, PARTIAL, TABLE, config_map, serving
from pybernetes.api import go_json
from pybernetes.api.fields import invalid
from pybernetes.api.schema import duplicates

ODD = "a<b> & c\u2028d\u2029é€\x7f"
ESCAPED = rb"a\u003cb\u003e \u0026 c\u2028d\u2029" + "é€\x7f".encode()
HORIZONTAL = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"


@pytest.mark.parametrize("text", ["", "plain", "é€\u2027\u202a", ODD, "<" * 3])
def test_what_is_escaped_reads_as_it_was(text: str) -> None:
    written = go_json.dumps({text: [text]})
    assert go_json.loads(written) == {text: [text]}
    assert written.decode() == go_json.escaped(written.decode())


def test_what_has_nothing_to_escape_is_not_copied() -> None:
    plain = "ünd €".encode()
    assert go_json.escaped_bytes(b'{"a":1}') == b'{"a":1}'
    assert go_json.escaped_bytes(plain) == plain


async def test_every_answer_that_shows_an_object_escapes_it() -> None:
    async with serving() as talk:
        made = await talk.post(CONFIG_MAPS, config_map("odd", k=ODD), fieldManager="<me>")
        patched = await talk.patch(
            f"{CONFIG_MAPS}/odd", {"metadata": {"annotations": {"x": ODD}}}, MERGE_PATCH, fieldManager="<me>"
        )
        answers = [made, patched]
        for accept in ("application/json", TABLE, PARTIAL, "application/json;pretty=1"):
            answers.append(await talk.get(f"{CONFIG_MAPS}/odd", accept))
            answers.append(await talk.get(CONFIG_MAPS, accept.replace("Metadata;", "MetadataList;")))
        for answer in answers:
            assert answer.status in (200, 201), answer.message
            raw = answer.response.content
            assert rb"\u003cme\u003e" in raw
            assert ESCAPED in raw
            assert not {b"<", b">", b"&"} & {raw[at : at + 1] for at in range(len(raw))}
        assert (await talk.get(f"{CONFIG_MAPS}/odd")).body["data"] == {"k": ODD}
        refused = await talk.get(f"{CONFIG_MAPS}/<odd>")
        assert rb"configmaps \"\u003codd\u003e\" not found" in refused.response.content


async def test_a_converted_version_and_a_watch_escape_alike() -> None:
    async with serving() as talk:
        document = {
            "metadata": {"name": "odd", "annotations": {"x": ODD}},
            "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "A", "name": "b"}},
        }
        assert (await talk.post(HORIZONTAL.format("v2"), document)).status == 201
        for version in ("v1", "v2"):
            collection = HORIZONTAL.format(version)
            one, many = await talk.get(f"{collection}/odd"), await talk.get(collection)
            assert ESCAPED in one.response.content
            assert ESCAPED in many.response.content
            for accept in ("application/json", PARTIAL, TABLE):
                watching = await talk.watch(collection, accept, resourceVersion="0")
                assert ESCAPED in await anext(watching.stream)


async def test_what_go_cannot_read_as_yaml_is_told_so() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("odd", k="\x7f"))
        answer = await talk.get(f"{CONFIG_MAPS}/odd", "application/yaml")
        assert answer.status == 500
        assert b"message: 'yaml: control characters are not allowed'" in answer.response.content


def test_values_in_errors_are_escaped_unless_they_are_texts() -> None:
    assert str(invalid("spec", "<", "is odd")) == 'spec: Invalid value: "<": is odd'
    assert str(invalid("spec", {"a": ["<"]}, "is odd")) == r'spec: Invalid value: {"a":["\u003c"]}: is odd'


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_body_that_go_wrote_is_parsed_once(end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "json", None)
    assert duplicates.find_duplicates(go_json.dumps({"a": ODD, "b": [ODD]}) + end) == []
    assert duplicates.find_duplicates(b'{"a":1,"b":[]}' + end) == []
