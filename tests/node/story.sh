# shellcheck shell=bash disable=SC2153,SC2317
# Sourced by checks.sh: a consumer that calls all the time, and what happens to the operator meanwhile.

install() {
  helm install microsoft "$CHART" --values tests/node/microsoft.yaml --wait --timeout 2m
  reach_control
  # What NetworkPolicies see are the ports behind the Services.
  local api dns
  api=$(kubectl get endpointslice kubernetes -o jsonpath='{.ports[0].port}')
  dns=$(kubectl -n kube-system get endpointslices -l kubernetes.io/service-name=kube-dns -o jsonpath='{.items[0].ports[0].port}')
  SETTINGS=(--values tests/node/operator.yaml --set "networkPolicy.apiServerPorts={443,$api}" --set "networkPolicy.dnsPorts={53,$dns}")
  helm install dto "$CHART" "${SETTINGS[@]}" --wait --timeout 2m
  settled
  ok "installed; two pods are ready, $LEADER leads"
}

customer() {
  kubectl apply -f tests/node/tenant.yaml >"$OUT"
  kubectl -n soc wait dt/contoso --for=condition=Ready --timeout=60s >"$OUT"
  follow_tokens &
  ok "a customer has a token"
}

consume() {
  kubectl -n "$NS" get secret microsoft-defender-tenant-operator-emulator -o jsonpath='{.data.tls\.crt}' | base64 -d >"$WORK/ca.crt"
  kubectl -n soc create configmap microsoft-ca --from-file="$WORK/ca.crt" >"$OUT"
  kubectl -n soc create configmap defender-curl --from-file=docs/examples/curl.sh >"$OUT"
  "$PYTHON" tests/node/consumer.py "http://microsoft-defender-tenant-operator-emulator.$NS.svc:8080" >"$WORK/consumer.json"
  kubectl apply -f "$WORK/consumer.json" >"$OUT" 2>&1
  cat "$OUT" >>"$SAID"
  within 60 "the consumer's first call" called
  BEFORE=$(published)
  ok "the consumer calls the API with the token in its mount"
}

# This node's network doesn't enforce them: CNI `ptp` connects, and nothing more.
policies() {
  kubectl get networkpolicies,pods,endpointslices -A -o json >"$WORK/objects"
  "$PYTHON" tests/node/policies.py <"$WORK/objects" >"$OUT" 2>&1 || fail "the NetworkPolicies let through something else"
  ok "NetworkPolicies: $(cat "$OUT") connections evaluated, all as meant; not enforced here"
}

kill_leader() {
  settled
  KILLED=$LEADER
  local container since
  container=$(kubectl -n "$NS" get pod "$KILLED" -o jsonpath='{.status.containerStatuses[0].containerID}')
  since=$(tenths)
  # A deleted pod gets SIGTERM and gives the Lease back, whatever its grace. So first the kill, then the deletion.
  ctr tasks kill --signal SIGKILL "${container#containerd://}"
  kubectl -n "$NS" delete pod "$KILLED" --grace-period=0 --force >"$OUT" 2>&1
  succeeded() {
    local pod
    for pod in $(operators); do if leads "$pod"; then return 0; fi; done
    return 1
  }
  within 40 "another pod leads" succeeded
  TAKE_OVER=$(seconds_since "$since")
  # One that had time to give the Lease back wasn't killed.
  [ "${TAKE_OVER%.*}" -ge 10 ] || fail "another pod led after $TAKE_OVER s: the Lease was given back"
  settled
  unharmed "the leader was killed"
  ok "the leader was killed; another led after $TAKE_OVER s"
}

eviction() {
  kubectl create --raw "/api/v1/namespaces/$NS/pods/$1/eviction" -f - <<END 2>&1
{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "$1", "namespace": "$NS"}}
END
}
# As a drain does. The budget lets one be away.
evict() {
  budget() { [ "$(kubectl -n "$NS" get pdb dto-defender-tenant-operator -o jsonpath='{.status.disruptionsAllowed}')" = 1 ]; }
  within 30 "the budget knows both pods" budget
  settled
  local first=$LEADER second=$STANDBY
  eviction "$first" >"$OUT"
  if eviction "$second" >"$OUT"; then fail "the second pod was evicted while the first was away"; fi
  grep -q 'disruption budget' "$OUT" || fail "the second eviction was refused for another reason"
  gone() { ! kubectl -n "$NS" get pod "$first" >/dev/null 2>&1; }
  within 60 "the evicted pod is gone" gone
  settled
  unharmed "a pod was evicted"
  ok "the leader is evicted, the other one not as long as it is away"
}

upgrade_and_back() {
  helm upgrade dto "$CHART" --reset-then-reuse-values --set image.tag=next --set config.concurrency=16 --wait --timeout 2m
  settled
  same defender-tenant-operator:next "$(images)" "image after the upgrade"
  unharmed "a rolling upgrade"
  ok "upgraded to another image; $LEADER leads"
  helm rollback dto 1 --wait --timeout 2m
  settled
  same "defender-tenant-operator:$VERSION" "$(images)" "image after the rollback"
  unharmed "a rollback"
  ok "rolled back; $LEADER leads"
}

three_refreshes() {
  local before
  before=$(published)
  refreshed() { [ "$(published)" -ge $((before + 1)) ] && [ $(($(published) - BEFORE)) -ge 3 ]; }
  within 180 "three refreshes" refreshed
  same "ok=$(published)" "$(answered token)" "contoso's token requests, for as many tokens in the Secret"
  unharmed "a refresh"
  ok "$(($(published) - BEFORE)) refreshes, and a token request for each"
}

# Nothing of a test is left, and the log of its pod was printed.
tested() {
  local release=$1 line=$2 logs=(--logs)
  # Helm 3 would look for the pod after it has deleted it; the chart has it print the log before.
  [ "$HELM" = "$HELM_4" ] || logs=()
  helm test "$release" "${logs[@]}" --timeout 3m
  grep -q "$line" "$OUT" || fail "helm test $release doesn't show its pod's log"
  same "" "$(kubectl get pods,sa,roles,rolebindings,clusterroles,clusterrolebindings -A -o name -l app.kubernetes.io/component=test)" "what helm test left"
}
tests() {
  tested dto '^All is well\|^No problem'
  ok "helm test: the operator's doctor finds no problem"
  tested microsoft 'all of it works'
  same "defenderapplication.defendertenant.io/trial defendertenant.defendertenant.io/contoso" "$(kept)" "resources after the test"
  ok "helm test: the smoke test, from a tenant to the API's answer"
}

# What outlives a release.
kept() { kubectl get dapp,dt -A -o name | sort | paste -sd' '; }
of_release() {
  kubectl get deploy,pods,svc,sa,role,rolebinding,pdb,networkpolicy,secret,clusterrole,clusterrolebinding -A -o name \
    -l "app.kubernetes.io/instance=$1" | paste -sd' '
}
# While the token is fresh, so that none is due meanwhile.
other_name() {
  local resources before due next
  resources=$(kept)
  due=$(annotation refresh-at)
  helm uninstall dto --wait --timeout 2m
  none() { [ -z "$(of_release dto)" ]; }
  within 30 "nothing of the release is left" none
  same "$resources" "$(kept)" "resources after uninstall"
  kubectl get crd defendertenants.defendertenant.io defenderapplications.defendertenant.io >"$OUT"
  kubectl -n soc get secret contoso-defender-token >"$OUT"
  ok "uninstalled: CRDs, tenant, application and token stay"
  if "$HELM" -n "$NS" install other "$CHART" "${SETTINGS[@]}" >"$OUT" 2>&1; then fail "the CRDs were taken over unasked"; fi
  grep -q 'invalid ownership metadata' "$OUT" || fail "another release was refused for another reason"
  helm install other "$CHART" "${SETTINGS[@]}" --take-ownership --wait --timeout 2m
  settled
  [[ $(date -u +%Y-%m-%dT%H:%M:%SZ) < $due ]] || fail "the other release came after the token was due: nothing is shown"
  ok "another release took over; $LEADER leads"
  before=$(published)
  renewed() { [ "$(published)" -gt "$before" ]; }
  within 90 "the next token" renewed
  next=$(annotation issued-at)
  [[ ! $next < $due ]] || fail "the new release minted at $next what was due at $due"
  same "ok=$(published)" "$(answered token)" "contoso's token requests, for as many tokens in the Secret"
  unharmed "another release"
  ok "it minted nothing before it was due"
}

end_of_consumer() {
  local log last
  log=$(echo "$LOGS"/consumer.*)
  kubectl -n soc exec consumer -- sh -c ': >/tmp/stop'
  kubectl -n soc wait pod/consumer --for=jsonpath='{.status.phase}'=Succeeded --timeout=30s >"$OUT"
  within 20 "the consumer's last line" grep -q '^calls ' "$log"
  last=$(tail -n 1 "$log")
  read -r _ CALLS _ FAILED <<<"$last"
  REFRESHES=$(($(published) - BEFORE))
  ANSWERED=$(answered api)
  same 0 "$FAILED" "failed calls"
  [ "$CALLS" -gt 60 ] || fail "only $CALLS calls: nothing is shown"
  # Counted at both ends. curl asks again by itself after a 5xx, which the consumer wouldn't see.
  same "ok=$CALLS" "$ANSWERED" "what the emulator answered"
  [ "$REFRESHES" -ge 3 ] || fail "only $REFRESHES refreshes"
  ok "the consumer made $CALLS calls, and none failed"
}
