#!/usr/bin/env bash
# The chart against a real API server, in every mode: its schemas (kubeconform), what it says itself (--dry-run=server), and
# whether the pods hold to the Pod Security Standard `restricted`. Run by tools/chart/check.sh, inside of `devcluster run`.
set -euo pipefail
cd "$(dirname "$0")/../.."

CHART=charts/defender-tenant-operator
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
"$PYTHON" tests/chart/modes.py "$WORK"
# The API server has no schema of Prometheus Operator's kinds.
FOREIGN=PodMonitor,ServiceMonitor,PrometheusRule

for namespace in home soc noc; do kubectl create namespace "$namespace"; done >/dev/null
kubectl label namespace home pod-security.kubernetes.io/enforce=restricted >/dev/null

# Nothing is fetched: the schemas are what this API server says, with the CRDs in it.
kubectl apply -f crds/ >/dev/null
kubectl wait --for=condition=Established crd --all --timeout=30s >/dev/null
until "$PYTHON" tools/chart/schemas.py "$WORK/schemas" && [ -e "$WORK/schemas/defendertenant-defendertenant-v1alpha1.json" ]; do
  sleep 0.2
done
kubectl delete -f crds/ >/dev/null

conforms() {
  "$KUBECONFORM" -strict -skip "$FOREIGN" -schema-location "$WORK/schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json" "$@"
}

# Checks that can't fail say nothing.
sed 's/^  replicas: 2/  replicaz: 2/' deploy/install.yaml >"$WORK/typo.yaml"
if conforms "$WORK/typo.yaml" >"$WORK/said" || ! grep -q "additional properties 'replicaz' not allowed" "$WORK/said"; then
  echo "chart: kubeconform didn't find a typing mistake:" >&2
  cat "$WORK/said" >&2
  exit 1
fi
kubectl -n home create serviceaccount probe >/dev/null
if kubectl -n home run probe --image=x --dry-run=server 2>"$WORK/said" || ! grep -q restricted "$WORK/said"; then
  echo "chart: the API server took a pod that isn't restricted" >&2
  exit 1
fi

conforms -summary deploy/*.yaml
for mode in "$WORK"/*.yaml; do
  name=$(basename "$mode" .yaml)
  [ "$name" != typo ] || continue
  for helm in "$HELM_4" "$HELM_3"; do
    "$helm" template dto "$CHART" -n home --values "$mode" >"$WORK/all"
    conforms "$WORK/all"
    # From here on as on a cluster without Prometheus Operator.
    quiet=(--values "$mode" --set monitor.renderMode=skipIfMissing)
    "$helm" install dto "$CHART" -n home "${quiet[@]}" --dry-run=server >/dev/null
    "$helm" template dto "$CHART" -n home "${quiet[@]}" --no-hooks >"$WORK/objects"
    kubectl apply --dry-run=server --validate=strict -f "$WORK/objects" >"$WORK/applied"
    "$helm" template dto "$CHART" -n home "${quiet[@]}" | "$PYTHON" tests/chart/pods.py probe >"$WORK/pods"
    kubectl create --dry-run=server --validate=strict -f "$WORK/pods" >"$WORK/created"
    echo "chart: $name, $(basename "$helm" | cut -d- -f1-3): $(wc -l <"$WORK/applied") objects and $(wc -l <"$WORK/created") pods are taken"
  done
done

# What is in deploy/, as a person applies it; a dry run leaves no namespace for the objects in it.
kubectl apply -f - <<END >/dev/null
{apiVersion: v1, kind: Namespace, metadata: {name: defender-tenant-operator}}
END
for manifest in deploy/*.yaml; do
  kubectl apply --dry-run=server --validate=strict -f "$manifest" >/dev/null
done
echo "chart: the manifests of deploy/ are taken"
