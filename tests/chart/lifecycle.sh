#!/usr/bin/env bash
# A release from install to uninstall, on a real API server without a node: objects are made, no pod runs. HELM is the Helm
# to use. Run by tools/chart/check.sh, inside of `devcluster run`.
set -euo pipefail
cd "$(dirname "$0")/../.."

CHART=charts/defender-tenant-operator
NAME=dto-defender-tenant-operator
WORK=$(mktemp -d)
OUT=$WORK/out
trap 'rm -rf "$WORK"' EXIT
fail() {
  echo "lifecycle: $*" >&2
  exit 1
}
trap 'fail "line $LINENO: $BASH_COMMAND"; cat "$OUT" >&2' ERR

helm() { "$HELM" --namespace home "$@" >"$OUT" 2>&1 || { cat "$OUT" >&2; fail "helm $*"; }; }
equal() { [ "$2" = "$3" ] || fail "$1: \"$2\" instead of \"$3\""; }
replicas() { kubectl -n home get deployment "$NAME" -o jsonpath='{.spec.replicas}'; }
proxy() { kubectl -n home get deployment "$1" -o jsonpath='{.spec.template.spec.containers[0].env[?(@.name=="DTO_HTTPS_PROXY")].value}'; }
# What was generated, never shown.
generated() { kubectl -n home get secret "$NAME-emulator" "$NAME-trial-credential" -o jsonpath='{.items[*].data}' | sha256sum; }
ours() { kubectl get dapp,dt -A -o name | sort | paste -sd' '; }
of_release() {
  kubectl get deploy,sts,svc,sa,role,rolebinding,pdb,networkpolicy,secret,clusterrole,clusterrolebinding -A -o name \
    -l "app.kubernetes.io/instance=$1" | sort | paste -sd' '
}

# The manifests' block of the notes, by bash as it is printed, with only what a person fills in.
paste_notes() {
  awk 'BEGIN {RS = ""} /<<END/' "$OUT" |
    sed "s|YOUR-CLIENT-ID|$CLIENT|; s|YOUR-CUSTOMER-TENANT-ID|$CUSTOMER|; s|=FILE|=$WORK/secret|" >"$WORK/block"
  [ -s "$WORK/block" ] || fail "the notes have no block of manifests"
  # bash only warns of a here-document that doesn't end.
  if ! bash -euo pipefail "$WORK/block" >"$WORK/pasted" 2>&1 || grep -q here-document "$WORK/pasted"; then
    cat "$WORK/block" "$WORK/pasted" >&2
    fail "the block of the notes doesn't work"
  fi
}
refused() {
  local told=$1
  shift
  if "$HELM" --namespace home "$@" >"$OUT" 2>&1; then fail "not refused: helm $*"; fi
  grep -q -- "$told" "$OUT" || { cat "$OUT" >&2; fail "refused for another reason: helm $*"; }
}
CLIENT=11111111-2222-4333-8444-555555555555
CUSTOMER=99999999-2222-4333-8444-555555555555
echo secret >"$WORK/secret"

kubectl create namespace home >/dev/null

helm install dto $CHART --set emulator.enabled=true
grep -q 'THIS IS A TRIAL' "$OUT" || fail "the notes of a trial don't say so"
equal "replicas" "$(replicas)" 2
equal "proxy" "$(proxy "$NAME")" "http://$NAME-emulator.home.svc:8080"
before=$(generated)

paste_notes
customers=$(ours)
equal "resources of the notes" "$customers" "defenderapplication.defendertenant.io/trial defendertenant.defendertenant.io/contoso"

# An upgrade keeps what was generated, however the values come.
helm upgrade dto $CHART --set emulator.enabled=true,replicas=3
equal "replicas after the upgrade" "$(replicas)" 3
equal "generated, after an upgrade" "$(generated)" "$before"
helm upgrade dto $CHART --reuse-values --set config.logLevel=debug
equal "replicas after --reuse-values" "$(replicas)" 3
equal "generated, after --reuse-values" "$(generated)" "$before"
helm upgrade dto $CHART --reset-then-reuse-values
equal "generated, after --reset-then-reuse-values" "$(generated)" "$before"

helm rollback dto 1
equal "replicas after the roll-back" "$(replicas)" 2
equal "generated, after the roll-back" "$(generated)" "$before"

# A variable of the chart that the values set too: once, and theirs.
variables() { kubectl -n home get deployment "$NAME" -o jsonpath="{.spec.template.spec.containers[0].env[?(@.name==\"$1\")].value}"; }
helm upgrade dto $CHART --reset-then-reuse-values --set 'extraEnv[0].name=DTO_LISTEN,extraEnv[0].value=0.0.0.0:9090'
equal "a variable that is overridden" "$(variables DTO_LISTEN)" 0.0.0.0:9090
helm upgrade dto $CHART --reset-then-reuse-values --set-json 'extraEnv=[{"name":"MORE","value":"1"}]'
equal "a variable that isn't any more" "$(variables DTO_LISTEN)" 0.0.0.0:8080
equal "another variable" "$(variables MORE)" 1

# From the trial to production.
helm upgrade dto $CHART --set emulator.enabled=false
equal "proxy in production" "$(proxy "$NAME")" ""
equal "what is left of the emulator" "$(kubectl get all,secret,networkpolicy -A -l app.kubernetes.io/component=emulator -o name)" ""

# The notes of production. The trial's customer makes room.
kubectl delete namespace soc >/dev/null
paste_notes
kubectl delete dapp trial >/dev/null
customers=$(ours)
equal "resources of the notes" "$customers" "defenderapplication.defendertenant.io/soc-reader defendertenant.defendertenant.io/contoso"
equal "the credential" "$(kubectl -n home get secret -l defendertenant.io/credential=true -o name)" secret/soc-reader

# A trial takes over no real customer, unless it is said to.
refused '1 DefenderTenant(s) that the emulator doesn.t know, soc/contoso:.*emulator.allowExistingTenants=true' \
  upgrade dto $CHART --set emulator.enabled=true
equal "proxy in production" "$(proxy "$NAME")" ""
refused 'soc/contoso' upgrade dto $CHART --set emulator.enabled=true,crds.enabled=false
helm upgrade dto $CHART --set emulator.enabled=true,emulator.allowExistingTenants=true
grep -q 'It serves 1 DefenderTenant(s) that are there already' "$OUT" || fail "the notes don't tell of existing tenants"
helm upgrade dto $CHART --set emulator.enabled=true --set "emulator.config.tenants.$CUSTOMER.plan=Plan1"
helm upgrade dto $CHART --set emulator.enabled=true,emulator.existingSecret=mine,emulator.existingCredentialSecret=mine
grep -q 'It serves 1 DefenderTenant(s) that are there already' "$OUT" || fail "the notes don't tell of existing tenants"

helm uninstall dto
equal "what is left of the release" "$(of_release dto)" ""
equal "what is left of ours" "$(ours)" "$customers"

# Under another name: what was kept is taken over only if asked for.
if "$HELM" --namespace home install other $CHART >"$OUT" 2>&1; then fail "another release took the CRDs over unasked"; fi
grep -q 'invalid ownership metadata' "$OUT" || fail "another release was refused for another reason"
helm install other $CHART --take-ownership
equal "lease" "$(kubectl -n home get role other-defender-tenant-operator-leader -o jsonpath='{.rules[0].resourceNames[0]}')" defender-tenant-operator-0
equal "what is left of ours" "$(ours)" "$customers"
helm uninstall other
equal "what is left of ours" "$(ours)" "$customers"

# Namespace mode, by somebody who may do nothing outside of the two namespaces.
kubectl create namespace away >/dev/null
refused 'soc/contoso' install dto $CHART --set 'emulator.enabled=true,watchNamespaces={soc,away}'
kubectl -n soc delete dt contoso >/dev/null
# What docs/install.md has an administrator grant.
# shellcheck disable=SC2016
sed -n '/^<!-- tested: platform -->$/,/^```$/{/^[<`]/d;s/in defender-tenant-operator soc;/in away soc;/;p}' docs/install.md >"$WORK/block"
grep -q 'in away soc;' "$WORK/block" || fail "docs/install.md has no block platform"
bash -euo pipefail "$WORK/block" >/dev/null
namespaced=(--namespace away --kube-as-user somebody --kube-as-group platform)
"$HELM" "${namespaced[@]}" install dto $CHART --set 'watchNamespaces={soc}' >"$OUT" 2>&1 || { cat "$OUT" >&2; fail "namespace mode needs more than rights in its namespaces"; }
paste_notes
grep '^helm template crds CHART' "$OUT" | sed "s|CHART|$CHART|; s|^helm|$HELM|" >"$WORK/block"
equal "CRDs by the notes" "$(bash -euo pipefail "$WORK/block" 2>/dev/null | grep -c '^customresourcedefinition.*defendertenant.io')" 2
equal "resources of the notes" "$(kubectl -n soc get dt -o name)" defendertenant.defendertenant.io/contoso
equal "role in the watched namespace" "$(kubectl -n soc get role $NAME -o jsonpath='{.metadata.name}')" $NAME
"$HELM" "${namespaced[@]}" uninstall dto >"$OUT" 2>&1 || fail "namespace mode can't be uninstalled"
equal "what is left of the release" "$(of_release dto)" ""

# Others' customers are nothing to a trial in its own namespace.
kubectl create namespace lab >/dev/null
helm install dto $CHART --set 'emulator.enabled=true,watchNamespaces={lab}'
paste_notes
equal "resources of the notes" "$(kubectl -n lab get dt -o name)" defendertenant.defendertenant.io/contoso
helm uninstall dto

kubectl delete dt,dapp -A --all >/dev/null
kubectl delete namespace away home lab soc >/dev/null
kubectl delete -f crds/ >/dev/null
echo "chart: $("$HELM" version --short): install, upgrade, roll-back, uninstall, another name, namespace mode"
