"""API priority and fairness: who waits when the server has more to do than it can.

A request is put into a flow by the FlowSchemas (`flows.py`, `rules.py`), and a flow belongs to a priority level
(`level.py`). A level has seats, which it may lend (`shares.py`, `demand.py`); where none is free a request waits in one
of the level's queues (`queues.py`, `shuffle.py`). `gate.py` is the door the server asks, `configuration.py` follows the
objects. Follows k8s.io/apiserver/pkg/util/flowcontrol.
"""
