"""What the plugins of a profile are asked about one pod beside filtering and scoring: gates, reservations, permits."""

from __future__ import annotations

from collections.abc import Mapping

from pybernetes.scheduler import wording
from pybernetes.scheduler.evaluation import Diagnosis
from pybernetes.scheduler.framework import NotPrepared, PluginFailed, Profile, Rejection, Reservation, Wait
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.waiting_pods import NotPermitted

UNSCHEDULABLE, SCHEDULER_ERROR = "Unschedulable", "SchedulerError"
"""Why a pod has no node, in its condition."""
_DEVICES = "DynamicResources"


def held_back(profile: Profile, pod: PodInfo) -> tuple[str, str]:
    """The plugin that does not even let a pod be tried, and why; empty when none does."""
    for plugin in profile.gates:
        if why := plugin.holds_back(pod):
            return plugin.name, why
    return "", ""


def take_place(profile: Profile, pod: PodInfo, node: str, reservations: list[Reservation]) -> Mapping[str, float]:
    """Adds to ``reservations`` what plugins take for the pod; gives those that want it to wait, and how long.

    Raises NotPrepared, NotPermitted and PluginFailed.
    """
    for plugin in profile.reserves:
        reservation = plugin.reserve(pod, node)
        if reservation is not None:
            reservations.append(reservation)
    waits: dict[str, float] = {}
    for permitting in profile.permits:
        match permitting.permit(pod, node):
            case Rejection(reason):
                raise NotPermitted(permitting.name, reason)
            case Wait(seconds):
                waits[permitting.name] = seconds
    return waits


def why_nobody_is_asked(profile: Profile, diagnosis: Diagnosis) -> str:
    """What is said of a pod that was turned away for good before its claims of devices were looked at.

    Upstream's DynamicResources then fails as a post filter, which ends the asking: nobody is preempted. Else empty.
    """
    if not diagnosis.rejection or diagnosis.resolvable.any():
        return ""
    order = [one.name for one in profile.filters]
    asked = [one.name for one in profile.post_filters]
    if _DEVICES not in order or _DEVICES not in asked:
        return ""
    before = order[: order.index(_DEVICES)]
    return wording.NOT_FOUND if any(one in before for one in diagnosis.rejected_by) else ""


def why_not_bound(error: Exception) -> tuple[str, str]:
    """The reason and the message of a pod's condition."""
    match error:
        case NotPermitted():
            return UNSCHEDULABLE, wording.not_permitted(str(error))
        case NotPrepared() | PluginFailed():
            return SCHEDULER_ERROR, str(error)
    return SCHEDULER_ERROR, f"binding rejected: {error}"
