"""The DNS server of a node, on UDP and TCP.

Guarantees  A question it cannot read gets FORMERR, one it cannot answer SERVFAIL; none goes unanswered. Answers too
            long for the asker's UDP buffer are truncated, and whole over TCP. Records of one name are shuffled.
Assumes     `zone`'s informers have synced before `run` is awaited.
"""

from __future__ import annotations

import asyncio
import errno
import random as random_module
import struct
from collections.abc import Iterable
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import structlog

from pybernetes.network.dns.answer import MAX_CHASE, TTL, Answer, Record, Zone, answer
from pybernetes.network.dns.forward import Forwarder, ForwardFailed

log = structlog.get_logger("dns")

PLAIN_UDP_SIZE = 512
OWN_UDP_SIZE = 1232
TCP_IDLE_SECONDS = 10.0


class DnsServer:
    def __init__(self, zone: Zone, forwarder: Forwarder, random: random_module.Random, port: int = 53) -> None:
        self._zone = zone
        self._forwarder = forwarder
        self._random = random
        self.port = port
        self._busy: set[asyncio.Task[None]] = set()

    async def run(self, started: asyncio.Event | None = None) -> None:
        """Serves until cancelled. A port of 0 is any free one; `port` then says which."""
        udp, tcp = await self._listen()
        try:
            async with tcp:
                self.port = udp.get_extra_info("sockname")[1]
                log.info("answering", address=self._zone.server_address, port=self.port)
                if started is not None:
                    started.set()
                await tcp.serve_forever()
        finally:
            udp.close()

    async def _listen(self) -> tuple[asyncio.DatagramTransport, asyncio.Server]:
        """On one port; where any will do, on one that TCP has free as well."""
        loop = asyncio.get_running_loop()
        address = (self._zone.server_address, self.port)
        while True:
            udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=address)
            try:
                return udp, await asyncio.start_server(self._serve_tcp, *udp.get_extra_info("sockname")[:2])
            except OSError as error:
                udp.close()
                if self.port or error.errno != errno.EADDRINUSE:
                    raise

    async def reply(self, wire: bytes) -> tuple[dns.message.Message, int] | None:
        """The answer to one message, and the longest UDP answer its sender takes. None: nothing can be answered."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return _unreadable(wire)
        size = query.payload if query.edns >= 0 else PLAIN_UDP_SIZE
        size = max(PLAIN_UDP_SIZE, min(size, OWN_UDP_SIZE))
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            return _coded(query, dns.rcode.NOTIMP), size
        try:
            return await self._answer(query), size
        except ForwardFailed as error:
            log.warning("no resolver of the host answered", question=str(query.question[0]), error=str(error))
            return _coded(query, dns.rcode.SERVFAIL), size

    async def _answer(self, query: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        if question.rdclass != dns.rdataclass.IN:
            return await self._forwarder.ask(query)
        found = answer(question.name, question.rdtype, self._zone)
        if found is None:
            return await self._forwarder.ask(query)
        reply = dns.message.make_response(query, recursion_available=True, our_payload=OWN_UDP_SIZE)
        reply.flags |= dns.flags.AA
        self._fill(reply, found)
        if found.chase is not None and question.rdtype != dns.rdatatype.CNAME:
            await self._chase(reply, found.chase, question.rdtype)
        return reply

    def _fill(self, reply: dns.message.Message, found: Answer) -> None:
        reply.set_rcode(found.code)
        reply.answer += self._rrsets(found.records)
        reply.authority += self._rrsets(found.authority)
        reply.additional += self._rrsets(found.additional)

    async def _chase(self, reply: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> None:
        """Resolvers of pods do not follow a CNAME by themselves: what it leads to is part of the answer."""
        for _ in range(MAX_CHASE):
            found = answer(name, rdtype, self._zone)
            if found is None:
                beyond = await self._forwarder.ask(dns.message.make_query(name, rdtype))
                reply.answer += beyond.answer
                reply.set_rcode(beyond.rcode())
                return
            reply.answer += self._rrsets(found.records)
            reply.set_rcode(found.code)
            if found.chase is None:
                return
            name = found.chase

    def _rrsets(self, records: Iterable[Record]) -> list[dns.rrset.RRset]:
        sets: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], list[Record]] = {}
        for record in records:
            sets.setdefault((record.name, record.data.rdtype), []).append(record)
        made = []
        for (name, _), group in sets.items():
            self._random.shuffle(group)
            made.append(dns.rrset.from_rdata_list(name, TTL, [record.data for record in group]))
        return made

    def datagram(self, wire: bytes, sender: Any, transport: asyncio.DatagramTransport) -> None:
        task = asyncio.ensure_future(self._serve_udp(wire, sender, transport))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _serve_udp(self, wire: bytes, sender: Any, transport: asyncio.DatagramTransport) -> None:
        answered = await self.reply(wire)
        if answered is not None:
            transport.sendto(_to_udp(*answered), sender)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(TCP_IDLE_SECONDS):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    wire = await reader.readexactly(length)
                answered = await self.reply(wire)
                if answered is None:
                    return
                text = answered[0].to_wire(max_size=65535)
                writer.write(struct.pack("!H", len(text)) + text)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            return
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._transport is not None:
            self._server.datagram(data, addr, self._transport)


def _to_udp(reply: dns.message.Message, size: int) -> bytes:
    try:
        return reply.to_wire(max_size=size)
    except dns.exception.TooBig:
        short = dns.message.make_response(reply_question(reply))
        short.flags |= dns.flags.TC | (reply.flags & dns.flags.AA)
        return short.to_wire(max_size=size)


def reply_question(reply: dns.message.Message) -> dns.message.Message:
    query = dns.message.QueryMessage(id=reply.id)
    query.flags = reply.flags & dns.flags.RD
    query.question = list(reply.question)
    return query


def _coded(query: dns.message.Message, code: dns.rcode.Rcode) -> dns.message.Message:
    reply = dns.message.make_response(query, recursion_available=True)
    reply.set_rcode(code)
    return reply


def _unreadable(wire: bytes) -> tuple[dns.message.Message, int] | None:
    if len(wire) < 12 or wire[2] & 0x80:
        return None
    reply = dns.message.QueryMessage(id=struct.unpack("!H", wire[:2])[0])
    reply.flags = dns.flags.QR
    reply.set_rcode(dns.rcode.FORMERR)
    return reply, PLAIN_UDP_SIZE
