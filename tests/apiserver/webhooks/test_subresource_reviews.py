"""What webhooks are asked about connections, scales, bindings, evictions and deletions of pods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from apiserver.hook_server import HookServer, hook_server, patch_of, rule, webhook
from apiserver.serving import PODS, Answer, Talk, pod, serving
from apiserver.webhooks.test_webhooks import ALLOWED, MUTATING, VALIDATING, configure
from pybernetes.apiserver.proxy.install import _unchecked, install

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
ALL = ("CREATE", "UPDATE", "DELETE", "CONNECT")


@asynccontextmanager
async def asking(*resources: str, group: str = "", kind: str = VALIDATING, answer: Any = ALLOWED) -> AsyncIterator[Any]:
    """A server whose webhook is asked about everything that happens to the resources."""
    rules = [rule(*resources, group=group, operations=ALL)]
    async with hook_server(lambda *_: answer) as hooks, serving() as talk:
        proxies = install(talk.server, _unchecked())
        await configure(talk, kind, webhook(hooks.config(), rules=rules))
        yield talk, hooks
        await proxies.close()


def reviews(hooks: HookServer) -> list[dict[str, Any]]:
    return [review["request"] for _, review in hooks.asked]


async def connect(talk: Talk, path: str, **query: Sequence[str]) -> Answer:
    from pybernetes.apiserver.http import ApiRequest

    response = await talk.server.handle(ApiRequest("POST", f"{PODS}/{path}", query))
    return Answer(response.status, response)


async def test_a_command_is_shown_as_its_options() -> None:
    async with asking("pods/exec") as (talk, hooks):
        await connect(talk, "web/exec", command=["ls", "-l"], stdin=["true"], tty=["0"], container=["c"])
        (asked,) = reviews(hooks)
        assert asked["operation"] == "CONNECT"
        assert asked["kind"] == {"group": "", "version": "v1", "kind": "PodExecOptions"}
        assert asked["resource"] == {"group": "", "version": "v1", "resource": "pods"}
        assert (asked["subResource"], asked["name"], asked["namespace"]) == ("exec", "web", "default")
        assert asked["object"] == {
            "kind": "PodExecOptions",
            "apiVersion": "v1",
            "stdin": True,
            "container": "c",
            "command": ["ls", "-l"],
        }
        assert asked["oldObject"] is None
        assert asked["options"] is None


async def test_ports_and_paths_are_options_too() -> None:
    async with asking("pods/portforward", "pods/proxy", "pods/attach") as (talk, hooks):
        await connect(talk, "web/portforward", ports=["80", "90"])
        await connect(talk, "web/attach", stdout=["true"])
        await connect(talk, "web:8080/proxy/a/b")
        ports, attached, proxied = (asked["object"] for asked in reviews(hooks))
        assert ports == {"kind": "PodPortForwardOptions", "apiVersion": "v1", "ports": [80, 90]}
        assert attached == {"kind": "PodAttachOptions", "apiVersion": "v1", "stdout": True}
        assert proxied == {"kind": "PodProxyOptions", "apiVersion": "v1", "path": "/a/b"}


async def test_a_refused_connection_is_not_made() -> None:
    async with asking("pods/exec", answer={"allowed": False}) as (talk, _):
        refused = await connect(talk, "web/exec", command=["ls"])
        assert refused.message == 'admission webhook "one.example.com" denied the request without explanation'


async def test_connections_have_no_dry_run() -> None:
    async with serving() as talk:
        proxies = install(talk.server, _unchecked())
        refused = await connect(talk, "web/exec", command=["ls"], dryRun=["All"])
        assert (refused.status, refused.message) == (400, "dryRun is not supported")
        await proxies.close()


def deployment() -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    return {"metadata": {"name": "d"}, "spec": spec}


async def test_a_scale_is_reviewed_as_one() -> None:
    async with asking("deployments/scale", group="apps") as (talk, hooks):
        await talk.post(DEPLOYMENTS, deployment())
        await talk.patch(f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": 4}})
        (asked,) = reviews(hooks)
        assert asked["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        assert asked["resource"] == {"group": "apps", "version": "v1", "resource": "deployments"}
        assert asked["object"]["spec"] == {"replicas": 4}
        assert asked["oldObject"]["spec"] == {"replicas": 2}
        assert asked["oldObject"]["status"] == {"replicas": 0, "selector": "a=b"}


async def test_a_changed_scale_changes_the_object() -> None:
    answer = patch_of({"op": "replace", "path": "/spec/replicas", "value": 7})
    async with asking("deployments/scale", group="apps", kind=MUTATING, answer=answer) as (talk, hooks):
        await talk.post(DEPLOYMENTS, deployment())
        scaled = await talk.put(f"{DEPLOYMENTS}/d/scale", {"metadata": {"name": "d"}, "spec": {"replicas": 3}})
        assert scaled.body["spec"] == {"replicas": 7}
        assert (await talk.get(f"{DEPLOYMENTS}/d")).body["spec"]["replicas"] == 7
        (asked,) = reviews(hooks)
        assert asked["object"]["spec"] == {"replicas": 3}
        assert asked["object"]["metadata"]["namespace"] == "default"


async def test_bindings_and_evictions_are_reviewed_once() -> None:
    async with asking("pods", "pods/*") as (talk, hooks):
        await talk.post(PODS, pod("web"))
        await talk.post("/api/v1/nodes", {"metadata": {"name": "n1"}})
        bound = await talk.post(f"{PODS}/web/binding", {"metadata": {"name": "web"}, "target": {"name": "n1"}})
        assert bound.status == 201
        evicted = await talk.post(f"{PODS}/web/eviction", {"metadata": {"name": "web"}})
        assert evicted.status == 201
        seen = [(asked["operation"], asked["kind"]["kind"]) for asked in reviews(hooks)]
        assert seen == [("CREATE", "Pod"), ("CREATE", "Binding"), ("CREATE", "Eviction")]
        assert reviews(hooks)[2]["object"]["metadata"] == {"name": "web", "namespace": "default"}


async def test_those_who_validate_a_deletion_see_how_long_a_pod_has() -> None:
    async with asking("pods") as (talk, hooks):
        await talk.post(PODS, pod("waiting"))
        await talk.post(PODS, pod("placed", nodeName="n1"))
        await talk.delete(f"{PODS}/waiting")
        await talk.delete(f"{PODS}/placed")
        options = [asked["options"] for asked in reviews(hooks) if asked["operation"] == "DELETE"]
        start = {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}
        assert options == [{**start, "gracePeriodSeconds": 0}, {**start, "gracePeriodSeconds": 30}]
