"""The objects of the API as typed structs: one generated module per group and version (`tools/generate_api.py`).

Import the module of a group, not this package: `from pybernetes.api.models import core_v1`.
"""
