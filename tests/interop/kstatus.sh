# shellcheck shell=bash disable=SC2034
# Sourced: what kstatus, and with it Flux, Argo-like appliers and `helm --wait`, makes of the operator's conditions.

judged() { kubectl -n soc get dt "$1" -o yaml | "$KSTATUS"; }

# says NAME STATUS
says() {
  local line
  line=$(judged "$1")
  case $line in
    "soc/$1 $2 "*) ;;
    *) echo "$line" && return 1 ;;
  esac
}

reason_of() { kubectl -n soc get dt "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}/{.status.conditions[?(@.type=="Ready")].reason}'; }
# becomes NAME STATUS READY/REASON
becomes() { within 60 says "$1" "$2" && within 60 is "$1" "$3" && says "$1" "$2"; }
is() { same "$2" "$(reason_of "$1")"; }

ask_again() { kubectl -n soc annotate --overwrite dt "$1" "defendertenant.io/refresh-requested-at=$2"; }

conditions_before_the_operator() {
  say "kstatus: before the operator has seen anything"
  kubectl apply -f crds/ >/dev/null
  kubectl wait --for=condition=Established crd/defendertenants.defendertenant.io --timeout=30s >/dev/null
  kubectl create namespace soc >/dev/null
  # The examples are written for the strictest Pod Security level.
  kubectl label namespace soc pod-security.kubernetes.io/enforce=restricted >/dev/null
  {
    apply_credential partner "$CLIENT" "$SECRET"
    apply_credential wrong "$OTHER_CLIENT" wrong~secret
    apply_tenant contoso "$CONTOSO" partner
    apply_tenant northwind "$NORTHWIND" partner
    apply_tenant fabrikam "$FABRIKAM" partner
    apply_tenant typo "$NOWHERE" partner
    apply_tenant orphan "$CONTOSO" missing
    apply_tenant rejected "$CONTOSO" wrong
  } >/dev/null
  ORPHAN_SINCE=$SECONDS
  for tenant in contoso orphan; do check "a new resource is InProgress ($tenant)" says "$tenant" InProgress; done
}

# A token is live, and the next one doesn't come.
keeps_a_live_token_in_progress() {
  emulator POST /v1/faults "{\"match\":{\"tenant\":\"$NORTHWIND\",\"endpoint\":\"token\"},\"fault\":{\"status\":503}}" &&
    ask_again northwind one && becomes northwind InProgress True/ServiceUnavailable
}

recovers() { emulator DELETE /v1/faults && becomes northwind Current True/TokenPublished; }

# A token is live, and the customer has withdrawn its consent.
keeps_a_live_token_stalled() {
  emulator PUT "/v1/tenants/$NORTHWIND" '{}' && ask_again northwind two && becomes northwind Failed True/ConsentRequired
}

conditions_of_the_operator() {
  say "kstatus: what the operator says"
  check "a consented customer is Current" becomes contoso Current True/TokenPublished
  check "a customer that hasn't consented is Failed" becomes fabrikam Failed False/ConsentRequired
  check "a tenant that doesn't exist is Failed" becomes typo Failed False/TenantNotFound
  check "a wrong secret is Failed" becomes rejected Failed False/CredentialRejected
  check "a missing credential is InProgress at first" becomes orphan InProgress False/CredentialSecretNotFound
  check "a live token whose renewal fails is InProgress, and Ready" keeps_a_live_token_in_progress
  check "it is Current again when Microsoft answers" recovers
  check "a live token whose customer withdrew its consent is Failed, and Ready" keeps_a_live_token_stalled
}

# reasons.json holds the conditions that each reason leads to, and what kstatus should say.
conditions_of_every_reason() {
  say "kstatus: the conditions of every reason"
  "$KSTATUS" <tests/kstatus/reasons.json >"$WORK/judged" 2>"$WORK/kstatus.log" || fail "kstatus can't read reasons.json"
  counted "$(grep -o '"expected":' tests/kstatus/reasons.json | wc -l)" "$PYTHON" "$HERE/reasons.py" tests/kstatus/reasons.json "$WORK/judged"
}

conditions_after_two_minutes() {
  say "kstatus: two minutes later"
  local left=$((ORPHAN_SINCE + 120 - SECONDS))
  [ "$left" -le 0 ] || echo "(up to $left s)"
  check "a missing credential is Failed after two minutes" within $((left > 0 ? left + 30 : 30)) says orphan Failed
}
