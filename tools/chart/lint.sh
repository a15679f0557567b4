#!/usr/bin/env bash
# The chart's checks that need no cluster: generated files, helm lint, render tests, kube-score.
set -euo pipefail
cd "$(dirname "$0")/../.."

CHART=charts/defender-tenant-operator
HELM_4=$(tools/bin.sh helm-4)
HELM_3=$(tools/bin.sh helm-3)
KUBE_SCORE=$(tools/bin.sh kube-score)
PYTHON=$(tools/chart/python.sh)
export HELM_3 HELM_4
FRESH=$(mktemp -d)
trap 'rm -rf "$FRESH"' EXIT

tools/chart/render.sh "$FRESH"
drifted=0
for path in $CHART/files/crds $CHART/values.schema.json $CHART/README.md deploy; do
  diff --recursive --unified=1 "$path" "$FRESH/$path" || drifted=1
done
if [ "$drifted" = 1 ]; then
  echo "chart: these files aren't what is generated (-: committed, +: generated): run make crds" >&2
  exit 1
fi

mkdir "$FRESH/modes"
"$PYTHON" tests/chart/modes.py "$FRESH/modes"
for helm in "$HELM_4" "$HELM_3"; do
  for values in "$FRESH"/modes/*.yaml; do
    "$helm" lint --strict --quiet --kube-version 1.34.0 --values "$values" "$CHART"
  done
done

"$PYTHON" -m pytest --quiet -p no:cacheprovider tests/chart

# What kube-score finds and we mean:
exceptions=(
  # The tag is a version, or there is a digest; and nodes without a registry must start it from what was loaded there.
  --ignore-test container-image-pull-policy
  # CPU limits throttle a process that has the node to itself; the request is its share where it hasn't.
  --ignore-container-cpu-limit
)
for mode in cluster namespaced trial trial-namespaced all-on; do
  case $mode in
  # The policy is off by default, because whether it works is up to the network: "all-on" has it on, and is asked.
  cluster | namespaced) more=(--ignore-test pod-networkpolicy) ;;
  # The emulator remembers in memory: a second replica would know other things, and so would an overlapping one.
  trial*) more=(--ignore-test 'pod-networkpolicy,deployment-replicas,deployment-strategy') ;;
  all-on) more=() ;;
  esac
  "$HELM_4" template dto "$CHART" --namespace home --values "$FRESH/modes/$mode.yaml" |
    "$KUBE_SCORE" score --kubernetes-version v1.34 --exit-one-on-warning --output-format ci "${exceptions[@]}" "${more[@]}" - \
      >"$FRESH/score" || {
    grep -E '^\[(CRITICAL|WARNING)' "$FRESH/score" >&2
    echo "chart: kube-score has findings in mode $mode" >&2
    exit 1
  }
  echo "chart: kube-score, $mode: $(grep -c '^\[OK\]' "$FRESH/score") checks, no finding"
done
echo "chart: lint is done"
