"""Which tokens of service accounts a kubelet may ask for: those of its own pods, for audiences that they name.

Not built: volumes of the old in-tree drivers are not looked up as the CSI drivers that stand for them.
"""

from __future__ import annotations

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes, Reader
from pybernetes.apiserver.auth.contract import Attributes as Access
from pybernetes.apiserver.auth.contract import Authorizer
from pybernetes.apiserver.resource import Document


async def token_problem(node: str, asked: Attributes, reader: Reader, authorizer: Authorizer) -> str:
    """Why the node may not; "" if it may. Raises 404 for a pod that is not there."""
    request = (asked.document or {}).get("spec") or {}
    bound = request.get("boundObjectRef") or {}
    if bound.get("apiVersion") != "v1" or bound.get("kind") != "Pod" or not bound.get("name"):
        return "node requested token not bound to a pod"
    if not bound.get("uid"):
        return "node requested token with a pod binding without a uid"
    pod = reader.get("pods", asked.namespace, bound["name"])
    if pod is None:
        raise errors.not_found("pods", bound["name"])
    if bound["uid"] != pod["metadata"].get("uid"):
        return (
            f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
    if (pod.get("spec") or {}).get("nodeName") != node:
        return "node requested token bound to a pod scheduled on a different node"
    return await _audience_problem(asked, request.get("audiences") or [], pod, reader, authorizer)


async def _audience_problem(
    asked: Attributes, audiences: list[str], pod: Document, reader: Reader, authorizer: Authorizer
) -> str:
    if len(audiences) > 1:
        return "node may only request 0 or 1 audiences"
    audience = audiences[0] if audiences else ""
    if any(_names(volume, audience, pod, reader) for volume in (pod.get("spec") or {}).get("volumes") or ()):
        return ""
    wanted = Access(
        "request-serviceaccounts-token-audience",
        version="v1",
        resource=audience,
        namespace=asked.namespace,
        name=asked.name,
    )
    if (await authorizer.authorize(asked.user, wanted)).allowed:
        return ""
    return (
        f'audience "{audience}" not found in pod spec volume, '
        f"{asked.user.name} is not authorized to request tokens for this audience"
    )


def _names(volume: Document, audience: str, pod: Document, reader: Reader) -> bool:
    for source in (volume.get("projected") or {}).get("sources") or ():
        token = source.get("serviceAccountToken")
        if token is not None and token.get("audience", "") == audience:
            return True
    driver = reader.get("csidrivers.storage.k8s.io", "", _driver(volume, pod, reader))
    requests = ((driver or {}).get("spec") or {}).get("tokenRequests") or ()
    return any(request.get("audience", "") == audience for request in requests)


def _driver(volume: Document, pod: Document, reader: Reader) -> str:
    """The name of the CSI driver behind the volume; "" if there is none."""
    if volume.get("csi") is not None:
        return str(volume["csi"].get("driver", ""))
    metadata = pod["metadata"]
    if volume.get("ephemeral") is not None:
        name = f"{metadata['name']}-{volume.get('name', '')}"
    else:
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName", "")
    claim = reader.get("persistentvolumeclaims", metadata["namespace"], name) if name else None
    bound = ((claim or {}).get("spec") or {}).get("volumeName", "")
    found = reader.get("persistentvolumes", "", bound) if bound else None
    return str((((found or {}).get("spec") or {}).get("csi") or {}).get("driver", ""))
