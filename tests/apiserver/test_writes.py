"""Create, update, patch: what is stored, what is refused, and in which words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from apiserver.serving import CONFIG_MAPS, JSON_PATCH, PODS, STRATEGIC_PATCH, config_map, pod, serving
from pybernetes.apiserver.admission.contract import Attributes, Plugin
from pybernetes.apiserver.naming import ALPHABET
from pybernetes.store.contract import Committed, Condition, Delete, Refused, Write
from pybernetes.store.memory import MemoryStore


async def test_a_created_object_has_a_uid_a_time_and_the_version_of_its_write() -> None:
    async with serving() as talk:
        made = await talk.post(CONFIG_MAPS, config_map("web", key="value"))
        assert made.status == 201
        assert made.body["metadata"]["uid"]
        assert made.body["metadata"]["creationTimestamp"].endswith("Z")
        assert (await talk.get(f"{CONFIG_MAPS}/web")).body == made.body
        assert made.version == str(talk.server.store.revision)


async def test_what_the_client_says_about_server_owned_fields_does_not_count() -> None:
    async with serving() as talk:
        document = config_map("web")
        document["metadata"] |= {"uid": "mine", "creationTimestamp": "2000-01-01T00:00:00Z"}
        made = await talk.post(CONFIG_MAPS, document)
        assert made.body["metadata"]["uid"] != "mine"
        assert not made.body["metadata"]["creationTimestamp"].startswith("2000")


async def test_a_name_is_taken_once() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web"))
        again = await talk.post(CONFIG_MAPS, config_map("web"))
        assert (again.status, again.body["reason"]) == (409, "AlreadyExists")
        assert again.message == 'configmaps "web" already exists'


async def test_many_at_once_under_one_name_make_one_object() -> None:
    async with serving() as talk:
        answers = await asyncio.gather(*(talk.post(CONFIG_MAPS, config_map("web")) for _ in range(10)))
        assert sorted(answer.status for answer in answers) == [201] + [409] * 9


async def test_a_generated_name_has_five_letters_of_the_alphabet_without_vowels() -> None:
    async with serving() as talk:
        made = await talk.post(CONFIG_MAPS, {"metadata": {"generateName": "x" * 70}})
        name = made.body["metadata"]["name"]
        assert len(name) == 63
        assert name.startswith("x" * 58)
        assert set(name[58:]) <= set(ALPHABET)


async def test_creating_in_a_namespace_that_is_not_there_is_not_found() -> None:
    async with serving() as talk:
        answer = await talk.post("/api/v1/namespaces/nowhere/configmaps", config_map("web"))
        assert (answer.status, answer.message) == (404, 'namespaces "nowhere" not found')


async def test_a_namespace_in_the_body_must_be_that_of_the_path() -> None:
    async with serving() as talk:
        document = config_map("web")
        document["metadata"]["namespace"] = "kube-system"
        answer = await talk.post(CONFIG_MAPS, document)
        assert answer.status == 400
        assert answer.message == "the namespace of the provided object does not match the namespace sent on the request"


async def test_an_update_of_an_old_version_is_a_conflict() -> None:
    async with serving() as talk:
        first = (await talk.post(CONFIG_MAPS, config_map("web", key="a"))).body
        await talk.put(f"{CONFIG_MAPS}/web", {**first, "data": {"key": "b"}})
        late = await talk.put(f"{CONFIG_MAPS}/web", {**first, "data": {"key": "c"}})
        assert (late.status, late.body["reason"]) == (409, "Conflict")
        assert late.message == (
            'Operation cannot be fulfilled on configmaps "web": the object has been modified; '
            "please apply your changes to the latest version and try again"
        )


async def test_an_update_without_a_version_overwrites() -> None:
    async with serving() as talk:
        made = await talk.post(CONFIG_MAPS, config_map("web", key="a"))
        after = await talk.put(f"{CONFIG_MAPS}/web", config_map("web", key="b"))
        assert after.body["data"] == {"key": "b"}
        assert after.body["metadata"]["uid"] == made.body["metadata"]["uid"]
        assert int(after.version) > int(made.version)


async def test_an_update_of_another_object_of_the_same_name_is_a_conflict() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web"))
        document = config_map("web")
        document["metadata"]["uid"] = "another"
        answer = await talk.put(f"{CONFIG_MAPS}/web", document)
        assert answer.status == 409
        assert "Precondition failed: UID in precondition: another, UID in object meta:" in answer.message


async def test_an_update_that_changes_nothing_is_not_written() -> None:
    async with serving() as talk:
        made = await talk.post(CONFIG_MAPS, config_map("web", key="a"))
        revision = talk.server.store.revision
        same = await talk.put(f"{CONFIG_MAPS}/web", made.body)
        assert (same.status, same.version) == (200, made.version)
        assert talk.server.store.revision == revision


async def test_an_update_of_what_is_not_there_is_not_found() -> None:
    async with serving() as talk:
        answer = await talk.put(f"{CONFIG_MAPS}/web", config_map("web"))
        assert (answer.status, answer.message) == (404, 'configmaps "web" not found')


async def test_concurrent_patches_all_count() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web"))
        await asyncio.gather(*(talk.patch(f"{CONFIG_MAPS}/web", {"data": {f"key{index}": "x"}}) for index in range(8)))
        assert len((await talk.get(f"{CONFIG_MAPS}/web")).body["data"]) == 8


async def test_each_kind_of_patch_changes_what_it_says() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web", a="1", b="2"))
        merged = await talk.patch(f"{CONFIG_MAPS}/web", {"data": {"a": None, "c": "3"}})
        assert merged.body["data"] == {"b": "2", "c": "3"}
        operations = [{"op": "replace", "path": "/data/b", "value": "9"}]
        assert (await talk.patch(f"{CONFIG_MAPS}/web", operations, JSON_PATCH)).body["data"]["b"] == "9"
        await talk.post(PODS, pod("one"))
        image = {"spec": {"containers": [{"name": "main", "image": "nginx"}]}}
        changed = await talk.patch(f"{PODS}/one", image, STRATEGIC_PATCH)
        assert [container["image"] for container in changed.body["spec"]["containers"]] == ["nginx"]


async def test_a_patch_of_an_unknown_kind_is_unsupported() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web"))
        answer = await talk.patch(f"{CONFIG_MAPS}/web", {}, "application/json")
        assert (answer.status, answer.body["reason"]) == (415, "UnsupportedMediaType")


async def test_the_main_door_does_not_change_the_status_and_the_status_door_nothing_else() -> None:
    async with serving() as talk:
        made = (await talk.post(PODS, pod("one"))).body
        made["status"]["message"] = "through the main door"
        made["metadata"]["labels"] = {"a": "b"}
        main = (await talk.put(f"{PODS}/one", made)).body
        assert "message" not in main["status"]
        assert main["metadata"]["labels"] == {"a": "b"}
        main["status"]["message"] = "through the status door"
        main["spec"]["activeDeadlineSeconds"] = 5
        status = (await talk.put(f"{PODS}/one/status", main)).body
        assert status["status"]["message"] == "through the status door"
        assert "activeDeadlineSeconds" not in status["spec"]


async def test_a_change_of_the_spec_raises_the_generation_and_no_other_does() -> None:
    async with serving() as talk:
        assert (await talk.post(PODS, pod("one"))).body["metadata"]["generation"] == 1
        labelled = await talk.patch(f"{PODS}/one", {"metadata": {"labels": {"a": "b"}}})
        assert labelled.body["metadata"]["generation"] == 1
        changed = await talk.patch(f"{PODS}/one", {"spec": {"activeDeadlineSeconds": 30}})
        assert changed.body["metadata"]["generation"] == 2


async def test_a_dry_run_answers_like_the_real_thing_and_writes_nothing() -> None:
    async with serving() as talk:
        revision = talk.server.store.revision
        dry = await talk.post(CONFIG_MAPS, config_map("web", key="a"), dryRun="All")
        assert (dry.status, dry.body["data"]) == (201, {"key": "a"})
        assert talk.server.store.revision == revision
        await talk.post(CONFIG_MAPS, config_map("web"))
        assert (await talk.post(CONFIG_MAPS, config_map("web"), dryRun="All")).status == 409
        assert (await talk.post(CONFIG_MAPS, config_map("x"), dryRun="Some")).status == 422


@pytest.mark.parametrize(
    ("mode", "status", "warnings"),
    [
        ("Ignore", 201, []),
        ("Warn", 201, ['unknown field "data2"', 'duplicate field "data"']),
        ("", 201, ['unknown field "data2"', 'duplicate field "data"']),
        ("Strict", 400, []),
    ],
)
async def test_unknown_and_repeated_fields_are_ignored_warned_of_or_refused(
    mode: str, status: int, warnings: list[str]
) -> None:
    body = b'{"metadata":{"name":"web"},"data":{"a":"1"},"data2":{},"data":{"a":"2"}}'
    async with serving() as talk:
        answer = await talk.post(CONFIG_MAPS, body, fieldValidation=mode)
        assert answer.status == status
        assert list(answer.response.warnings) == warnings
        if status == 400:
            assert answer.message == (
                'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
                'unknown field "data2", duplicate field "data"'
            )


async def test_yaml_bodies_are_read_and_dates_in_them_stay_text() -> None:
    body = b"metadata: {name: web}\ndata:\n  day: 2001-01-01\n"
    async with serving() as talk:
        answer = await talk.send("POST", CONFIG_MAPS, body, {"content-type": "application/yaml"})
        assert answer.body["data"] == {"day": "2001-01-01"}


async def test_a_body_of_another_kind_or_version_is_refused() -> None:
    async with serving() as talk:
        other = await talk.post(CONFIG_MAPS, pod("one"))
        assert (other.status, other.message.startswith('Pod in version "v1" cannot be handled as a ConfigMap')) == (
            400,
            True,
        )
        version = await talk.post(CONFIG_MAPS, {**config_map("web"), "apiVersion": "v2"})
        assert version.message.endswith(
            'cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "v2" in scheme '
            '"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"'
        )


async def test_problems_found_by_validation_are_all_named_with_their_fields() -> None:
    async with serving() as talk:
        answer = await talk.post(PODS, {"metadata": {"name": "a,b"}, "spec": {"containers": [{"name": "x"}]}})
        assert (answer.status, answer.body["reason"]) == (422, "Invalid")
        fields = {cause["field"] for cause in answer.body["details"]["causes"]}
        assert {"metadata.name", "spec.containers[0].image"} <= fields


async def test_some_kinds_are_only_updated_at_a_stated_version() -> None:
    leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    async with serving() as talk:
        await talk.post(leases, {"metadata": {"name": "l"}, "spec": {}})
        refused = await talk.put(f"{leases}/l", {"metadata": {"name": "l"}, "spec": {}})
        assert refused.status == 422
        assert refused.message.endswith("metadata.resourceVersion: Invalid value: 0: must be specified for an update")


async def test_events_are_one_store_under_two_groups() -> None:
    core, group = "/api/v1/namespaces/default/events", "/apis/events.k8s.io/v1/namespaces/default/events"
    event = {
        "metadata": {"name": "e"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "regarding": {"kind": "Pod", "namespace": "default", "name": "one"},
        "reason": "Made",
        "action": "Making",
        "type": "Normal",
        "note": "a pod was made",
        "reportingController": "example.com/maker",
        "reportingInstance": "maker-1",
    }
    async with serving() as talk:
        watch = await talk.watch(group)
        made = await talk.post(group, event)
        assert (made.status, made.body["note"]) == (201, "a pod was made")
        as_core = (await talk.get(f"{core}/e")).body
        assert (as_core["apiVersion"], as_core["message"]) == ("v1", "a pod was made")
        assert as_core["involvedObject"]["name"] == "one"
        type_, seen = await watch.next()
        assert (type_, seen["apiVersion"], seen["note"]) == ("ADDED", "events.k8s.io/v1", "a pod was made")
        changed = await talk.patch(f"{group}/e", {"metadata": {"labels": {"a": "b"}}})
        assert changed.body["metadata"]["labels"] == {"a": "b"}
        listed = (await talk.get(group)).body
        assert (listed["apiVersion"], listed["items"][0]["regarding"]["name"]) == ("events.k8s.io/v1", "one")


class NamespaceVanishes(Plugin):
    """Between the look at the namespace and the write, the namespace goes."""

    name = "NamespaceVanishes"
    resources = frozenset({"configmaps"})

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def validate(self, attributes: Attributes) -> None:
        if attributes.namespace == "default":
            await self._store.transact(write=[Delete("/registry/namespaces/default")])


async def test_nothing_is_left_in_a_namespace_that_is_gone() -> None:
    store = MemoryStore()
    async with serving(store, more_plugins=[NamespaceVanishes(store)]) as talk:
        answer = await talk.post(CONFIG_MAPS, config_map("web"))
        assert (answer.status, answer.message) == (404, 'namespaces "default" not found')


class SlowToSync(MemoryStore):
    """Writes are on their way until somebody lets them through."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.open.set()

    async def transact(
        self, *, require: Sequence[Condition] = (), write: Sequence[Write], within: float = 0.0
    ) -> Committed | Refused:
        await self.open.wait()
        return await super().transact(require=require, write=write, within=within)


async def test_an_address_stays_taken_when_the_client_goes_while_its_service_is_written() -> None:
    store = SlowToSync()
    services = "/api/v1/namespaces/default/services"
    spec = {"clusterIP": "10.96.7.7", "ports": [{"port": 80}]}
    async with serving(store) as talk:
        store.open.clear()
        gone = asyncio.ensure_future(talk.post(services, {"metadata": {"name": "first"}, "spec": spec}))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        store.open.set()
        second = await talk.post(services, {"metadata": {"name": "second"}, "spec": spec})
        assert (second.status, "provided IP is already allocated" in second.message) == (422, True)
        assert (await talk.get(f"{services}/first")).status == 200
