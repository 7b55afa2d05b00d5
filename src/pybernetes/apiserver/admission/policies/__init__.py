"""Admission policies: expressions of the cluster's users that refuse or change what is written.

A policy counts where a binding names it. Who is concerned is asked in `constraints`, parameters are found by `params`,
`invocations` brings both together; `validating` and `mutating` are the plugins.
"""
