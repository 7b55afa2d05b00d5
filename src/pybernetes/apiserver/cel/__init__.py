"""Expressions of the API server: schema rules, match conditions, admission policies; the language is `pybernetes.cel`.

  schema_types.py        types and values from OpenAPI schemas
  schema_rules.py        x-kubernetes-validations of custom resources
  match_conditions.py    matchConditions of webhooks and policies

Nothing of this is loaded before the first expression is compiled.
"""
