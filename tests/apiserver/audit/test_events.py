"""What the audit log tells of requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from apiserver.serving import CONFIG_MAPS, JSON_PATCH, PODS, Talk, config_map, pod, serving
from pybernetes.api import errors
from pybernetes.apiserver.audit.auditor import Auditor
from pybernetes.apiserver.audit.policy import Policy, PolicyDocument, Rule
from pybernetes.apiserver.auth.contract import AlwaysDeny, EveryoneIs, User
from pybernetes.apiserver.auth.impersonation import Impersonator
from pybernetes.apiserver.http import ApiRequest

JANE = User("jane", "u1", ("devs",), {"a": ("b",)})
Event = dict[str, Any]


class Heard:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def take(self, event: bytes) -> bool:
        self.events.append(orjson.loads(event))
        return True

    @property
    def last(self) -> Event:
        return self.events[-1]


@asynccontextmanager
async def audited(level: str = "RequestResponse", **options: Any) -> AsyncIterator[tuple[Talk, Heard]]:
    async with serving(**options) as talk:
        heard = Heard()
        policy = Policy(PolicyDocument(rules=[Rule(level=level, omit_managed_fields=True)]))
        talk.server.auditor = Auditor(policy, heard, talk.server.clock.now)
        yield talk, heard


async def test_a_creation_is_told_when_it_comes_and_when_it_is_answered() -> None:
    async with audited() as (talk, heard):
        request = ApiRequest(
            "POST",
            CONFIG_MAPS,
            {},
            {"user-agent": "agent/1", "x-forwarded-for": "10.0.0.1, 10.0.0.2"},
            orjson.dumps(config_map("a", x="1")),
            remote="10.0.0.2",
            audit_id="id-1",
            uri=f"{CONFIG_MAPS}?pretty",
        )
        answer = orjson.loads((await talk.server.handle(request)).content)
        received, complete = heard.events
        assert list(received) == [
            "kind",
            "apiVersion",
            "level",
            "auditID",
            "stage",
            "requestURI",
            "verb",
            "user",
            "sourceIPs",
            "userAgent",
            "objectRef",
            "requestReceivedTimestamp",
            "stageTimestamp",
        ]
        assert (received["stage"], complete["stage"]) == ("RequestReceived", "ResponseComplete")
        assert received["auditID"] == complete["auditID"] == "id-1"
        assert received["stageTimestamp"] == received["requestReceivedTimestamp"]
        assert received["requestURI"] == f"{CONFIG_MAPS}?pretty"
        assert received["sourceIPs"] == ["10.0.0.1", "10.0.0.2"]
        assert received["objectRef"] == {"resource": "configmaps", "namespace": "default", "apiVersion": "v1"}
        assert complete["objectRef"]["name"] == "a"
        assert complete["responseStatus"] == {"metadata": {}, "code": 201}
        assert complete["requestObject"]["data"] == {"x": "1"}
        assert complete["responseObject"]["metadata"]["uid"] == answer["metadata"]["uid"]
        assert complete["annotations"] == {
            "authorization.k8s.io/decision": "allow",
            "authorization.k8s.io/reason": "",
        }


async def test_the_object_that_was_sent_is_shown_with_its_defaults() -> None:
    async with audited("Request") as (talk, heard):
        await talk.post(PODS, pod("web"))
        shown = heard.last["requestObject"]
        assert shown["spec"]["restartPolicy"] == "Always"
        assert "uid" not in shown["metadata"]
        assert "responseObject" not in heard.last


async def test_metadata_tells_no_content() -> None:
    async with audited("Metadata") as (talk, heard):
        await talk.post(CONFIG_MAPS, config_map("a", x="1"))
        assert not {"requestObject", "responseObject"} & set(heard.last)
        assert heard.last["objectRef"]["name"] == "a"


async def test_a_patch_is_shown_as_it_was_sent() -> None:
    async with audited() as (talk, heard):
        await talk.post(CONFIG_MAPS, config_map("a", x="1"))
        operations = [{"op": "add", "path": "/data/y", "value": "2"}]
        await talk.patch(f"{CONFIG_MAPS}/a", operations, JSON_PATCH)
        assert heard.last["requestObject"] == operations
        assert heard.last["responseObject"]["data"] == {"x": "1", "y": "2"}
        assert "managedFields" not in heard.last["responseObject"]["metadata"]


async def test_a_deletions_options_are_shown() -> None:
    async with audited() as (talk, heard):
        await talk.delete(f"{CONFIG_MAPS}/nope", {"gracePeriodSeconds": 5})
        assert heard.last["requestObject"] == {
            "kind": "DeleteOptions",
            "apiVersion": "meta.k8s.io/__internal",
            "gracePeriodSeconds": 5,
        }
        assert heard.last["responseStatus"] == {
            "metadata": {},
            "status": "Failure",
            "message": 'configmaps "nope" not found',
            "reason": "NotFound",
            "details": {"name": "nope", "kind": "configmaps"},
            "code": 404,
        }


async def test_a_refusal_tells_the_decision() -> None:
    async with serving() as allowed:
        store = allowed.server.store
        async with audited_over(store, authenticator=EveryoneIs(JANE), authorizer=AlwaysDeny()) as (talk, heard):
            assert (await talk.get(CONFIG_MAPS)).status == 403
            assert heard.last["user"] == {
                "username": "jane",
                "uid": "u1",
                "groups": ["devs"],
                "extra": {"a": ["b"]},
            }
            assert heard.last["annotations"] == {
                "authorization.k8s.io/decision": "forbid",
                "authorization.k8s.io/reason": "Everything is forbidden.",
            }
            assert heard.last["responseStatus"]["code"] == 403


@asynccontextmanager
async def audited_over(store: Any, **options: Any) -> AsyncIterator[tuple[Talk, Heard]]:
    from pybernetes.apiserver.assembly import assemble

    assembled = assemble(store, **options)
    await assembled.start()
    heard = Heard()
    policy = Policy(PolicyDocument(rules=[Rule(level="RequestResponse")]))
    assembled.server.auditor = Auditor(policy, heard, assembled.server.clock.now)
    yield Talk(assembled), heard
    await assembled.stop()


class Nobody:
    async def authenticate(self, request: ApiRequest) -> User | None:
        raise errors.unauthorized()


async def test_who_is_not_known_is_told_of_once() -> None:
    async with serving() as talk, audited_over(talk.server.store, authenticator=Nobody()) as (refusing, heard):
        assert (await refusing.get(CONFIG_MAPS)).status == 401
        (told,) = heard.events
        assert (told["stage"], told["user"], told["responseStatus"]["code"]) == ("ResponseStarted", {}, 401)


async def test_who_acts_as_somebody_else_is_told_with_whom() -> None:
    from pybernetes.apiserver.auth.contract import AlwaysAllow

    impersonation = Impersonator(AlwaysAllow())
    async with serving() as talk:
        store = talk.server.store
        async with audited_over(store, authenticator=EveryoneIs(JANE), impersonation=impersonation) as (acting, heard):
            headers: Mapping[str, str] = {"impersonate-user": "bob", "impersonate-group": "ops"}
            await acting.send("GET", CONFIG_MAPS, headers=headers)
            assert "impersonatedUser" not in heard.events[0]
            assert heard.last["user"]["username"] == "jane"
            assert heard.last["impersonatedUser"] == {"username": "bob", "groups": ["ops", "system:authenticated"]}
            assert heard.last["authenticationMetadata"] == {"impersonationConstraint": "impersonate:user-info"}


async def test_a_watch_is_complete_when_its_end_was_sent() -> None:
    async with audited() as (talk, heard):
        request = ApiRequest("GET", CONFIG_MAPS, {"watch": ["1"]})
        await talk.server.handle(request)
        assert [event["stage"] for event in heard.events] == ["RequestReceived", "ResponseStarted"]
        assert request.audited is not None
        request.audited.over()
        request.audited.over()
        assert [event["stage"] for event in heard.events][2:] == ["ResponseComplete"]


async def test_a_request_that_is_given_up_was_closed_early() -> None:
    async with audited() as (talk, heard):
        request = ApiRequest("GET", CONFIG_MAPS)
        from pybernetes.apiserver.request_info import parse

        assert talk.server.auditor is not None
        begun = talk.server.auditor.begin(JANE, parse(request), request)
        assert begun is not None
        begun.over()
        assert heard.last["responseStatus"] == {
            "metadata": {},
            "status": "Success",
            "message": "Connection closed early",
            "code": 200,
        }


async def test_deprecated_apis_are_marked() -> None:
    async with audited("Metadata") as (talk, heard):
        await talk.get("/api/v1/endpoints")
        assert heard.last["annotations"]["k8s.io/deprecated"] == "true"


async def test_pod_security_tells_what_it_enforces_and_what_it_would_say() -> None:
    async with audited("Metadata") as (talk, heard):
        labels = {"pod-security.kubernetes.io/audit": "restricted", "pod-security.kubernetes.io/enforce": "baseline"}
        changed = await talk.patch("/api/v1/namespaces/default", {"metadata": {"labels": labels}})
        await talk.server.watch_cache.at_least(int(changed.version))
        await talk.post(PODS, pod("web"))
        annotations = heard.last["annotations"]
        assert annotations["pod-security.kubernetes.io/enforce-policy"] == "baseline:latest"
        assert annotations["pod-security.kubernetes.io/audit-violations"].startswith(
            'would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
        )


async def test_policies_tell_what_they_were_asked_to() -> None:
    registration = "/apis/admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "true"}, {"expression": "object.data.x == '2'", "message": "must be two"}],
        "auditAnnotations": [{"key": "x", "valueExpression": "'x is ' + object.data.x"}],
    }
    bound = {"policyName": "p", "validationActions": ["Audit"]}
    async with audited("Metadata") as (talk, heard):
        await talk.post(f"{registration}/validatingadmissionpolicies", {"metadata": {"name": "p"}, "spec": spec})
        await talk.post(f"{registration}/validatingadmissionpolicybindings", {"metadata": {"name": "b"}, "spec": bound})
        await talk.server.watch_cache.at_least(talk.server.store.revision)
        assert (await talk.post(CONFIG_MAPS, config_map("a", x="1"))).status == 201
        annotations = heard.last["annotations"]
        assert annotations["p/x"] == "x is 1"
        assert orjson.loads(annotations["validation.policy.admission.k8s.io/validation_failure"]) == [
            {
                "message": "must be two",
                "policy": "p",
                "binding": "b",
                "expressionIndex": 1,
                "validationActions": ["Audit"],
            }
        ]


async def test_a_defect_is_told_as_a_panic() -> None:
    async with audited() as (talk, heard):

        async def broken(call: Any) -> Any:
            raise RuntimeError("oh no")

        talk.server.routes.exact("/broken", broken)
        assert (await talk.get("/broken")).status == 500
        assert heard.last["stage"] == "Panic"
        assert heard.last["responseStatus"]["message"] == "APIServer panic'd: oh no"


class Deaf:
    """A sink that takes nothing."""

    def take(self, event: bytes) -> bool:
        return False


async def test_a_request_that_cannot_be_told_of_is_refused_if_that_is_wanted() -> None:
    async with serving() as talk:
        policy = Policy(PolicyDocument(rules=[Rule(level="Metadata")]))
        talk.server.auditor = auditor = Auditor(policy, Deaf(), talk.server.clock.now, strict=True)
        refused = await talk.get(CONFIG_MAPS)
        told = f'Internal Server Error: "{CONFIG_MAPS}": failed to store audit event\n'
        assert (refused.status, refused.response.content.decode()) == (500, told)
        assert (auditor.rejected, auditor.levels) == (1, {"Metadata": 1})
        talk.server.auditor = Auditor(policy, Deaf(), talk.server.clock.now)
        assert (await talk.get(CONFIG_MAPS)).status == 200


class Slow:
    """A sink that says later whether it has taken something."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[asyncio.Future[bool]] = asyncio.Queue()

    def take(self, event: bytes) -> asyncio.Future[bool]:
        outcome = asyncio.get_running_loop().create_future()
        self.asked.put_nowait(outcome)
        return outcome


async def test_a_request_waits_until_what_is_told_of_it_has_been_taken() -> None:
    async with serving() as talk:
        policy = Policy(PolicyDocument(rules=[Rule(level="Metadata")]))
        slow = Slow()
        talk.server.auditor = Auditor(policy, slow, talk.server.clock.now, waits=True)
        asking = asyncio.ensure_future(talk.get(CONFIG_MAPS))
        for _ in range(2):
            outcome = await slow.asked.get()
            assert not asking.done()
            outcome.set_result(True)
        assert (await asking).status == 200
