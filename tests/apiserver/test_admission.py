"""What the built-in admission plugins add and refuse, and how others join them."""

from __future__ import annotations

from apiserver.serving import CONFIG_MAPS, PODS, config_map, pod, serving
from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin

CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"


async def test_a_pod_runs_as_the_default_account_with_its_token_mounted() -> None:
    async with serving() as talk:
        spec = (await talk.post(PODS, pod("one"))).body["spec"]
        assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
        [volume] = spec["volumes"]
        assert volume["name"].startswith("kube-api-access-")
        [token, root, namespace] = volume["projected"]["sources"]
        assert token["serviceAccountToken"] == {"expirationSeconds": 3607, "path": "token"}
        assert root["configMap"]["name"] == "kube-root-ca.crt"
        assert namespace["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"] == "metadata.namespace"
        [mount] = spec["containers"][0]["volumeMounts"]
        assert (mount["name"], mount["readOnly"]) == (volume["name"], True)
        assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"


async def test_a_pod_may_do_without_a_token() -> None:
    async with serving() as talk:
        spec = (await talk.post(PODS, pod("one", automountServiceAccountToken=False))).body["spec"]
        assert "volumes" not in spec


async def test_an_account_that_is_not_there_is_refused() -> None:
    async with serving() as talk:
        refused = await talk.post(PODS, pod("one", serviceAccountName="nobody"))
        assert refused.status == 403
        assert refused.message == (
            'pods "one" is forbidden: error looking up service account default/nobody: '
            'serviceaccount "nobody" not found'
        )


async def test_a_pod_tolerates_lost_nodes_for_five_minutes() -> None:
    async with serving() as talk:
        own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
        spec = (await talk.post(PODS, pod("one", tolerations=[own]))).body["spec"]
        assert [(one["key"], one.get("tolerationSeconds")) for one in spec["tolerations"]] == [
            ("node.kubernetes.io/not-ready", None),
            ("node.kubernetes.io/unreachable", 300),
        ]


async def test_priority_follows_from_the_class() -> None:
    async with serving() as talk:
        plain = (await talk.post(PODS, pod("plain"))).body["spec"]
        assert (plain["priority"], plain["preemptionPolicy"]) == (0, "PreemptLowerPriority")
        document = pod("critical", priorityClassName="system-node-critical")
        critical = (await talk.post(PODS, document)).body["spec"]
        assert critical["priority"] == 2_000_001_000
        unknown = await talk.post(PODS, pod("odd", priorityClassName="odd"))
        assert (unknown.status, "no PriorityClass with name odd was found" in unknown.message) == (403, True)
        lying = await talk.post(PODS, pod("liar", priority=5))
        assert "the integer value of priority (5) must not be provided in pod spec" in lying.message


async def test_one_class_is_the_default() -> None:
    async with serving() as talk:
        first = {"metadata": {"name": "usual"}, "value": 10, "globalDefault": True}
        assert (await talk.post(CLASSES, first)).status == 201
        await talk.server.watch_cache.at_least(talk.server.store.revision)
        assert (await talk.post(PODS, pod("one"))).body["spec"]["priorityClassName"] == "usual"
        second = {"metadata": {"name": "other"}, "value": 20, "globalDefault": True}
        assert (await talk.post(CLASSES, second)).status == 403


async def test_a_new_node_takes_no_pods_yet() -> None:
    async with serving() as talk:
        node = (await talk.post("/api/v1/nodes", {"metadata": {"name": "node-1"}})).body
        assert node["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]


class Stamp(Plugin):
    """Labels what is created, refuses one name."""

    name = "Stamp"
    operations = frozenset({Operation.CREATE})
    resources = frozenset({"configmaps"})

    async def mutate(self, attributes: Attributes) -> None:
        assert attributes.document is not None
        attributes.document["metadata"].setdefault("labels", {})["stamped"] = attributes.context.user.name.split(":")[0]

    async def validate(self, attributes: Attributes) -> None:
        if attributes.name == "cursed":
            raise errors.forbidden("configmaps", attributes.name, "it is cursed")


async def test_a_plugin_is_a_plain_class() -> None:
    async with serving(more_plugins=[Stamp()]) as talk:
        made = await talk.post(CONFIG_MAPS, config_map("web"))
        assert made.body["metadata"]["labels"] == {"stamped": "system"}
        refused = await talk.post(CONFIG_MAPS, config_map("cursed"))
        assert (refused.status, refused.message) == (403, 'configmaps "cursed" is forbidden: it is cursed')


class Closed(Plugin):
    """Refuses config maps as long as there is a runtime class."""

    name = "Closed"
    resources = frozenset({"configmaps"})
    needs = "runtimeclasses.node.k8s.io"

    async def validate(self, attributes: Attributes) -> None:
        raise errors.forbidden("configmaps", attributes.name, "closed")


async def test_a_plugin_is_not_asked_before_there_is_what_it_goes_by() -> None:
    async with serving(more_plugins=[Closed()]) as talk:
        assert (await talk.post(CONFIG_MAPS, config_map("early"))).status == 201
        runtime = {"metadata": {"name": "fast"}, "handler": "fast"}
        assert (await talk.post("/apis/node.k8s.io/v1/runtimeclasses", runtime)).status == 201
        await talk.server.watch_cache.at_least(talk.server.store.revision)
        late = await talk.post(CONFIG_MAPS, config_map("late"))
        assert (late.status, late.message) == (403, 'configmaps "late" is forbidden: closed')
