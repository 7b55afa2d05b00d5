// What a user of @kubernetes/client-node does, one line of JSON per finding.
// `node with_node.mjs PACKAGES KUBECONFIG NAMESPACE`
import { createRequire } from "node:module";

const [packages, kubeconfig, namespace] = process.argv.slice(2);
const k8s = createRequire(`${packages}/`)("@kubernetes/client-node");
const say = (name, value) => console.log(JSON.stringify({ [name]: value }));
const refusal = async (promise) => {
  try {
    await promise;
    return "accepted";
  } catch (error) {
    return [error.code, JSON.parse(error.body).message];
  }
};

const config = new k8s.KubeConfig();
config.loadFromFile(kubeconfig);
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);

// Objects
const body = { metadata: { name: "one" }, data: { a: "1" } };
const made = await core.createNamespacedConfigMap({ namespace, body });
say("created", [made.data, typeof made.metadata.uid, made.metadata.creationTimestamp instanceof Date]);
say("again", await refusal(core.createNamespacedConfigMap({ namespace, body })));
made.data.a = "2";
say("replaced", (await core.replaceNamespacedConfigMap({ name: "one", namespace, body: made })).data);
say("late", (await refusal(core.replaceNamespacedConfigMap({ name: "one", namespace, body: made })))[0]);
const merged = await core.patchNamespacedConfigMap(
  { name: "one", namespace, body: { data: { b: "3" } } },
  k8s.setHeaderOptions("Content-Type", k8s.PatchStrategy.MergePatch),
);
say("merged", merged.data);
const removed = await core.patchNamespacedConfigMap({
  name: "one",
  namespace,
  body: [{ op: "remove", path: "/data/a" }],
});
say("removed", removed.data);

// A deployment, followed by an informer until its pods are there
const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
const informer = k8s.makeInformer(config, path, () => apps.listNamespacedDeployment({ namespace }));
const told = [];
const available = new Promise((done) => {
  informer.on("add", (one) => told.push(["add", one.metadata.name]));
  informer.on("update", (one) => one.status?.availableReplicas === 2 && done(one.status.availableReplicas));
});
const gone = new Promise((done) => informer.on("delete", (one) => done(one.metadata.name)));
await informer.start();
const labels = { app: "web" };
const template = { metadata: { labels }, spec: { containers: [{ name: "main", image: "nginx:1" }] } };
const spec = { replicas: 2, selector: { matchLabels: labels }, template };
await apps.createNamespacedDeployment({ namespace, body: { metadata: { name: "web" }, spec } });
say("available", await available);
const scale = await apps.readNamespacedDeploymentScale({ name: "web", namespace });
say("scale", [scale.spec.replicas, scale.status.selector]);
const pods = await core.listNamespacedPod({ namespace, labelSelector: "app=web", limit: 1 });
say("page", [pods.items.length, typeof pods.metadata._continue]);
await apps.deleteNamespacedDeployment({ name: "web", namespace });
say("informed", [told, await gone]);
await informer.stop();

// A watch
const seen = [];
const watch = new k8s.Watch(config);
const ended = new Promise((done) => {
  const query = { fieldSelector: "metadata.name=watched" };
  watch
    .watch(`/api/v1/namespaces/${namespace}/configmaps`, query, (type, one) => {
      seen.push([type, one.data.a]);
      if (type === "DELETED") done();
    }, () => {})
    .then(async (request) => {
      const object = { metadata: { name: "watched" }, data: { a: "1" } };
      const first = await core.createNamespacedConfigMap({ namespace, body: object });
      await core.replaceNamespacedConfigMap({ name: "watched", namespace, body: { ...first, data: { a: "2" } } });
      await core.deleteNamespacedConfigMap({ name: "watched", namespace });
      await ended;
      request.abort();
    });
});
await ended;
say("watched", seen);

// Any kind, by what its document says
const objects = k8s.KubernetesObjectApi.makeApiClient(config);
const document = k8s.loadYaml(`{apiVersion: coordination.k8s.io/v1, kind: Lease,
  metadata: {name: mine, namespace: ${namespace}}, spec: {holderIdentity: me}}`);
const applied = await objects.patch(
  document, undefined, undefined, "node-tests", true, k8s.PatchStrategy.ServerSideApply,
);
say("applied", [applied.spec.holderIdentity, applied.metadata.managedFields.map((one) => one.manager)]);
say("deleted", (await objects.delete(document)).status);
say("version", (await config.makeApiClient(k8s.VersionApi).getCode()).minor);
process.exit(0);
