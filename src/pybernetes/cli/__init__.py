"""p8s: the program that starts, stops and inspects clusters. The only place, with `testing`, that knows every room.

Modules that a command does not need are not imported for it: `p8s up` must be answered within a second.
"""
