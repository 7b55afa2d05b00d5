"""The Common Expression Language as Kubernetes uses it: the language, and selectors of devices.

`parsing` reads an expression with the parser of cel-cpp (the package cel-expr-python), whose grammar, macros and words
for syntax errors are those of the language's other implementations. Checking and evaluation are done here, on the
tree that the parser hands out, for the library cannot do them as Kubernetes needs: its checker knows object types only
from protobuf descriptors (a schema's fields, their escaped names and "undefined field" need types of our own), it lacks
two-variable comprehensions and every library of Kubernetes, estimates no cost and limits none, and each evaluation
would copy whole documents into its own values. Here an expression becomes nested Python functions over plain JSON
values.

  tree.py parsing.py     syntax
  types.py checker.py    static types, and what is wrong with an expression
  values.py evaluation.py  values, and the functions an expression is compiled to
  functions.py library/  what expressions can call, one library a file
  environment.py         ``Environment(variables).compile(text) -> Program``
  device_selectors.py    selectors of devices in claims and classes

Nothing of this is loaded before the first expression is compiled.
"""
