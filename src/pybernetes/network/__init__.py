"""The network of one node: Services (proxy), names (dns) and pod addresses (cni).

Each part decides purely (a ruleset, an answer, a configuration) and acts in one short step, so that what reaches the
kernel can be read and tested without one.
"""
