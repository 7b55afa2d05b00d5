"""Group versions that other servers serve behind this one, as APIServices say.

``controller.Aggregation`` follows the APIServices: `registration` keeps those of what this server serves itself,
`keeper` looks after one that leads elsewhere, `proxy` sends requests there. Without such ones nothing is asked per
request.
"""
