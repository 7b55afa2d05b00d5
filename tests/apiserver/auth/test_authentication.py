from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from multidict import CIMultiDict

from pybernetes.api.errors import ApiError
from pybernetes.apiserver.admission.contract import Attributes as Admission
from pybernetes.apiserver.admission.contract import Operation
from pybernetes.apiserver.auth.access import Access, AccessOptions
from pybernetes.apiserver.auth.authenticators import RequestAuthenticator
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.apiserver.auth.service_accounts import BoundTo, InvalidToken
from pybernetes.apiserver.auth.tokens import TokenFile
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.request_info import parse
from pybernetes.apiserver.resource import Context
from pybernetes.apiserver.resources.secret import SECRETS
from pybernetes.apiserver.routes import Call, Routes
from pybernetes.store.contract import Delete, Put
from pybernetes.store.memory import MemoryStore


class StoppedClock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
async def access(tmp_path: Path, clock: StoppedClock) -> Any:
    store = MemoryStore()
    pki = Pki(tmp_path, clock.now)
    access = Access(store, AccessOptions(pki.service_account_key.read_bytes(), tmp_path / "tokens.json"), clock)
    await put(store, "serviceaccounts/default/robot", "sa-uid")
    await put(store, "pods/default/web", "pod-uid", spec={"serviceAccountName": "robot", "nodeName": "n1"})
    await put(store, "minions/n1", "node-uid")
    await access.start()
    yield access
    await access.close()
    await store.close()


async def put(store: MemoryStore, path: str, uid: str, **rest: Any) -> None:
    name = path.rpartition("/")[2]
    document = {"metadata": {"name": name, "uid": uid}, **rest}
    await store.transact(write=[Put(f"/registry/{path}", orjson.dumps(document))])


def request(method: str = "GET", path: str = "/api/v1/pods", body: Any = None, **headers: str) -> ApiRequest:
    sent: CIMultiDict[str] = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return ApiRequest(method, path, {}, sent, b"" if body is None else orjson.dumps(body))


async def user_of(access: Access, token: str) -> User | None:
    return await access.authenticator.authenticate(request(authorization=f"Bearer {token}"))


async def ask(access: Access, path: str, body: Any, user: User, **headers: str) -> dict[str, Any]:
    routes = Routes()
    access.register(routes)
    asked = request("POST", path, body, **headers)
    info = parse(asked)
    handler = routes.of_subresource(info.group, info.resource, info.subresource) or routes.of_group(
        info.group, info.version
    )
    assert handler is not None
    answer = await handler(Call(asked, info, user))
    assert answer.status == 201
    document: dict[str, Any] = orjson.loads(answer.content)
    return document


ADMIN = User("kubernetes-admin", groups=("system:masters", "system:authenticated"))


async def test_a_request_without_credentials_is_anonymous(access: Access) -> None:
    user = await access.authenticator.authenticate(request())
    assert user is not None
    assert (user.name, user.groups) == ("system:anonymous", ("system:unauthenticated",))


async def test_an_unknown_token_is_refused_and_never_anonymous(access: Access) -> None:
    with pytest.raises(ApiError) as refused:
        await user_of(access, "nonsense")
    assert refused.value.code == 401


async def test_an_admin_token_is_a_master(access: Access, tmp_path: Path) -> None:
    token = TokenFile(tmp_path / "tokens.json").add_admin()
    user = await user_of(access, token)
    assert user is not None
    assert user.groups == ("system:masters", "system:authenticated")


async def test_a_service_account_token_is_its_account_while_account_and_pod_live(access: Access) -> None:
    tokens = access.account_tokens
    issued = tokens.issue("default", "robot", "sa-uid", bound=[BoundTo("Pod", "web", "pod-uid")])
    user = await user_of(access, issued.token)
    assert user is not None
    assert user.name == "system:serviceaccount:default:robot"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated")
    assert user.extra["authentication.kubernetes.io/pod-name"] == ("web",)
    await access.store.transact(write=[Delete("/registry/pods/default/web")])
    with pytest.raises(ApiError):
        await user_of(access, issued.token)


async def test_a_token_dies_with_the_uid_of_its_pod(access: Access) -> None:
    issued = access.account_tokens.issue("default", "robot", "sa-uid", bound=[BoundTo("Pod", "web", "older-uid")])
    with pytest.raises(InvalidToken):
        await access.account_tokens.check(issued.token)


async def test_a_token_ends_when_it_says_and_one_of_3607_seconds_lasts_a_year(
    access: Access, clock: StoppedClock
) -> None:
    tokens = access.account_tokens
    short = tokens.issue("default", "robot", "sa-uid", seconds=600)
    long = tokens.issue("default", "robot", "sa-uid", seconds=3607, bound=[BoundTo("Pod", "web", "pod-uid")])
    assert long.expires == clock.now() + timedelta(seconds=3607)
    await clock.sleep(4000)
    await tokens.check(long.token)
    with pytest.raises(InvalidToken, match="expired"):
        await tokens.check(short.token)
    await clock.sleep(365 * 86400)
    with pytest.raises(InvalidToken, match="expired"):
        await tokens.check(long.token)


async def test_a_forged_token_is_refused(access: Access, tmp_path: Path) -> None:
    other = Access(access.store, AccessOptions(Pki(tmp_path / "other").service_account_key.read_bytes()))
    forged = other.account_tokens.issue("default", "robot", "sa-uid")
    with pytest.raises(ApiError):
        await user_of(access, forged.token)


async def test_a_token_request_is_bound_to_the_pod_and_its_node(access: Access) -> None:
    body = {"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "web"}, "expirationSeconds": 3607}}
    answer = await ask(access, "/api/v1/namespaces/default/serviceaccounts/robot/token", body, ADMIN)
    user = await user_of(access, answer["status"]["token"])
    assert user is not None
    assert user.extra["authentication.kubernetes.io/node-name"] == ("n1",)
    assert answer["status"]["expirationTimestamp"] == "2026-01-01T01:00:07Z"


async def test_a_token_request_for_another_accounts_pod_is_refused(access: Access) -> None:
    await put(access.store, "serviceaccounts/default/other", "x")  # type: ignore[arg-type]
    body = {"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "web"}}}
    with pytest.raises(ApiError, match="different serviceaccount name"):
        await ask(access, "/api/v1/namespaces/default/serviceaccounts/other/token", body, ADMIN)


async def test_a_token_review_tells_user_and_audiences(access: Access) -> None:
    issued = access.account_tokens.issue("default", "robot", "sa-uid", audiences=("vault",))
    spec = {"token": issued.token, "audiences": ["vault", "else"]}
    answer = await ask(access, "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": spec}, ADMIN)
    assert answer["status"]["authenticated"]
    assert answer["status"]["audiences"] == ["vault"]
    assert answer["status"]["user"]["username"] == "system:serviceaccount:default:robot"
    answer = await ask(access, "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "x"}}, ADMIN)
    assert not answer["status"].get("authenticated")


async def test_access_reviews_answer_for_oneself_and_for_others(access: Access) -> None:
    spec: dict[str, Any] = {"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "default"}}
    path = "/apis/authorization.k8s.io/v1"
    answer = await ask(access, f"{path}/selfsubjectaccessreviews", {"spec": spec}, ADMIN)
    assert answer["status"] == {"allowed": True}
    answer = await ask(access, f"{path}/subjectaccessreviews", {"spec": spec | {"user": "jane"}}, ADMIN)
    assert answer["status"] == {"allowed": False}
    answer = await ask(access, f"{path}/selfsubjectrulesreviews", {"spec": {"namespace": "default"}}, ADMIN)
    assert {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]} in answer["status"]["resourceRules"]


async def acting_as(access: Access, asking: ApiRequest) -> User:
    user = await access.authenticator.authenticate(asking)
    assert user is not None
    return await access.impersonation.act_as(user, parse(asking), asking)


async def test_who_may_impersonate_is_whom_they_ask_to_be(access: Access, tmp_path: Path) -> None:
    token = TokenFile(tmp_path / "tokens.json").add_admin()
    headers = {"authorization": f"Bearer {token}", "impersonate_user": "jane", "impersonate_group": "developers"}
    user = await acting_as(access, request(**headers))
    assert user == User("jane", groups=("developers", "system:authenticated"))
    issued = access.account_tokens.issue("default", "robot", "sa-uid")
    with pytest.raises(ApiError) as refused:
        await acting_as(access, request(**{**headers, "authorization": f"Bearer {issued.token}"}))
    assert refused.value.message == (
        'pods is forbidden: User "system:serviceaccount:default:robot" cannot impersonate-on:user-info:list resource '
        '"pods" in API group "" at the cluster scope'
    )


async def test_a_bootstrap_secret_is_a_token_until_it_expires(access: Access, clock: StoppedClock) -> None:
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "expiration": "2026-01-01T01:00:00Z",
        "auth-extra-groups": "system:bootstrappers:mine",
    }
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    secret = {"metadata": {}, "type": "bootstrap.kubernetes.io/token", "data": encoded}
    key = "/registry/secrets/kube-system/bootstrap-token-abcdef"
    await access.store.transact(write=[Put(key, orjson.dumps(secret))])
    user = await user_of(access, "abcdef.0123456789abcdef")
    assert user is not None
    assert user.name == "system:bootstrap:abcdef"
    assert user.groups == ("system:bootstrappers", "system:bootstrappers:mine", "system:authenticated")
    with pytest.raises(ApiError):
        await user_of(access, "abcdef.0123456789abcdee")
    await clock.sleep(3600)
    with pytest.raises(ApiError):
        await user_of(access, "abcdef.0123456789abcdef")


async def test_a_token_may_come_as_a_websocket_protocol(access: Access, tmp_path: Path) -> None:
    token = TokenFile(tmp_path / "tokens.json").add_admin()
    encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    protocols = f"v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.{encoded}"
    user = await access.authenticator.authenticate(request(sec_websocket_protocol=protocols))
    assert user is not None
    assert user.name == "kubernetes-admin"


async def test_a_secret_of_the_token_type_is_filled_and_its_token_lives_as_long_as_it(access: Access) -> None:
    secret: dict[str, Any] = {
        "metadata": {"name": "long", "annotations": {"kubernetes.io/service-account.name": "robot"}},
        "type": "kubernetes.io/service-account-token",
    }
    context = Context(ADMIN, datetime(2026, 1, 1, tzinfo=UTC))
    await access.plugins()[0].mutate(Admission(Operation.CREATE, SECRETS, "default", "long", context, secret))
    assert secret["metadata"]["annotations"]["kubernetes.io/service-account.uid"] == "sa-uid"
    token = base64.b64decode(secret["data"]["token"]).decode()
    with pytest.raises(ApiError):
        await user_of(access, token)
    await access.store.transact(write=[Put("/registry/secrets/default/long", orjson.dumps(secret))])
    user = await user_of(access, token)
    assert user is not None
    assert user.name == "system:serviceaccount:default:robot"
    entry = await access.store.get("/registry/secrets/default/long")
    assert entry is not None
    noted = orjson.loads(entry.value)
    assert noted["metadata"]["labels"] == {"kubernetes.io/legacy-token-last-used": "2026-01-01"}
    noted["metadata"]["labels"]["kubernetes.io/legacy-token-invalid-since"] = "2025-01-01"
    await access.store.transact(write=[Put("/registry/secrets/default/long", orjson.dumps(noted))])
    with pytest.raises(ApiError):
        await user_of(access, token)
    await access.store.transact(write=[Delete("/registry/secrets/default/long")])
    with pytest.raises(ApiError):
        await user_of(access, token)
    secret["metadata"]["annotations"]["kubernetes.io/service-account.name"] = "nobody"
    with pytest.raises(ApiError, match='serviceaccounts "nobody" not found'):
        await access.plugins()[0].mutate(Admission(Operation.CREATE, SECRETS, "default", "x", context, secret))


async def test_the_token_is_the_second_word_of_its_header() -> None:
    class Known:
        async def find(self, token: str) -> User | None:
            return User("jane") if token == "good" else None

    authenticator = RequestAuthenticator([Known()])
    for header, name in (
        ("Bearer good", "jane"),
        ("bearer good and more", "jane"),
        ("Bearer", "system:anonymous"),
        ("Basic good", "system:anonymous"),
        ("Bearer  good", "system:anonymous"),
    ):
        request = ApiRequest("GET", "/api", headers={"authorization": header})
        user = await authenticator.authenticate(request)
        assert user is not None
        assert user.name == name
        assert bool(request.warnings) == (header == "Bearer  good")


async def test_what_the_server_sets_is_no_metadata_of_a_review(access: Access) -> None:
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    spec = {"user": "jane", "resourceAttributes": {"verb": "get", "resource": "pods"}}
    answer = await ask(access, path, {"metadata": {"uid": "u", "selfLink": "x"}, "spec": spec}, ADMIN)
    assert answer["status"]["allowed"] is False
    assert not {"uid", "selfLink"} & set(answer["metadata"])


async def test_a_review_is_no_row_of_a_table(access: Access) -> None:
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    with pytest.raises(ApiError, match="only the following media types are accepted"):
        await ask(access, path, {}, ADMIN, accept=table)
    answer = await ask(access, path, {}, ADMIN, accept=f"{table},application/json")
    assert answer["kind"] == "SelfSubjectReview"
