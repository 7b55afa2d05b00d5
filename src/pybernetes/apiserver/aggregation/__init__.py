"""Group versions that other servers serve behind this one, as APIServices say.

`controller.Aggregation` follows the APIServices and keeps those of what this server serves itself (`registration`);
`elsewhere` has those that lead to other servers: `keeper` looks after one, `proxy` sends requests there. `trust` tells
such servers whom to trust. Where there are none, nothing is asked per request.
"""
