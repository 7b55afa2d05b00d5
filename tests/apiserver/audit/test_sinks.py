"""Where audit events go: a file that is put aside when it is large, a webhook that gets batches."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import yaml
from aiohttp import web

from apiserver.hook_server import HookServer, hook_server
from pybernetes.api.clock import SystemClock
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.audit import log
from pybernetes.apiserver.audit.batches import Batches, Batching
from pybernetes.apiserver.audit.log import LogFile, Rotation
from pybernetes.apiserver.audit.losses import Losses
from pybernetes.apiserver.audit.options import Auditing, AuditOptions, Delivery, Truncation
from pybernetes.apiserver.audit.shaping import Truncating, legacy_line
from pybernetes.apiserver.audit.webhook import BatchedWebhook, BlockingWebhook, Poster
from pybernetes.apiserver.webhook_file import read_target

POLICY = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"


class Turned:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.moment = datetime(2030, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


def test_events_are_lines_of_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "audit.log"
    file = LogFile(str(path), Rotation(), Turned().now)
    file.take(b'{"a":1}')
    file.take(b'{"b":2}')
    assert path.read_bytes() == b'{"a":1}\n{"b":2}\n'
    assert path.stat().st_mode & 0o777 == 0o600
    file.close()


def test_a_large_file_is_put_aside_and_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MEGABYTE", 10)
    clock = Turned()
    file = LogFile(str(tmp_path / "audit.log"), Rotation(max_age=0, max_backups=2, max_size=1), clock.now)
    for number in range(5):
        file.take(b"event-%d" % number)
        clock.moment += timedelta(seconds=1)
    names = sorted(one.name for one in tmp_path.iterdir())
    assert names == ["audit-2030-01-02T03-04-08.678.log", "audit-2030-01-02T03-04-09.678.log", "audit.log"]
    assert (tmp_path / "audit.log").read_bytes() == b"event-4\n"
    file.close()


def test_what_was_put_aside_long_ago_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MEGABYTE", 10)
    clock = Turned()
    file = LogFile(str(tmp_path / "audit.log"), Rotation(max_age=1, max_backups=0, max_size=1), clock.now)
    for _ in range(3):
        file.take(b"event-x")
        clock.moment += timedelta(days=3)
    assert len(list(tmp_path.iterdir())) == 2
    file.close()


def kubeconfig(path: Path, hooks: HookServer) -> str:
    document = {
        "clusters": [{"name": "c", "cluster": {"server": hooks.url, "certificate-authority-data": hooks.authority}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(document))
    return str(path)


async def test_a_webhook_is_sent_lists_of_events(tmp_path: Path) -> None:
    heard = asyncio.Event()

    def respond(path: str, document: dict[str, object]) -> dict[str, object]:
        heard.set()
        return {"kind": "Status"}

    async with hook_server(respond) as hooks:
        poster = Poster(read_target(kubeconfig(tmp_path / "k", hooks)), Losses())
        sink = BatchedWebhook(poster, Batching(wait=0.01), Losses())
        sink.start()
        sink.take(b'{"auditID":"1"}')
        sink.take(b'{"auditID":"2"}')
        async with asyncio.timeout(120):
            await heard.wait()
        await sink.stop()
        ((_, sent),) = hooks.asked
        assert (sent["kind"], sent["apiVersion"]) == ("EventList", "audit.k8s.io/v1")
        assert [event["auditID"] for event in sent["items"]] == ["1", "2"]
        assert hooks.seen[0].headers["Authorization"] == "Bearer secret"


async def test_what_still_waits_is_sent_at_the_end(tmp_path: Path) -> None:
    async with hook_server(lambda *_: {"kind": "Status"}) as hooks:
        poster = Poster(read_target(kubeconfig(tmp_path / "k", hooks)), Losses())
        sink = BatchedWebhook(poster, Batching(), Losses())
        for number in range(Batching().size + 1):
            sink.take(b"%d" % number)
        await sink.stop()
        assert [len(sent["items"]) for _, sent in hooks.asked] == [Batching().size, 1]


def test_a_kubeconfig_may_name_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    document = {
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1/x"}}],
        "users": [{"name": "u", "user": {"tokenFile": "token"}}],
        "contexts": [{"name": "", "context": {"cluster": "c", "user": "u"}}],
    }
    (tmp_path / "k").write_text(yaml.safe_dump(document))
    target = read_target(str(tmp_path / "k"))
    assert (target.url, target.tls) == ("http://127.0.0.1:1/x", None)
    assert target.headers == {"Authorization": "Bearer abc"}
    document["users"] = [{"name": "u", "user": {"username": "me", "password": "pw"}}]
    (tmp_path / "k").write_text(yaml.safe_dump(document))
    encoded = base64.b64encode(b"me:pw").decode()
    assert read_target(str(tmp_path / "k")).headers == {"Authorization": f"Basic {encoded}"}


def test_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    clock = SystemClock()
    with pytest.raises(ConfigurationError, match="--audit-log-maxage -1 can't be a negative number"):
        Auditing(AuditOptions(rotation=Rotation(max_age=-1)), clock)
    with pytest.raises(ConfigurationError, match="loading audit policy file: failed to read file path"):
        Auditing(AuditOptions(policy_file=str(tmp_path / "none"), log_path="-"), clock)
    (tmp_path / "k").write_text("{}")
    (tmp_path / "p").write_text(POLICY)
    with pytest.raises(ConfigurationError, match='context "" does not exist'):
        Auditing(AuditOptions(policy_file=str(tmp_path / "p"), webhook_file=str(tmp_path / "k")), clock)


def test_without_a_policy_nothing_is_told(tmp_path: Path) -> None:
    assert Auditing(AuditOptions(log_path=str(tmp_path / "audit.log")), SystemClock()).auditor is None
    (tmp_path / "p").write_text(POLICY)
    assert Auditing(AuditOptions(policy_file=str(tmp_path / "p")), SystemClock()).auditor is None


async def test_an_event_that_blocks_is_taken_when_the_webhook_has_it(tmp_path: Path) -> None:
    async with hook_server(lambda *_: {"kind": "Status"}) as hooks:
        losses = Losses()
        sink = BlockingWebhook(Poster(read_target(kubeconfig(tmp_path / "k", hooks)), losses, first_delay=0))
        assert await sink.take(b'{"auditID":"1"}')
        assert len(hooks.asked) == 1
        await sink.stop()


async def test_what_a_webhook_never_takes_is_lost_and_counted(tmp_path: Path) -> None:
    async with hook_server(lambda *_: web.Response(status=500)) as hooks:
        losses = Losses()
        sink = BlockingWebhook(Poster(read_target(kubeconfig(tmp_path / "k", hooks)), losses, first_delay=0))
        assert not await sink.take(b'{"auditID":"1"}')
        assert losses == {"webhook": 1}
        await sink.stop()


@pytest.mark.virtual_time
async def test_batches_are_full_or_old_and_go_no_faster_than_the_throttle() -> None:
    loop = asyncio.get_running_loop()
    sent: list[tuple[float, int]] = []

    async def deliver(batch: list[bytes]) -> None:
        sent.append((round(loop.time() - began, 3), len(batch)))

    batches = Batches(deliver, Batching(buffer=5, size=2, wait=30, rate=1, burst=1), Losses(), "test")
    began = loop.time()
    batches.start()
    for _ in range(5):
        assert batches.take(b"x")
    await asyncio.sleep(60)
    await batches.stop()
    assert sent == [(0.0, 2), (1.0, 2), (31.0, 1)]


def test_what_finds_no_room_is_lost_and_counted() -> None:
    async def deliver(batch: list[bytes]) -> None:
        raise AssertionError(batch)

    losses = Losses()
    batches = Batches(deliver, Batching(buffer=1), losses, "test")
    for _ in range(3):
        batches.take(b"x")
    assert losses == {"buffered": 2}


class Heard:
    def __init__(self) -> None:
        self.events: list[bytes] = []

    def take(self, event: bytes) -> bool:
        self.events.append(event)
        return True


def test_a_large_event_is_told_without_its_objects_or_not_at_all() -> None:
    heard, losses = Heard(), Losses()
    sink = Truncating(heard, 200, losses)
    event = {"level": "Request", "auditID": "1", "annotations": {"a": "b"}, "requestObject": {"x": "y" * 300}}
    sink.take(orjson.dumps(event))
    sink.take(orjson.dumps({**event, "requestObject": {}}))
    sink.take(orjson.dumps({**event, "level": "Metadata"}))
    sink.take(orjson.dumps({"level": "Request", "auditID": "z" * 300}))
    first, second = map(orjson.loads, heard.events)
    assert first == {
        "level": "Request",
        "auditID": "1",
        "annotations": {"a": "b", "audit.k8s.io/truncated": "true"},
    }
    assert second["requestObject"] == {}
    assert losses == {"truncate": 2}


def test_the_oldest_form_is_one_line_of_quoted_fields() -> None:
    event = {
        "auditID": "1",
        "stage": "ResponseComplete",
        "verb": "list",
        "user": {"username": "jane", "groups": ["devs", "system:authenticated"]},
        "sourceIPs": ["10.0.0.1"],
        "userAgent": 'a "b"',
        "objectRef": {"namespace": "ns"},
        "requestURI": "/api/v1/pods",
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2030-01-02T03:04:05.120000Z",
    }
    assert legacy_line(orjson.dumps(event)) == (
        '2030-01-02T03:04:05.12Z AUDIT: id="1" stage="ResponseComplete" ip="10.0.0.1" method="list" user="jane" '
        'groups="\\"devs\\",\\"system:authenticated\\"" as="<self>" asgroups="<lookup>" user-agent="a \\"b\\"" '
        'namespace="ns" uri="/api/v1/pods" response="200"'
    )
    bare = {**event, "user": {}, "impersonatedUser": {"username": "bob"}}
    del bare["responseStatus"], bare["objectRef"], bare["sourceIPs"], bare["userAgent"]
    assert legacy_line(orjson.dumps(bare)) == (
        '2030-01-02T03:04:05.12Z AUDIT: id="1" stage="ResponseComplete" ip="<unknown>" method="list" user="<none>" '
        'groups="<none>" as="bob" asgroups="<lookup>" user-agent="" namespace="<none>" uri="/api/v1/pods" '
        'response="<deferred>"'
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (AuditOptions(log_delivery=Delivery("never")), "invalid audit log mode never, allowed modes are"),
        (AuditOptions(webhook_delivery=Delivery("batch", Batching(buffer=0))), "webhook buffer size 0, must be a"),
        (AuditOptions(log_delivery=Delivery(truncation=Truncation(10, 20))), "must be greater than max event size"),
    ],
)
def test_ways_of_delivery_that_cannot_be_are_refused(options: AuditOptions, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Auditing(options, SystemClock())
