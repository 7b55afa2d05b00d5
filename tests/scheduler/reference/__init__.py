"""The scheduler's plugins once more, one node at a time and as plainly as can be: what the vector plugins are held to.

Written from the semantics of kube-scheduler's plugins, one file each. ``filter(pod, node, cluster)`` answers with a
``Verdict`` or None, ``score(pod, node, cluster)`` with a raw score and ``normalise(scores)`` with what becomes of the
raw scores of all feasible nodes. Nothing here is quick, and nothing is shared with the code under test but the models
of the API and quantities.
"""
