"""Requests that another server answers: kubelets (logs, exec, attach, port-forward), nodes, pods and services."""
