"""Custom resources: what a CustomResourceDefinition makes of the server.

``controller`` follows the stored definitions: ``lifecycle`` says what their status must be (pure), ``serving`` has an
ordinary ``Resource`` for each served version, ``finalizing`` empties what is being deleted. ``definition`` is a stored
definition as a value; ``version`` is one of its versions compiled: its shape, validation, columns, conversion.

Follows k8s.io/apiextensions-apiserver.
"""
