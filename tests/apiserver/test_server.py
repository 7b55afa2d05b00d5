"""The way of a request: who, may they, where to; and what stands at the end of ways that lead nowhere."""

from __future__ import annotations

import pytest

from apiserver.serving import CONFIG_MAPS, Talk, config_map, serving
from pybernetes.api import errors
from pybernetes.apiserver.auth.contract import Attributes, Decision, User
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.request_info import parse
from pybernetes.apiserver.routes import Call


class Guard:
    """Knows one user by a header, and lets them read config maps."""

    def __init__(self) -> None:
        self.asked: list[Attributes] = []

    async def authenticate(self, request: ApiRequest) -> User | None:
        token = request.headers.get("authorization")
        if token == "wrong":
            raise errors.unauthorized()
        return User("ann") if token else None

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        self.asked.append(attributes)
        return Decision(attributes.resource == "configmaps" and attributes.verb in ("get", "list"))


async def _guarded(talk: Talk, method: str, path: str, token: str = "ann", **query: str) -> tuple[int, str]:
    headers = {"authorization": token} if token else {}
    answer = await talk.send(method, path, headers=headers, query=query)
    return answer.status, answer.body.get("message", "")


async def test_nobody_unknown_is_served() -> None:
    async with serving() as talk:
        talk.server.authenticator = Guard()
        assert await _guarded(talk, "GET", CONFIG_MAPS, token="") == (401, "Unauthorized")
        assert await _guarded(talk, "GET", CONFIG_MAPS, token="wrong") == (401, "Unauthorized")
        assert (await _guarded(talk, "GET", CONFIG_MAPS))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        (
            "GET",
            "/api/v1/namespaces/default/pods",
            'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "default"',
        ),
        (
            "PUT",
            "/apis/apps/v1/namespaces/default/deployments/web/scale",
            'deployments.apps "web" is forbidden: User "ann" cannot update resource "deployments/scale" '
            'in API group "apps" in the namespace "default"',
        ),
        (
            "DELETE",
            "/api/v1/nodes/n",
            'nodes "n" is forbidden: User "ann" cannot delete resource "nodes" in API group "" at the cluster scope',
        ),
        ("GET", "/metrics", 'forbidden: User "ann" cannot get path "/metrics"'),
    ],
)
async def test_a_refusal_says_who_may_not_do_what_where(method: str, path: str, message: str) -> None:
    async with serving() as talk:
        talk.server.authenticator = talk.server.authorizer = Guard()
        assert await _guarded(talk, method, path) == (403, message)


async def test_a_list_of_one_name_asks_for_that_name() -> None:
    async with serving() as talk:
        guard = talk.server.authenticator = talk.server.authorizer = Guard()
        await _guarded(talk, "GET", CONFIG_MAPS, fieldSelector="metadata.name=web")
        assert [(one.verb, one.name) for one in guard.asked] == [("list", "web")]


async def test_what_is_not_served_is_not_found() -> None:
    async with serving() as talk:
        for path in (
            "/api/v1/oddities",
            f"{CONFIG_MAPS}/web/status",
            "/api/v1/configmaps/web",
            "/api/v1/proxy/nodes/n",
        ):
            answer = await talk.get(path)
            assert (answer.status, answer.message) == (404, "the server could not find the requested resource")


async def test_a_path_of_nobody_is_answered_in_plain_text() -> None:
    async with serving() as talk:
        for path in ("/nowhere", "/apis/odd/v1/things", f"/{CONFIG_MAPS}"):
            answer = await talk.get(path)
            assert (answer.status, answer.response.content) == (404, b"404 page not found\n")


async def test_a_path_does_not_take_every_method() -> None:
    async with serving() as talk:
        for method, path in (("PUT", CONFIG_MAPS), ("DELETE", "/api/v1/configmaps"), ("POST", f"{CONFIG_MAPS}/web")):
            answer = await talk.send(method, path)
            message = "the server does not allow this method on the requested resource"
            assert (answer.status, answer.message) == (405, message)


async def test_a_verb_that_a_kind_has_not_is_not_allowed() -> None:
    async with serving() as talk:
        assert (await talk.delete("/api/v1/namespaces")).status == 405
        assert (await talk.post("/api/v1/configmaps", config_map("web"))).status == 405


async def test_others_add_paths_groups_and_subresources() -> None:
    async def answer(call: Call) -> ApiResponse:
        return ApiResponse(200, f"{call.info.path} for {call.user.name}".encode())

    async with serving() as talk:
        routes = talk.server.routes
        routes.prefix("/logs", answer)
        routes.exact("/logs/exact", answer)
        routes.group("metrics.k8s.io", "v1beta1", answer)
        routes.subresource("", "pods", "log", answer)
        for path in ("/logs", "/logs/a/b", "/logs/exact", "/apis/metrics.k8s.io/v1beta1/nodes"):
            assert (await talk.get(path)).response.content.decode() == f"{path} for system:anonymous"
        assert (await talk.get("/api/v1/namespaces/default/pods/x/log")).status == 200
        assert (await talk.get("/logsbook")).status == 404


@pytest.mark.parametrize(
    ("method", "path", "verb", "namespace", "resource", "name", "subresource"),
    [
        ("GET", "/api/v1/namespaces", "list", "", "namespaces", "", ""),
        ("GET", "/api/v1/namespaces/a", "get", "a", "namespaces", "a", ""),
        ("PUT", "/api/v1/namespaces/a/finalize", "update", "a", "namespaces", "a", "finalize"),
        ("POST", "/api/v1/namespaces/a/pods", "create", "a", "pods", "", ""),
        ("POST", "/api/v1/namespaces/a/pods/b/exec", "create", "a", "pods", "b", "exec"),
        ("DELETE", "/apis/apps/v1/namespaces/a/deployments", "deletecollection", "a", "deployments", "", ""),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/b/status", "patch", "a", "deployments", "b", "status"),
        ("GET", "/api/v1/watch/pods", "watch", "", "pods", "", ""),
        ("GET", "/api/v1/nodes/n/proxy/metrics/cadvisor", "get", "", "nodes", "n", "proxy"),
    ],
)
def test_what_a_path_asks_for(
    method: str, path: str, verb: str, namespace: str, resource: str, name: str, subresource: str
) -> None:
    info = parse(ApiRequest(method, path))
    assert (info.verb, info.namespace, info.resource, info.name, info.subresource) == (
        verb,
        namespace,
        resource,
        name,
        subresource,
    )


async def test_a_fault_inside_is_an_internal_error_and_not_the_end() -> None:
    async def fail(call: Call) -> ApiResponse:
        raise RuntimeError("boom")

    async with serving() as talk:
        talk.server.routes.exact("/fault", fail)
        answer = await talk.get("/fault")
        assert (answer.status, answer.body["reason"]) == (500, "InternalError")
        assert (await talk.get(CONFIG_MAPS)).status == 200
