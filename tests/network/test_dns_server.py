from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from network.builders import endpoint, port, service, slice_of
from network.test_dns_answer import FixedRecords
from pybernetes.network.dns.answer import Zone
from pybernetes.network.dns.forward import Forwarder
from pybernetes.network.dns.server import DnsServer

MANY = slice_of("many", *(endpoint(f"10.244.0.{number}") for number in range(1, 201)))
RECORDS = FixedRecords(
    [
        service("web", "10.96.0.20"),
        service("many", "None", port()),
        service("out", "", type="ExternalName", external_name="away.test"),
    ],
    [MANY],
)


class Resolver(asyncio.DatagramProtocol):
    """A resolver of the host that knows one name."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        reply = dns.message.make_response(dns.message.from_wire(data))
        name = reply.question[0].name
        if str(name) == "away.test.":
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.1"))
        else:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(reply.to_wire(), addr)


@asynccontextmanager
async def serving(tmp_path: Path) -> AsyncIterator[DnsServer]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Resolver, local_addr=("127.0.0.1", 0))
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 127.0.0.1\n")
    forwarder = Forwarder("10.96.0.10", file, port=transport.get_extra_info("sockname")[1], timeout=120)
    yield DnsServer(Zone(RECORDS, "127.0.0.1"), forwarder, random.Random(1), port=0)
    transport.close()


async def asked(server: DnsServer, name: str, rdtype: str = "A") -> dns.message.Message:
    answered = await server.reply(dns.message.make_query(name, rdtype).to_wire())
    assert answered is not None
    return dns.message.from_wire(answered[0].to_wire(max_size=65535))


async def test_cluster_names_are_answered_with_authority(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        reply = await asked(server, "web.default.svc.cluster.local")
    assert [str(one) for one in reply.answer] == ["web.default.svc.cluster.local. 30 IN A 10.96.0.20"]
    assert reply.flags & dns.flags.AA


async def test_other_names_are_asked_of_the_hosts_resolver(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        found, missing = await asked(server, "away.test"), await asked(server, "nobody.test")
    assert [str(one) for one in found.answer] == ["away.test. 60 IN A 192.0.2.1"]
    assert missing.rcode() == dns.rcode.NXDOMAIN


async def test_an_external_name_comes_with_what_it_leads_to(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        reply = await asked(server, "out.default.svc.cluster.local")
    assert [dns.rdatatype.to_text(one.rdtype) for one in reply.answer] == ["CNAME", "A"]


async def test_without_a_resolver_the_asker_is_told_that_it_failed(tmp_path: Path) -> None:
    server = DnsServer(Zone(RECORDS, "127.0.0.1"), Forwarder("127.0.0.1", tmp_path / "none"), random.Random(1))
    assert (await asked(server, "away.test")).rcode() == dns.rcode.SERVFAIL


async def test_an_unreadable_question_is_called_so(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        answered = await server.reply(b"\x12\x34" + b"\x00" * 2 + b"\xff" * 20)
        silent = await server.reply(b"\x12")
    assert answered is not None
    assert (answered[0].id, answered[0].rcode()) == (0x1234, dns.rcode.FORMERR)
    assert silent is None


async def test_an_answer_too_long_for_udp_is_complete_over_tcp(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        started = asyncio.Event()
        task = asyncio.create_task(server.run(started))
        await started.wait()
        query = dns.message.make_query("many.default.svc.cluster.local", "A")
        short = await dns.asyncquery.udp(query, "127.0.0.1", port=server.port, timeout=120)
        reply, over_tcp = await dns.asyncquery.udp_with_fallback(query, "127.0.0.1", port=server.port, timeout=120)
        task.cancel()
    assert short.flags & dns.flags.TC
    assert over_tcp
    assert len(reply.answer[0]) == 200
