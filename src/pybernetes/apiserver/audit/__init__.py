"""Who did what, when, and what came of it: `audit.k8s.io/v1` events of the requests that the operator's policy names.

Without a policy nothing here is loaded, and a request is asked for nothing.
"""
