#!/usr/bin/env bash
# The main job, told in kubectl's own words. Run by `make demo` inside a devcluster, which ends and removes whatever this leaves.
set -Eeuo pipefail

BIN=${BIN:-target/debug}
CLIENT=0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88
CONTOSO=6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10
FABRIKAM=2f8d1c64-7c1e-4f0a-8a35-9c4be1d0a9f2
NOWHERE=dead0000-1111-4222-8333-444455556666
WORK=$(mktemp -d "${DEVCLUSTER_DIR:-${TMPDIR:-/tmp}}/demo.XXXXXX")
started=$SECONDS

cleanup() {
  local pids
  pids=$(jobs -p)
  # shellcheck disable=SC2086
  [ -z "$pids" ] || kill $pids 2>/dev/null || true
  wait || true
  rm -rf "$WORK"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bold='' plain=''
[ ! -t 1 ] || { bold=$'\e[1m' plain=$'\e[0m'; }
say() { printf '\n%s%s%s\n' "$bold" "── $*" "$plain"; }
# A command as one could type it.
show() {
  local word
  printf '\n$'
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]]; then printf ' %s' "$word"; else printf " '%s'" "$word"; fi
  done
  printf '\n'
}
run() { show "$@"; "$@"; }
fail() {
  trap - ERR
  printf '\nThe demo failed: %s\n' "$*" >&2
  kubectl -n soc get dt -o wide >&2 || true
  tail -n 20 "$WORK/operator.log" >&2 || true
  exit 1
}
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
# Waits until the command given succeeds: `within 60 "what" command…`
within() {
  local limit=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$limit" ] || fail "not within time: $what"
    sleep 0.3
  done
}
field() { kubectl -n soc get dt "$1" -o "jsonpath={$2}"; }
condition() { field "$1" ".status.conditions[?(@.type==\"$2\")].$3"; }
# What Microsoft, the partner or a customer does in their portals is a call to the emulator's control port here.
emulator() {
  show curl -X "$1" "http://$CONTROL$2" ${3:+-d "$3"}
  curl -sSf -X "$1" "http://$CONTROL$2" ${3:+-d "$3"}
}

say "Microsoft is played by an emulator: real TLS under Microsoft's host names, real RS256 tokens, Entra's own errors"
show entra-emulator --listen 127.0.0.1:0 --proxy 127.0.0.1:0 --control 127.0.0.1:0 --ca-file ca.crt
"$BIN/entra-emulator" --listen 127.0.0.1:0 --proxy 127.0.0.1:0 --control 127.0.0.1:0 --ca-file "$WORK/ca.crt" \
  >"$WORK/emulator.out" 2>"$WORK/emulator.log" &
within 20 "the emulator's first line" grep -q control "$WORK/emulator.out"
part() { sed -nE "1s/.*\"$1\":\"([^\"]*)\".*/\\1/p" "$WORK/emulator.out"; }
PROXY=$(part proxy)
CONTROL=$(part control)
emulator PUT "/v1/applications/$CLIENT" '{"secrets":["demo~secret~one"],"requiredRoles":["Alert.Read.All"]}'
emulator PUT "/v1/tenants/$CONTOSO" "{\"consents\":{\"$CLIENT\":[\"Alert.Read.All\"]}}"
emulator PUT "/v1/tenants/$FABRIKAM" '{}'
echo "Contoso has consented to the partner's application, Fabrikam hasn't yet, and a third tenant id is a typing mistake."

say "The platform team installs the resource definition and starts the operator"
run kubectl apply -f crds/
run kubectl wait --for=condition=Established crd/defendertenants.defendertenant.io --timeout=30s
run kubectl create namespace soc
show defender-tenant-operator run --listen 127.0.0.1:0 --log-format text --refresh-margin 5 --https-proxy "http://$PROXY" --ca-bundle ca.crt
"$BIN/defender-tenant-operator" run --listen 127.0.0.1:0 --log-format text --refresh-margin 5 \
  --https-proxy "http://$PROXY" --ca-bundle "$WORK/ca.crt" 2>"$WORK/operator.log" &
OPERATOR=$!

say "A security engineer applies the partner's credential and three customers"
cat >"$WORK/customers.yaml" <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: partner
  namespace: soc
  labels: {defendertenant.io/credential: "true"}
stringData:
  client-id: $CLIENT
  client-secret: demo~secret~one
$(for customer in "contoso $CONTOSO eu" "fabrikam $FABRIKAM us" "typo $NOWHERE global"; do
  read -r name id region <<<"$customer"
  cat <<ONE
---
apiVersion: defendertenant.io/v1alpha1
kind: DefenderTenant
metadata: {name: $name, namespace: soc}
spec:
  tenantId: $id
  region: $region
  secretRef: {name: partner}
  requiredRoles: [Alert.Read.All]
  refresh: {minRemainingSeconds: 5}
ONE
done)
YAML
run cat "$WORK/customers.yaml"
run kubectl apply -f "$WORK/customers.yaml"
run kubectl -n soc wait --for=condition=Ready dt/contoso --timeout=60s
within 60 "the other two are told" kubectl -n soc wait --for=condition=Stalled dt/fabrikam dt/typo --timeout=1s

say "One look tells who is fine, and who must act for the others"
run kubectl -n soc get dt -o wide
[ "$(condition fabrikam Ready reason) $(condition fabrikam ConsentGranted status)" = "ConsentRequired False" ] || fail "fabrikam should need consent"
[ "$(condition typo Ready reason)" = TenantNotFound ] || fail "typo shouldn't exist"
echo
echo "The link for Fabrikam's administrator stands in the status:"
run kubectl -n soc get dt fabrikam -o 'jsonpath={.status.consentUrl}{"\n"}'

say "Contoso's token stands in a Secret, and opens the Defender API at its regional host"
run kubectl -n soc get secret contoso-defender-token
secret() { kubectl -n soc get secret contoso-defender-token -o "jsonpath={.data.$1}" | base64 -d; }
claims() {
  local payload
  payload=$(secret token | cut -d. -f2 | tr '_-' '/+')
  while [ $((${#payload} % 4)) -ne 0 ]; do payload="$payload="; done
  printf '%s' "$payload" | base64 -d
}
echo
echo "Its claims (never the signature):"
claims | sed -E 's/,"/,\n "/g; s/^\{/{\n /; s/\}$/\n}/'
echo
URL=$(secret api-url)
show curl --proxy "http://$PROXY" --cacert ca.crt -H @header "$URL/api/alerts?\$top=1"
secret authorization | sed 's/^/Authorization: /' >"$WORK/header"
STATUS=$(curl -sS -o "$WORK/alerts.json" -w '%{http_code}' --proxy "http://$PROXY" --cacert "$WORK/ca.crt" -H "@$WORK/header" "$URL/api/alerts?\$top=1")
rm "$WORK/header"
head -c 600 "$WORK/alerts.json"
echo
echo "HTTP $STATUS"
[ "$STATUS" = 200 ] || fail "the API answered $STATUS"

say "Fabrikam's administrator consents; the operator would see it within a minute, and is asked to look now"
emulator PUT "/v1/tenants/$FABRIKAM" "{\"consents\":{\"$CLIENT\":[\"Alert.Read.All\"]}}"
run kubectl -n soc annotate dt fabrikam "defendertenant.io/refresh-requested-at=$(date -u +%FT%TZ)"
run kubectl -n soc wait --for=condition=Ready dt/fabrikam --timeout=90s
run kubectl -n soc get dt

say "Tokens are renewed before they expire: from now on Microsoft's live 26 seconds"
emulator PUT /v1/tokens '{"lifetimeSeconds":26}'
run kubectl -n soc annotate dt contoso "defendertenant.io/refresh-requested-at=$(date -u +%FT%TZ)"
issued() { field contoso .status.token.issuedAt; }
ready() { [ "$(condition contoso Ready status)" = True ]; }
for round in 1 2; do
  before=$(issued)
  changed() { local now; now=$(issued); [ -n "$now" ] && [ "$now" != "$before" ]; }
  within 60 "renewal $round" changed
  ready || fail "contoso isn't ready after renewal $round"
  left=$(($(date -d "$(field contoso .status.token.expiresAt)" +%s) - $(date +%s)))
  echo "renewed at $(issued), expires $(field contoso .status.token.expiresAt) ($left s left), next at $(field contoso .status.token.refreshAt)"
done

say "The partner rotates its secret: both are valid for a while, and nobody notices"
since=$(field contoso '.status.conditions[?(@.type=="Ready")].lastTransitionTime')
emulator PUT "/v1/applications/$CLIENT" '{"secrets":["demo~secret~one","demo~secret~two"],"requiredRoles":["Alert.Read.All"]}'
fingerprint() { kubectl -n soc get secret "$1" -o 'jsonpath={.metadata.annotations.defendertenant\.io/credential-fingerprint}'; }
old=$(fingerprint contoso-defender-token)
[ -n "$old" ] || fail "contoso has no token"
run kubectl -n soc patch secret partner --type merge -p '{"stringData":{"client-secret":"demo~secret~two"}}'
# Whether a customer's token was minted with another secret than the old one.
follows() {
  local now
  now=$(fingerprint "$1-defender-token")
  [ -n "$now" ] && [ "$now" != "$old" ]
}
proven() { follows contoso || follows fabrikam; }
within 60 "the new secret proves itself with one mint" proven
emulator PUT "/v1/applications/$CLIENT" '{"secrets":["demo~secret~two"],"requiredRoles":["Alert.Read.All"]}'
within 60 "contoso's next token is minted with the new secret" follows contoso
run kubectl -n soc get dt
for customer in contoso fabrikam; do
  [ "$(condition "$customer" Ready status) $(condition "$customer" Ready reason)" = "True TokenPublished" ] || fail "$customer isn't ready after the rotation"
done
[ "$(field contoso '.status.conditions[?(@.type=="Ready")].lastTransitionTime')" = "$since" ] || fail "contoso was not ready for a while"
emulator PUT /v1/tokens '{}'

say "A customer leaves: its Secret goes with it"
run kubectl -n soc delete dt contoso
within 60 "the Secret is collected" bash -c '! kubectl -n soc get secret contoso-defender-token'
run kubectl -n soc get dt,secrets

kill -0 "$OPERATOR" || fail "the operator ended"
say "Done in $((SECONDS - started)) s: every step held"
if [ -n "${KEEP:-}" ] && [ "$KEEP" != 0 ]; then
  printf 'It stays up until Ctrl-C. In another terminal:\n\n  export KUBECONFIG=%q PATH=%q:$PATH\n  kubectl -n soc get dt -o wide\n\n' \
    "$KUBECONFIG" "$(dirname "$(command -v kubectl)")"
  printf 'Emulator: proxy http://%s, CA %s, control http://%s. Operator log: %s\n' "$PROXY" "$WORK/ca.crt" "$CONTROL" "$WORK/operator.log"
  wait "$OPERATOR"
else
  echo "To keep it running and look around: make demo KEEP=1"
fi
