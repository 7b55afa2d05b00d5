"""What extension API servers are told to trust."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apiserver.serving import Talk, serving
from pybernetes.apiserver.aggregation.trust import NAME, Required, Trust, combined
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.apiserver.auth.request_header import RequestHeaders

CONFIG_MAP = f"/api/v1/namespaces/kube-system/configmaps/{NAME}"
NOW = datetime.now(UTC)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


def required(pki: Pki) -> Required:
    return Required(pki.ca_file, RequestHeaders(pki.front_proxy.ca_file))


def expected(pki: Pki) -> dict[str, str]:
    return {
        "client-ca-file": pki.ca_pem.decode(),
        "requestheader-client-ca-file": pki.front_proxy.ca_pem.decode(),
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        "requestheader-allowed-names": '["front-proxy-client"]',
    }


@asynccontextmanager
async def trusting(pki: Pki) -> AsyncIterator[Talk]:
    async with serving() as talk:
        trust = Trust(talk.server, required(pki))
        await trust.start()
        yield talk
        await trust.stop()


async def test_the_config_map_is_there_from_the_start_and_again_after_it_was_deleted(pki: Pki) -> None:
    async with trusting(pki) as talk:
        assert (await talk.get(CONFIG_MAP)).body["data"] == expected(pki)
        watch = await talk.watch("/api/v1/namespaces/kube-system/configmaps", fieldSelector=f"metadata.name={NAME}")
        await talk.delete(CONFIG_MAP)
        assert [(await watch.next())[0] for _ in range(3)] == ["ADDED", "DELETED", "ADDED"]
        assert (await talk.get(CONFIG_MAP)).body["data"] == expected(pki)


def test_what_another_server_requires_stays_beside_what_this_one_does(pki: Pki, tmp_path: Path) -> None:
    other = Pki(tmp_path / "other")
    there = {
        "client-ca-file": other.ca_pem.decode(),
        "requestheader-allowed-names": '["other", "front-proxy-client"]',
        "requestheader-uid-headers": '["X-Uid"]',
    }
    assert combined(there, required(pki), NOW) == {
        **expected(pki),
        "client-ca-file": other.ca_pem.decode() + pki.ca_pem.decode(),
        "requestheader-allowed-names": '["other","front-proxy-client"]',
        "requestheader-uid-headers": '["X-Uid"]',
    }
    assert combined(combined(there, required(pki), NOW), required(pki), NOW) == combined(there, required(pki), NOW)


def test_authorities_that_have_ended_are_left_out(pki: Pki, tmp_path: Path) -> None:
    ended = Pki(tmp_path / "ended", now=lambda: NOW - timedelta(days=4000))
    there = {"client-ca-file": ended.ca_pem.decode()}
    assert combined(there, required(pki), NOW)["client-ca-file"] == pki.ca_pem.decode()


def test_without_proxies_only_the_clients_authority_is_told(pki: Pki) -> None:
    assert combined({}, Required(pki.ca_file), NOW) == {"client-ca-file": pki.ca_pem.decode()}
