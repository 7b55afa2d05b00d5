"""What every object of the API looks like, and the walk that brings a document into that form.

`shape_of(group, version, kind).read(document)` answers the document as upstream would write it, with the unknown
fields it had. `definition("core_v1.Container")` has the facts themselves: types, list keys, patch strategies.
"""

from pybernetes.api.schema.duplicates import find_duplicates
from pybernetes.api.schema.facts import Definition, FieldFacts, definition, definitions, module_of
from pybernetes.api.schema.scalars import DecodeError
from pybernetes.api.schema.shape import Reading, Shape, shape_of

__all__ = [
    "DecodeError",
    "Definition",
    "FieldFacts",
    "Reading",
    "Shape",
    "definition",
    "definitions",
    "find_duplicates",
    "module_of",
    "shape_of",
]
