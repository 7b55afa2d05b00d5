"""Kubernetes, whole, in Python that a person can read."""

__version__ = "0.1.0"
KUBERNETES_VERSION = "v1.36.0"
