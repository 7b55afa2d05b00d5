"""Values as Go prints them in messages."""

from __future__ import annotations

from pybernetes.api.models import meta_v1


def shown_selector(selector: meta_v1.LabelSelector | None) -> str:
    """A pointer to one, with `%v`."""
    if selector is None:
        return "nil"
    labels = "".join(f"{name}: {value}," for name, value in sorted(selector.match_labels.items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{one.key},Operator:{one.operator},Values:[{' '.join(one.values)}],}},"
        for one in selector.match_expressions
    )
    matches = f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},"
    return f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},{matches}}}"
