# shellcheck shell=bash
# Sourced by checks.sh: the other Helm, the other modes.

# Installed together with its emulator, as docs/install.md has it; CRDs and resources are made anew.
trial() {
  keep_secrets
  helm uninstall other --wait --timeout 2m
  helm uninstall microsoft --wait --timeout 2m
  kubectl delete crd defendertenants.defendertenant.io defenderapplications.defendertenant.io >"$OUT"
  helm install trial "$CHART" --set emulator.enabled=true --wait --timeout 2m
  settled
  metrics "$LEADER" | grep -x 'defender_tenant_trial 1' >"$OUT" || fail "no metric says that it is a trial"
  ok "installed; two pods are ready, $LEADER leads"
  helm upgrade trial "$CHART" --reuse-values --set image.tag=next --set config.logLevel=trace --wait --timeout 2m
  settled
  same defender-tenant-operator:next "$(images)" "image after the upgrade"
  ok "upgraded"
  helm rollback trial 1 --wait --timeout 2m
  settled
  same "defender-tenant-operator:$VERSION" "$(images)" "image after the rollback"
  ok "rolled back"
  tested trial 'all of it works'
  ok "helm test: the smoke test"
  keep_secrets
}

# From the trial to production, where Microsoft isn't reached: what `helm test` says then.
without_microsoft() {
  helm upgrade trial "$CHART" --set emulator.enabled=false --wait --timeout 2m
  settled
  if "$HELM" -n "$NS" test trial --timeout 3m >"$OUT" 2>&1; then fail "helm test passed without Microsoft"; fi
  cat "$OUT" >>"$SAID"
  local problem
  problem=$(grep -m 1 -oE 'PROBLEM +login\.microsoftonline\.com .*(DNS has no|no connection|no answer).*' "$OUT" | tr -s ' ') ||
    fail "helm test doesn't say what is wrong with Microsoft's host"
  # The pod of a failed test is left to be looked at, as docs/uninstall.md says.
  kubectl -n "$NS" delete pod trial-defender-tenant-operator-doctor >"$OUT"
  ok "helm test fails without Microsoft: $problem"
  helm uninstall trial --wait --timeout 2m
  kubectl get crd defendertenants.defendertenant.io defenderapplications.defendertenant.io >"$OUT"
  helm install another "$CHART" --take-ownership --wait --timeout 2m
  settled
  helm uninstall another --wait --timeout 2m
  ok "uninstalled; another release took over, and went"
}

namespaced() {
  helm install chosen "$CHART" --set emulator.enabled=true --set 'watchNamespaces={soc}' --wait --timeout 2m
  settled
  same "" "$(kubectl get clusterrole,clusterrolebinding -o name -l app.kubernetes.io/instance=chosen)" "objects of the cluster"
  tested chosen 'all of it works'
  keep_secrets
  ok "installed; helm test: the smoke test"
  helm uninstall chosen --wait --timeout 2m
  ok "uninstalled"
}
