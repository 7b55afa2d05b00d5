"""Webhooks of the cluster's users: asked before a write is stored.

`hooks` compiles the configurations, `matching` decides who is asked, `review` writes the question and reads the answer,
`calling` asks; `mutating` and `validating` are the two plugins.
"""
