"""The node agent: makes the pods bound to its node run, and reports what the runtime says about them.

`kubelet.Kubelet(client, runtime, node).run()` is one node; `hollow_nodes.HollowNodes` is thousands of pretended
ones. Nothing is
imported here, because commands that need a part of this package should not pay for all of it.
"""
