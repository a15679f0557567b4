# shellcheck shell=bash
# Sourced: the examples of docs/tenancy.md do what they say.

# may yes|no GROUP VERB RESOURCE [NAMESPACE]
may() {
  local subresource=${4#*/}
  [ "$subresource" != "$4" ] || subresource=
  same "$1" "$(kubectl auth can-i "$3" "${4%%/*}" --subresource="$subresource" ${5:+-n "$5"} --as=somebody --as-group="$2" 2>/dev/null || true)"
}

tenants() {
  local number
  for number in $(seq "$2" "$3"); do
    cat <<YAML
---
apiVersion: defendertenant.io/v1alpha1
kind: DefenderTenant
metadata: {name: customer-$number, namespace: $1}
spec:
  tenantId: $(printf '6b1f0f3e-5c0a-4d9b-9a43-%012d' "$number")
  applicationRef: {name: soc-reader}
YAML
  done
}

# Kubernetes counts a new kind from half a minute after its definition on. A quota that is made earlier is used only minutes
# later, so this makes one until it is.
kind_is_counted() {
  kubectl -n default create quota probe --hard=count/defendertenants.defendertenant.io=1 >/dev/null
  local counted=0
  within 3 counted_by default probe || counted=1
  kubectl -n default delete resourcequota probe >/dev/null
  return $counted
}
counted_by() {
  kubectl -n "$1" get resourcequota "$2" -o 'jsonpath={.status.used.count/defendertenants\.defendertenant\.io}' | grep -q .
}

apply_tenancy_examples() { kubectl apply -f docs/examples/tenancy-self-service.yaml -f docs/examples/tenancy-roles.yaml; }

# refused NAMESPACE NUMBER: the customer of that number is one too many. (The controller's own count may be behind for a
# moment, and then one more is admitted.)
refused() {
  if tenants "$1" "$2" "$2" | kubectl create -f - >"$WORK/refused" 2>&1; then
    kubectl -n "$1" delete dt "customer-$2"
    return 1
  fi
  grep -q 'exceeded quota: defender' "$WORK/refused" || { cat "$WORK/refused" && return 1; }
}

tenancy() {
  say "tenancy: quota and roles of the examples"
  check "Kubernetes counts the new kind" within 90 kind_is_counted
  check "the examples can be applied" within 30 apply_tenancy_examples
  check "the quota of team-blue counts" within 30 counted_by team-blue defender
  check "the quota of team-green counts" within 30 counted_by team-green defender
  # The example has brought a customer already.
  check "team-blue may have 20 customers" kubectl create -f <(tenants team-blue 2 20)
  check "and not 21" within 30 refused team-blue 21
  check "team-green may have 2 customers" kubectl create -f <(tenants team-green 1 2)
  check "and not 3" within 30 refused team-green 3
  kubectl -n team-green delete dt customer-1 >/dev/null
  check "one that leaves makes room" within 30 kubectl create -f <(tenants team-green 3 3)

  local verb
  for verb in get list create delete; do
    check "self-service: $verb customers" may yes team-blue "$verb" defendertenants team-blue
    check "engineers: $verb customers" may yes green-engineers "$verb" defendertenants team-green
    check "engineers: no $verb of Secrets" may no green-engineers "$verb" secrets team-green
    check "self-service: no $verb of Secrets" may no team-blue "$verb" secrets team-blue
    check "self-service: no $verb of applications" may no team-blue "$verb" defenderapplications
    check "self-service: no $verb elsewhere" may no team-blue "$verb" defendertenants team-green
  done
  check "analysts see customers, by view" within 30 may yes green-analysts list defendertenants team-green
  check "analysts read no Secret" may no green-analysts get secrets team-green
  check "analysts change nothing" may no green-analysts create defendertenants team-green
  kubectl -n team-green create rolebinding editors --clusterrole=edit --group=green-editors >/dev/null
  check "edit sees customers, because it has view" within 30 may yes green-editors get defendertenants team-green
  check "edit obtains no tokens" may no green-editors create defendertenants team-green
  check "no status for anybody" may no green-engineers update defendertenants/status team-green
  kubectl delete namespace team-blue team-green >/dev/null
  kubectl delete clusterrole defender-tenant-operator-view defender-tenant-operator-edit >/dev/null
  kubectl delete defenderapplication --all >/dev/null
}
