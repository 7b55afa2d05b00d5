"""Which devices claims get on a node: pure decisions over ResourceSlices, DeviceClasses and what is taken.

requests.py    what a claim asks for            pools.py       the devices that a node can reach
selection.py   which devices a request matches  capacity.py    parts of devices that several claims may share
constraints.py what devices of a claim share    counters.py    what partitions of one device take of it
taken.py       what claims have been given      search.py      the search; outcome.py  its result as claims keep it

Follows k8s.io/dynamic-resource-allocation/structured, with the features that v1.36 has turned on.
"""
