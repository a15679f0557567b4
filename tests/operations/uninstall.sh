# shellcheck shell=bash
# Sourced: docs/uninstall.md, by its own commands.

# block NAME: the commands that stand below `<!-- tested: NAME -->` in the page.
block() {
  sed 's/^ *//' docs/uninstall.md |
    awk -v mark="<!-- tested: $1 -->" '$0 == mark {wanted = 1; next} wanted && /^```sh$/ {open = 1; next} open && /^```$/ {exit} open'
}

follow() {
  block "$1" | sed "s/NAMESPACE/${2:-}/" >"$WORK/block"
  [ -s "$WORK/block" ] || { echo "docs/uninstall.md has no block $1" && return 1; }
  bash -euo pipefail "$WORK/block"
}

# The names that the block `credentials` lists.
credentials() { bash "$WORK/block" | awk 'NR > 1 {print $2}' | sort | xargs; }
left() { kubectl get "$@" -o name 2>/dev/null | sort; }
nothing_left() { same "" "$(left "$@")"; }

uninstall() {
  say "uninstall: what stays, and the whole removal"
  kubectl apply -f docs/examples/tenancy-one-namespace.yaml >/dev/null
  kubectl -n defender-tenant-operator create secret generic soc-reader-2025 --from-literal=client-secret=none >/dev/null
  kubectl -n defender-tenant-operator label secret soc-reader-2025 defendertenant.io/credential=true >/dev/null
  # shellcheck disable=SC2016
  sed -n '/^# kustomization.yaml$/,/^```$/{/^```$/d;p}' docs/install.md >"$WORK/kustomization.yaml"
  cp -r deploy "$WORK/"
  check "the manifests can be applied, as docs/install.md says" kubectl apply -k "$WORK"
  check "the image is the registry's" same registry.example.com/defender-tenant-operator \
    "$(kubectl -n defender-tenant-operator get deploy defender-tenant-operator -o 'jsonpath={.spec.template.spec.containers[0].image}' | cut -d: -f1)"
  check "the manifests go" follow manifests
  check "all of them but the definitions" within 60 nothing_left \
    deploy,sa,svc,pdb,role,rolebinding,clusterrole,clusterrolebinding -A -l app.kubernetes.io/instance=defender-tenant-operator
  check "the definitions stay" same 2 "$(left crd -l app.kubernetes.io/instance=defender-tenant-operator | wc -l)"
  check "resources stay" kubectl -n soc get dt contoso fabrikam
  check "credentials stay" kubectl -n defender-tenant-operator get secret soc-reader-2025
  kubectl apply -f deploy/rbac.yaml >/dev/null
  kubectl -n soc patch dt contoso --type merge -p '{"spec":{"applicationRef":null,"secretRef":{"name":"partner"}}}' >/dev/null
  check "a token is there" within 60 is_ready contoso

  stop_operator
  check "without the operator's roles" follow roles
  check "tokens stay" kubectl -n soc get secret contoso-defender-token
  check "resources stay" kubectl -n soc get dt contoso fabrikam
  check "tenants go" follow tenants
  check "and their Secrets with them" within 60 follow secrets
  check "all of them" nothing_left secrets -A -l defendertenant.io/bucket
  check "applications go" follow applications
  check "the definitions go" follow definitions
  check "credentials are found" follow credentials
  check "both, none was deleted" same "partner soc-reader-2025" "$(credentials)"
  check "those of a namespace go" follow credentials-of-a-namespace soc
  check "the namespace goes" follow namespace
  check "no definition is left" within 30 nothing_left crd
  check "no role is left" same "" "$(left clusterrole,clusterrolebinding,roles,rolebindings -A | grep -i defender-tenant-operator || true)"
  check "no Secret of ours is left" nothing_left secrets -A -l 'defendertenant.io/credential'
  check "no namespace is left" nothing_left namespace defender-tenant-operator
}
