"""Where audit events go: a file that is put aside when it is large, a webhook that gets batches."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from apiserver.hook_server import HookServer, hook_server
from pybernetes.api.clock import SystemClock
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.audit import log
from pybernetes.apiserver.audit.log import LogFile, Rotation
from pybernetes.apiserver.audit.options import Auditing, AuditOptions
from pybernetes.apiserver.audit.webhook import MOST_IN_BATCH, WebhookSink
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
        sink = WebhookSink(read_target(kubeconfig(tmp_path / "k", hooks)), wait=0.01)
        sink.start()
        sink.take(b'{"auditID":"1"}')
        sink.take(b'{"auditID":"2"}')
        async with asyncio.timeout(10):
            await heard.wait()
        await sink.stop()
        ((_, sent),) = hooks.asked
        assert (sent["kind"], sent["apiVersion"]) == ("EventList", "audit.k8s.io/v1")
        assert [event["auditID"] for event in sent["items"]] == ["1", "2"]
        assert hooks.seen[0].headers["Authorization"] == "Bearer secret"


async def test_what_still_waits_is_sent_at_the_end(tmp_path: Path) -> None:
    async with hook_server(lambda *_: {"kind": "Status"}) as hooks:
        sink = WebhookSink(read_target(kubeconfig(tmp_path / "k", hooks)))
        for number in range(MOST_IN_BATCH + 1):
            sink.take(b"%d" % number)
        await sink.stop()
        assert [len(sent["items"]) for _, sent in hooks.asked] == [MOST_IN_BATCH, 1]


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
