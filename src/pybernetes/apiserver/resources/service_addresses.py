"""The cluster IPs of services: which ranges they come from, and the IPAddress that stands for each.

Guarantees  An address is held by at most one service: its IPAddress is written in the same transaction as the service
            that carries it, on condition that there is none. So there is no moment, and no crash, between the two.
            Ranges are those of the ServiceCIDRs that are ready and not going.

Follows pkg/registry/core/service/ipallocator.
"""

from __future__ import annotations

import ipaddress
from random import Random

import orjson

from pybernetes.api.figures import Counts
from pybernetes.api.meta import format_time
from pybernetes.apiserver.allocators import Address, AddressRange, AlreadyAllocated, NotInRange, RangeFull
from pybernetes.apiserver.naming import new_uid
from pybernetes.apiserver.reader import CacheReader
from pybernetes.apiserver.resource import Context, Document, Facilities
from pybernetes.store.contract import Store

IP_ADDRESSES = "/registry/ipaddresses/"
SERVICE_CIDRS = "servicecidrs.networking.k8s.io"
FAMILY_LABEL = "ipaddress.kubernetes.io/ip-family"
MANAGER_LABEL = "ipaddress.kubernetes.io/managed-by"
MANAGED_BY = "ipallocator.k8s.io"
_MANAGER = "kube-apiserver"
_OWN_FIELDS: Document = {
    "f:metadata": {"f:labels": {".": {}, f"f:{FAMILY_LABEL}": {}, f"f:{MANAGER_LABEL}": {}}},
    "f:spec": {"f:parentRef": {".": {}, "f:name": {}, "f:namespace": {}, "f:resource": {}}},
}


class ServiceAddresses:
    def __init__(self, facilities: Facilities) -> None:
        self._store: Store = facilities.store
        self._reader: CacheReader = facilities.reader
        self._random: Random = facilities.random
        self._configured = tuple(AddressRange(cidr) for cidr in facilities.options.service_cidrs)
        self.families = tuple(one.family for one in self._configured)
        """Those that services may have; the first is the one they have by default."""
        self.allocated = Counts()
        """By range, and whether the address was asked for (`static`) or picked (`dynamic`)."""
        self.refused = Counts()
        self._version = -1
        self._ranges: tuple[AddressRange, ...] = ()

    @property
    def ranges(self) -> tuple[AddressRange, ...]:
        """Worked out again when a ServiceCIDR has changed; a server without that kind has what it was started with."""
        if not self._reader.serves(SERVICE_CIDRS):
            return self._configured
        version = self._reader.version(SERVICE_CIDRS)
        if version != self._version:
            ready = (one["spec"]["cidrs"] for one in self._reader.list(SERVICE_CIDRS) if is_ready(one))
            self._ranges = tuple(AddressRange(cidr) for cidr in dict.fromkeys(c for cidrs in ready for c in cidrs))
            self._version = version
        return self._ranges

    def check(self, address: str) -> None:
        """Raises NotInRange and AlreadyAllocated."""
        parsed = parse_address(address)
        within = next((one for one in self.ranges if parsed in one), None)
        if within is None:
            raise NotInRange("the provided network does not match the current range")
        if self.is_taken(str(parsed)):
            self.refused.add(str(within.network), "static")
            raise AlreadyAllocated("provided IP is already allocated")
        self.allocated.add(str(within.network), "static")

    def check_only_looking(self, address: str) -> None:
        """What a dry run is asked: whether somebody holds the address is not looked at. Raises NotInRange."""
        parsed = parse_address(address)
        own = [one for one in self.ranges if one.network.version == parsed.version]
        if own and not any(parsed in one for one in own):
            raise NotInRange(
                f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {own[0].network}"
            )

    def pick(self, family: str) -> str:
        """An address that nobody holds. Raises RangeFull."""
        own = [one for one in self.ranges if one.family == family]
        self._random.shuffle(own)
        for one in own:
            try:
                found = one.pick(self._random, self.is_taken)
            except RangeFull:
                self.refused.add(str(one.network), "dynamic")
                continue
            self.allocated.add(str(one.network), "dynamic")
            return found
        raise RangeFull

    def example(self, family: str) -> str:
        """What a dry run shows."""
        return next((str(one.network.network_address) for one in self.ranges if one.family == family), "")

    def is_taken(self, address: str) -> bool:
        key = IP_ADDRESSES + address
        try:
            return self._store.get_now(key) is not None
        except NotImplementedError:
            return self._reader.get("ipaddresses.networking.k8s.io", "", address) is not None

    def address_of(self, address: str, service: Document, context: Context) -> bytes:
        """The IPAddress, as it is stored."""
        return orjson.dumps(ip_address(address, service, new_uid(self._random), format_time(context.now)))


def ip_address(address: str, service: Document, uid: str, now: str) -> Document:
    metadata = service["metadata"]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "metadata": {
            "name": address,
            "uid": uid,
            "creationTimestamp": now,
            "labels": {FAMILY_LABEL: family_of(address), MANAGER_LABEL: MANAGED_BY},
            "managedFields": [
                {
                    "manager": _MANAGER,
                    "operation": "Update",
                    "apiVersion": "networking.k8s.io/v1",
                    "time": now,
                    "fieldsType": "FieldsV1",
                    "fieldsV1": _OWN_FIELDS,
                }
            ],
        },
        "spec": {
            "parentRef": {"resource": "services", "namespace": metadata.get("namespace", ""), "name": metadata["name"]}
        },
    }


def is_ready(cidr: Document) -> bool:
    """One without the condition counts as ready: the controller that sets it may not run."""
    if cidr["metadata"].get("deletionTimestamp"):
        return False
    conditions = (cidr.get("status") or {}).get("conditions") or ()
    return all(one["status"] == "True" for one in conditions if one["type"] == "Ready")


def family_of(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def parse_address(text: str) -> Address:
    """Of a text that has passed its check."""
    return ipaddress.ip_address(text)
