"""The lives of kinds that need nothing but the API server, as the conformance list tells them."""

from __future__ import annotations

import pytest

from conformance.rest_server import Kind, annotations_of, has_a_life, holds, labels_of, names_of, rest_server
from conformance.typed_client import MERGE, STRATEGIC, Document
from pybernetes.api.errors import ApiError

CONTAINER = {"name": "nginx", "image": "nginx:1"}


@pytest.mark.parametrize(
    "kind",
    [
        Kind("", "podtemplates", {"template": {"spec": {"containers": [CONTAINER]}}}),
        Kind("", "nodes", {}),
        Kind("storage.k8s.io", "csidrivers", {"spec": {"attachRequired": False}}),
        Kind("storage.k8s.io", "csinodes", {"spec": {"drivers": []}}),
        Kind("storage.k8s.io", "storageclasses", {"provisioner": "e2e-fake-provisioner"}),
        Kind(
            "storage.k8s.io",
            "volumeattachments",
            {"spec": {"attacher": "e2e-test.io", "nodeName": "none", "source": {"persistentVolumeName": "pv"}}},
        ),
    ],
    ids=lambda kind: kind.plural,
)
@pytest.mark.conformance(
    "PodTemplate lifecycle",
    "PodTemplate, delete a collection",
    "PodTemplate, replace",
    "Node, resource lifecycle",
    "CSIDriver, lifecycle",
    "CSINode, lifecycle",
    "StorageClass, lifecycle",
    "VolumeAttachment, lifecycle",
)
async def test_a_kind_is_made_read_changed_listed_and_deleted(kind: Kind) -> None:
    async with rest_server() as client:
        verbs = client.of(kind.group, "v1", kind.plural)
        await has_a_life(client, verbs, kind)
        again = await verbs.create({**kind.body, "metadata": {"name": kind.names[0]}})
        patched = await verbs.patch(kind.names[0], {"metadata": {"labels": {"name": "patched"}}})
        assert labels_of(patched) == {"name": "patched"}
        patched["metadata"]["labels"] = {"name": "updated"}
        assert labels_of(await verbs.update(patched)) == {"name": "updated"}
        await verbs.delete_collection("name=updated")
        with pytest.raises(ApiError, match="not found"):
            await verbs.get(again["metadata"]["name"])


@pytest.mark.conformance("VolumeAttachment, apply changes to a volumeattachment status")
async def test_an_attachment_says_whether_it_is_attached() -> None:
    async with rest_server() as client:
        verbs = client.of("storage.k8s.io", "v1", "volumeattachments")
        spec = {"attacher": "e2e-test.io", "nodeName": "none", "source": {"persistentVolumeName": "pv"}}
        await verbs.create({"metadata": {"name": "va"}, "spec": spec})
        assert labels_of(await verbs.patch("va", {"metadata": {"labels": {"va": "patched"}}}))["va"] == "patched"
        assert (await verbs.get("va", "status"))["status"]["attached"] is False
        patched = await verbs.patch("va", {"status": {"attached": True}}, MERGE, "status")
        assert patched["status"]["attached"] is True
        patched["status"]["attached"] = False
        assert (await verbs.update(patched, "status"))["status"]["attached"] is False
        await verbs.delete("va")
        assert await verbs.list() == []


EARLY = "0001-01-01T00:00:{}.000000Z"


@pytest.mark.conformance("lease API should be available")
async def test_a_lease_reads_back_as_it_was_written() -> None:
    """Its times may be those of Go's zero time, in the year 1."""
    async with rest_server() as client:
        leases = client.of("coordination.k8s.io", "v1", "leases")
        spec = {
            "holderIdentity": "holder",
            "leaseDurationSeconds": 30,
            "acquireTime": EARLY.format("02"),
            "renewTime": EARLY.format("05"),
            "leaseTransitions": 0,
        }
        await leases.create({"metadata": {"name": "lease"}, "spec": spec})
        read = await leases.get("lease")
        assert read["spec"] == spec
        read["spec"] = {
            "holderIdentity": "holder2",
            "leaseDurationSeconds": 60,
            "acquireTime": EARLY.format("10"),
            "renewTime": EARLY.format("15"),
            "leaseTransitions": 1,
        }
        await leases.update(read)
        assert (await leases.get("lease"))["spec"] == read["spec"]
        last = {"acquireTime": EARLY.format("50"), "renewTime": EARLY.format("53"), "leaseTransitions": 2}
        await leases.patch("lease", {"spec": last}, STRATEGIC)
        assert (await leases.get("lease"))["spec"] == {**read["spec"], **last}

        await leases.create({"metadata": {"name": "labelled", "labels": {"deletecollection": "true"}}, "spec": spec})
        assert names_of(await leases.list()) == ["labelled", "lease"]
        await leases.delete_collection("deletecollection=true")
        assert names_of(await leases.list()) == ["lease"]
        await leases.delete("lease")
        with pytest.raises(ApiError) as missing:
            await leases.get("lease")
        assert missing.value.reason == "NotFound"


@pytest.mark.conformance("LimitRange, list, patch and delete a LimitRange by collection")
async def test_limit_ranges_of_two_namespaces() -> None:
    async with rest_server() as client:
        await client.of("", "v1", "namespaces").create({"metadata": {"name": "other"}})
        here, there = client.of("", "v1", "limitranges"), client.of("", "v1", "limitranges", "other")
        everywhere = client.of("", "v1", "limitranges", None)
        limit = {
            "type": "Container",
            "min": {"cpu": "50m", "memory": "100Mi", "ephemeral-storage": "100Gi"},
            "max": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
            "default": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
            "defaultRequest": {"cpu": "100m", "memory": "200Mi", "ephemeral-storage": "200Gi"},
        }
        for verbs in (here, there):
            await verbs.create({"metadata": {"name": "limits", "labels": {"own": "e2e"}}, "spec": {"limits": [limit]}})
        assert [one["metadata"]["namespace"] for one in await everywhere.list("own=e2e")] == ["default", "other"]
        tightened = {**limit, "min": {"cpu": "60m"}}
        patch = {"metadata": {"labels": {"limits": "patched"}}, "spec": {"limits": [tightened]}}
        patched = await here.patch("limits", patch)
        assert labels_of(patched) == {"own": "e2e", "limits": "patched"}
        assert patched["spec"]["limits"][0]["min"] == {"cpu": "60m"}
        await here.delete_collection("limits=patched")
        assert await here.list() == []
        assert names_of(await everywhere.list("own=e2e")) == ["limits"]


@pytest.mark.conformance("CSIInlineVolumes should support Pods with inline volumes")
async def test_a_pod_with_a_volume_of_a_driver_is_an_object_like_others() -> None:
    async with rest_server() as client:
        labels = {"security.kubernetes.io/csi-ephemeral-volume-profile": "restricted"}
        spec = {"volumeLifecycleModes": ["Ephemeral"], "podInfoOnMount": True}
        drivers = client.of("storage.k8s.io", "v1", "csidrivers")
        await drivers.create({"metadata": {"name": "e2e.example.com", "labels": labels}, "spec": spec})
        volume = {"name": "csi", "csi": {"driver": "e2e.example.com", "volumeAttributes": {"a": "b"}}}
        pods = client.of("", "v1", "pods")
        container = {**CONTAINER, "volumeMounts": [{"name": "csi", "mountPath": "/mnt/test"}]}
        made = await pods.create(
            {"metadata": {"name": "inline"}, "spec": {"containers": [container], "volumes": [volume]}}
        )
        own = [one for one in made["spec"]["volumes"] if one["name"] == "csi"]
        assert own[0]["csi"] == volume["csi"]
        patched = await pods.patch("inline", {"metadata": {"labels": {"test": "patched"}}})
        assert labels_of(patched) == {"test": "patched"}
        assert names_of(await pods.list("test=patched")) == ["inline"]
        assert (await pods.get("inline"))["spec"]["volumes"] == made["spec"]["volumes"]
        await pods.delete("inline", gracePeriodSeconds=0)
        assert await pods.list() == []
        await drivers.delete("e2e.example.com")
        assert await drivers.list() == []


@pytest.mark.conformance("Endpoint resource lifecycle")
async def test_endpoints_are_made_updated_patched_and_deleted_by_their_label() -> None:
    async with rest_server() as client:
        endpoints = client.of("", "v1", "endpoints")
        subset = {"addresses": [{"ip": "10.0.0.24"}], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
        labels = {"test-endpoint-static": "true"}
        made = await endpoints.create({"metadata": {"name": "testservice", "labels": labels}, "subsets": [subset]})
        async with await endpoints.watch("test-endpoint-static=true") as watching:
            assert holds((await watching.until("ADDED"))["subsets"], [subset])
            everywhere = client.of("", "v1", "endpoints", None)
            assert names_of(await everywhere.list("test-endpoint-static=true")) == ["testservice"]
            made["metadata"]["labels"]["test-service"] = "updated"
            await endpoints.update(made)
            await watching.until("MODIFIED", lambda one: labels_of(one).get("test-service") == "updated")
            read = await endpoints.get("testservice")
            assert labels_of(read)["test-service"] == "updated"
            other = {"addresses": [{"ip": "10.0.0.25"}], "ports": [{"name": "http-test", "port": 8080}]}
            patch = {"metadata": {"labels": {"test-service": "patched"}}, "subsets": [other]}
            await endpoints.patch("testservice", patch)
            await watching.until("MODIFIED", lambda one: labels_of(one).get("test-service") == "patched")
            read = await endpoints.get("testservice")
            [patched] = read["subsets"]
            assert [one["ip"] for one in patched["addresses"]] == ["10.0.0.25"]
            assert [(one["name"], one["port"], one["protocol"]) for one in patched["ports"]] == [
                ("http-test", 8080, "TCP")
            ]
            await endpoints.delete_collection("test-endpoint-static=true")
            assert (await watching.until("DELETED"))["metadata"]["name"] == "testservice"
        with pytest.raises(ApiError, match="not found"):
            await endpoints.get("testservice")


@pytest.mark.conformance("ServiceAccount lifecycle test", "ServiceAccount, update a ServiceAccount")
async def test_a_service_accounts_life_is_told_to_who_watches() -> None:
    async with rest_server() as client:
        accounts = client.of("", "v1", "serviceaccounts")
        selector = "test-serviceaccount-static=true"
        async with await accounts.watch(selector) as watching:
            await accounts.create({"metadata": {"name": "own", "labels": {"test-serviceaccount-static": "true"}}})
            assert labels_of(await watching.until("ADDED"))["test-serviceaccount-static"] == "true"
            patched = await accounts.patch("own", {"automountServiceAccountToken": False})
            assert patched["automountServiceAccountToken"] is False
            assert (await watching.until("MODIFIED"))["automountServiceAccountToken"] is False
            everywhere = client.of("", "v1", "serviceaccounts", None)
            [found] = await everywhere.list(selector)
            assert found["automountServiceAccountToken"] is False
            found["automountServiceAccountToken"] = True
            assert (await accounts.update(found))["automountServiceAccountToken"] is True
            await accounts.delete_collection(selector)
            assert (await watching.until("DELETED"))["metadata"]["name"] == "own"
        assert await accounts.list(selector) == []


@pytest.mark.conformance("Service, complete ServiceStatus lifecycle")
async def test_a_services_status_is_read_patched_and_updated() -> None:
    async with rest_server() as client:
        services = client.of("", "v1", "services")
        labels = {"test-service-static": "true"}
        spec = {"type": "LoadBalancer", "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}]}
        async with await services.watch("test-service-static=true") as watching:
            await services.create({"metadata": {"name": "own", "labels": labels}, "spec": spec})
            added = await watching.until("ADDED")
            assert added["spec"]["clusterIP"]
            assert added["spec"]["ports"][0]["nodePort"]
            assert (await services.get("own", "status"))["metadata"]["uid"] == added["metadata"]["uid"]
            ingress = [{"ip": "203.0.113.1"}]
            patch = {
                "metadata": {"annotations": {"patchedstatus": "true"}},
                "status": {"loadBalancer": {"ingress": ingress}},
            }
            patched = await services.patch("own", patch, MERGE, "status")
            assert annotations_of(patched)["patchedstatus"] == "true"
            assert holds(patched["status"]["loadBalancer"]["ingress"], ingress)
            seen = await watching.until("MODIFIED", lambda one: "patchedstatus" in annotations_of(one))
            assert holds(seen["status"]["loadBalancer"]["ingress"], ingress)
            patched["status"]["conditions"] = [
                {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
            ]
            updated = await services.update(patched, "status")
            assert holds(updated["status"]["conditions"], patched["status"]["conditions"])
            await watching.until("MODIFIED", lambda one: bool(one["status"].get("conditions")))
            assert labels_of(await services.patch("own", {"metadata": {"labels": {"test-service": "patched"}}})) == {
                **labels,
                "test-service": "patched",
            }
            await watching.until("MODIFIED", lambda one: labels_of(one).get("test-service") == "patched")
            await services.delete("own")
            await watching.until("DELETED")


@pytest.mark.conformance("Service, deletes a collection of services", "Find Kubernetes Service in default Namespace")
async def test_services_are_deleted_by_their_label_and_kubernetes_is_found_among_all() -> None:
    async with rest_server() as client:
        await client.of("", "v1", "namespaces").create({"metadata": {"name": "own"}})
        services = client.of("", "v1", "services", "own")
        for number, labels in enumerate(({"e2e": "yes"}, {"e2e": "yes"}, {"e2e": "no"})):
            port = {"name": "http", "protocol": "TCP", "port": 8000 + number}
            await services.create({"metadata": {"name": f"s-{number}", "labels": labels}, "spec": {"ports": [port]}})
        assert len(await services.list()) == 3
        await services.delete_collection("e2e=yes")
        assert names_of(await services.list()) == ["s-2"]
        everywhere = await client.of("", "v1", "services", None).list()
        assert ("default", "kubernetes") in {(s["metadata"]["namespace"], s["metadata"]["name"]) for s in everywhere}


EVENT = {
    "involvedObject": {"namespace": "default"},
    "reason": "Test",
    "message": "This is a test event",
    "type": "Normal",
    "source": {"component": "test-source"},
    "count": 1,
}


@pytest.mark.conformance("Event, manage lifecycle of an Event", "Event, delete a collection")
async def test_core_events_are_patched_given_a_series_and_deleted() -> None:
    async with rest_server() as client:
        events = client.of("", "v1", "events")
        everywhere = client.of("", "v1", "events", None)
        made = await events.create({"metadata": {"name": "one", "labels": {"testevent-constant": "true"}}, **EVENT})
        [found] = await everywhere.list("testevent-constant=true")
        assert found == made
        patched = await events.patch("one", {"message": "patched"})
        assert without_version(patched) == without_version({**made, "message": "patched"})
        patched["series"] = {"count": 100, "lastObservedTime": "2017-09-19T13:49:16.000000Z"}
        updated = await events.update(patched)
        assert updated["series"] == patched["series"]
        assert without_version(await events.get("one")) == without_version(updated)
        await events.delete("one")
        assert await everywhere.list("testevent-constant=true") == []
        for number in range(3):
            await events.create({"metadata": {"name": f"e-{number}", "labels": {"testevent-set": "true"}}, **EVENT})
        assert len(await events.list("testevent-set=true")) == 3
        await events.delete_collection("testevent-set=true")
        assert await events.list("testevent-set=true") == []


NEW_EVENT = {
    "eventTime": "2026-01-02T03:04:05.678901Z",
    "note": "This is a test event",
    "reason": "Test",
    "action": "Do",
    "type": "Normal",
    "reportingController": "test-controller",
    "reportingInstance": "test-node",
    "regarding": {"namespace": "default"},
}


@pytest.mark.conformance(
    "New Event resource lifecycle, testing a single event", "New Event resource lifecycle, testing a list of events"
)
async def test_new_events_are_found_by_their_reporter_in_both_groups() -> None:
    async with rest_server() as client:
        events = client.of("events.k8s.io", "v1", "events")
        core = client.of("", "v1", "events")
        everywhere = client.of("events.k8s.io", "v1", "events", None)
        made = await events.create({"metadata": {"name": "one", "labels": {"own": "yes"}}, **NEW_EVENT})
        assert holds(made, NEW_EVENT)
        assert names_of(await everywhere.list("own=yes")) == ["one"]
        assert names_of((await events.page(fieldSelector="reportingController=test-controller"))["items"]) == ["one"]
        [old] = (await core.page(fieldSelector="source=test-controller"))["items"]
        assert (old["reportingComponent"], old["message"]) == ("test-controller", NEW_EVENT["note"])
        assert (await core.page(fieldSelector="reportingComponent=other")).get("items", []) == []

        with pytest.raises(ApiError, match='message: Invalid value: "patched": field is immutable'):
            await events.patch("one", {"note": "patched"})
        series = {"count": 2, "lastObservedTime": "2017-09-19T13:49:11.000000Z"}
        patched = await events.patch("one", {"series": series})
        assert without_version(patched) == without_version({**made, "series": series})
        patched["series"] = {"count": 100, "lastObservedTime": "2017-09-19T13:49:11.000000Z"}
        updated = await events.update(patched)
        assert without_version(await events.get("one")) == without_version(updated)
        assert updated["series"] == patched["series"]
        await events.delete("one")
        assert await everywhere.list("own=yes") == []
        for number in range(3):
            await events.create({"metadata": {"name": f"e-{number}", "labels": {"testevent-set": "true"}}, **NEW_EVENT})
        assert len(await events.list("testevent-set=true")) == 3
        await events.delete_collection("testevent-set=true")
        assert await events.list("testevent-set=true") == []


def without_version(event: Document) -> Document:
    metadata = {n: v for n, v in event["metadata"].items() if n not in ("resourceVersion", "managedFields")}
    return {**event, "metadata": metadata}
