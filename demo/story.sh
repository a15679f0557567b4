#!/usr/bin/env bash
# What a partner does from the first day on, told in kubectl's own words. Run by `make demo` inside a devcluster, which
# ends and removes whatever this leaves. What is shown as a command is what runs; what is said is checked.
set -Eeuo pipefail

CLIENT=0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88
CONTOSO=6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10
FABRIKAM=2f8d1c64-7c1e-4f0a-8a35-9c4be1d0a9f2
NORTHWIND=a3c9d7e1-0b2f-4c6d-8e5a-7f1b2c3d4e5f
TAILSPIN=5e7b2c90-3d4f-4a1b-9c6e-8f0d1a2b3c4d
NOWHERE=dead0000-1111-4222-8333-444455556666
HOME_NS=defender-tenant-operator
DONE=https://soc.example/done
started=$SECONDS
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

# A certificate of the partner's: NAME.crt and NAME.key.
certificate() {
  show openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=soc-reader -keyout "$1.key" -out "$1.crt"
  openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=soc-reader -keyout "$1.key" -out "$1.crt" 2>openssl.out ||
    fail "openssl: $(tail -n 3 openssl.out)"
}
# The registration at Microsoft, with the certificates that are named.
register() {
  local name list=''
  for name in "$@"; do list+="${list:+,}\"$(sed 's/$/\\n/' "$name.crt" | tr -d '\n')\""; done
  echo "{\"certificates\":[$list],\"requiredRoles\":[\"Alert.Read.All\",\"Machine.Read.All\"],\"redirectUris\":[\"$DONE\"]}" >registration.json
  emulator PUT "/v1/applications/$CLIENT" @registration.json
}
# The same in the cluster: a Secret beside the operator, with the label that says that it is meant as a credential.
store() {
  run kubectl -n "$HOME_NS" create secret generic "soc-reader-$1" --from-file=tls.crt="$1.crt" --from-file=tls.key="$1.key"
  run kubectl -n "$HOME_NS" label secret "soc-reader-$1" defendertenant.io/credential=true
}
start_operator() {
  local log=operator-$1.log
  set -- defender-tenant-operator run --kubeconfig operator.kubeconfig --operator-namespace "$HOME_NS" --listen 127.0.0.1:0 \
    --log-format text --https-proxy "http://$PROXY" --ca-bundle ca.crt
  show "$@"
  "$@" 2>"$log" &
  OPERATOR=$!
  within 30 "the operator listens" grep -q 'listen=' "$log"
  LISTEN=$(sed -nE 's/.*listen="?([0-9.:]+).*/\1/p' "$log" | head -n 1)
}

say "Microsoft is played by an emulator: real TLS under Microsoft's host names, real RS256 tokens, Entra's own errors"
show entra-emulator --listen 127.0.0.1:0 --proxy 127.0.0.1:0 --control 127.0.0.1:0 --ca-file ca.crt
entra-emulator --listen 127.0.0.1:0 --proxy 127.0.0.1:0 --control 127.0.0.1:0 --ca-file ca.crt >emulator.out 2>emulator.log &
within 20 "the emulator's first line" grep -q control emulator.out
part() { sed -nE "1s/.*\"$1\":\"([^\"]*)\".*/\\1/p" emulator.out; }
PROXY=$(part proxy)
CONTROL=$(part control)

say "The partner registers its application at Microsoft, with a certificate; all customers but Fabrikam have consented"
certificate cert-1
register cert-1
CONSENT="{\"consents\":{\"$CLIENT\":[\"Alert.Read.All\",\"Machine.Read.All\"]}}"
for id in "$CONTOSO" "$NORTHWIND" "$TAILSPIN"; do emulator PUT "/v1/tenants/$id" "$CONSENT"; done
emulator PUT "/v1/tenants/$FABRIKAM" '{}'

say "The platform team installs the operator, with the rights of its own service account"
run kubectl apply -f crds/
run kubectl wait --for=condition=Established crd/defendertenants.defendertenant.io crd/defenderapplications.defendertenant.io --timeout=30s
run kubectl create namespace "$HOME_NS"
run kubectl apply -f deploy/rbac.yaml
account_kubeconfig
echo "operator.kubeconfig is this account's; docs/getting-started.md says how it is made."
start_operator 1

say "It declares the application once: one credential, and which team may use it for which customers"
store cert-1
cat >application.yaml <<YAML
apiVersion: defendertenant.io/v1alpha1
kind: DefenderApplication
metadata: {name: soc-reader}
spec:
  clientId: $CLIENT
  credentials:
  - name: cert-1
    certificate: {secretRef: {name: soc-reader-cert-1}}
  requiredRoles: [Alert.Read.All, Machine.Read.All]
  consent: {redirectUri: $DONE}
  grants:
  - namespaces: {names: [soc]}
    tenantIds:
    - $CONTOSO   # Contoso
    - $FABRIKAM   # Fabrikam
    - $NOWHERE   # a typing mistake
  - namespaces: {names: [response]}
    tenantIds:
    - $NORTHWIND   # Northwind
    - $TAILSPIN   # Tailspin
YAML
run cat application.yaml
run kubectl apply -f application.yaml
run kubectl wait --for=condition=Ready dapp/soc-reader --timeout=60s
run kubectl get dapp

say "Each team declares its customers, without any credential; the team 'response' also reaches for one that isn't its own"
run kubectl create namespace soc
run kubectl create namespace response
for customer in "soc contoso $CONTOSO eu" "soc fabrikam $FABRIKAM us" "soc typo $NOWHERE global" \
  "response northwind $NORTHWIND uk" "response tailspin $TAILSPIN au" "response contoso $CONTOSO eu"; do
  read -r namespace name id region <<<"$customer"
  cat <<YAML
apiVersion: defendertenant.io/v1alpha1
kind: DefenderTenant
metadata: {name: $name, namespace: $namespace}
spec:
  tenantId: $id
  region: $region
  applicationRef: {name: soc-reader}
---
YAML
done >customers.yaml
run head -n 7 customers.yaml
echo "… and five more like it."
run kubectl apply -f customers.yaml
run kubectl -n soc wait --for=condition=Ready dt/contoso --timeout=60s
within 60 "response's customers are ready" kubectl -n response wait --for=condition=Ready dt/northwind dt/tailspin --timeout=1s
within 60 "the others are told" kubectl -n soc wait --for=condition=Stalled dt/fabrikam dt/typo --timeout=1s
within 60 "response is told" kubectl -n response wait --for=condition=Stalled dt/contoso --timeout=1s

say "One look tells who is fine, and who must act for the others"
run kubectl get dt -A
[ "$(condition soc fabrikam Ready reason) $(condition soc fabrikam ConsentGranted status)" = "ConsentRequired False" ] || fail "fabrikam should need consent"
[ "$(condition soc typo Ready reason)" = TenantNotFound ] || fail "typo shouldn't exist"
[ "$(condition response contoso Ready reason)" = NotGranted ] || fail "response should be denied"
echo
echo "Why Contoso is denied to 'response', and no Secret stands there:"
run kubectl -n response get dt contoso -o 'jsonpath={.status.conditions[?(@.type=="Ready")].message}{"\n"}'
run kubectl get secrets -A -l defendertenant.io/bucket
[ -z "$(kubectl -n response get secret contoso-defender-token --ignore-not-found -o name)" ] || fail "response has a token for contoso"

say "Contoso's token stands in a Secret, and opens the Defender API at its regional host"
echo "Some of its claims (appidacr 2: given for a certificate):"
claims soc contoso | sed -E 's/,("[a-z_]+":)/\n\1/g; s/^\{//; s/\}$//' | sed -nE 's/^"(appid|appidacr|aud|exp|roles|tid)":/  \1: /p'
[[ $(claims soc contoso) == *'"appidacr":"2"'*"$CONTOSO"* ]] || fail "the token isn't one by certificate"
echo
echo "In the file header goes the Secret's key 'authorization':"
opens soc contoso
head -c 300 alerts.json && echo …

say "Fabrikam's administrator follows the link that stands in the status"
run kubectl -n soc get dt fabrikam -o 'jsonpath={.status.consentUrl}{"\n"}'
LINK=$(field soc fabrikam .status.consentUrl)
run curl -sSf --proxy "http://$PROXY" --cacert ca.crt -o consent.html "$LINK"
sed -E '/<(title|style)>/d; s/<\/dt>/: /g; s/<li>/- /g; s/<button[^>]*>([^<]*)<\/button>/[ \1 ]/g; s/<[^>]*>//g; /^ *$/d; s/^/  | /' consent.html
for text in '<h1>Permissions requested</h1>' '<li>Alert.Read.All</li>' '<li>Machine.Read.All</li>' "$FABRIKAM" "$DONE"; do
  grep -qF "$text" consent.html || fail "the page should show $text"
done
echo
echo "The button Accept, as the browser sends it, and where it is sent on to:"
show curl -sS --proxy "http://$PROXY" --cacert ca.crt -d decision=accept -o accepted.html -w '%{http_code} %{redirect_url}\n' "$LINK"
ANSWER=$(curl -sS --proxy "http://$PROXY" --cacert ca.crt -d decision=accept -o accepted.html -w '%{http_code} %{redirect_url}\n' "$LINK")
echo "$ANSWER"
[[ $ANSWER == "302 $DONE?"*admin_consent=True* && $ANSWER == *"tenant=$FABRIKAM"* ]] || fail "that is no consent"
echo
echo "That proves nothing to the operator: it would ask for a token within a minute, and is asked to do it now."
run kubectl -n soc annotate dt fabrikam "defendertenant.io/refresh-requested-at=$(date -u +%FT%TZ)"
run kubectl -n soc wait --for=condition=Ready dt/fabrikam --timeout=90s

say "The certificate is replaced long before its end: the next one is put first"
keep_watch
SINCE=$(journal_end)
certificate cert-2
register cert-1 cert-2
store cert-2
run kubectl patch dapp soc-reader --type json -p '[{"op":"add","path":"/spec/credentials/0","value":{"name":"cert-2","certificate":{"secretRef":{"name":"soc-reader-cert-2"}}}}]'
run kubectl wait '--for=jsonpath={.status.credentialInUse}=cert-2' dapp/soc-reader --timeout=60s
fingerprint() { kubectl get dapp soc-reader -o "jsonpath={.status.credentials[?(@.name==\"$1\")].fingerprint}"; }
OLD=$(fingerprint cert-1)
NEW=$(fingerprint cert-2)
[[ -n $OLD && -n $NEW && $OLD != "$NEW" ]] || fail "the fingerprints are '$OLD' and '$NEW'"
# Token Secrets by the credential that they were minted with.
minted_with() { kubectl get secrets -A -l defendertenant.io/bucket -o 'jsonpath={range .items[*]}{.metadata.annotations.defendertenant\.io/credential-fingerprint}{"\n"}{end}' | grep -cxF "$1" || true; }
proven() { [ "$(minted_with "$NEW")" -ge 1 ]; }
within 60 "the new certificate proves itself" proven
run kubectl get dapp
echo
echo "One customer's new token proves it; the others keep the token that they have:"
run kubectl get dapp soc-reader -o 'jsonpath={range .status.credentials[*]}{.name} is {.fingerprint}{"\n"}{end}'
run kubectl get secrets -A -l defendertenant.io/bucket -o 'custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name,MINTED-WITH:.metadata.annotations.defendertenant\.io/credential-fingerprint'
[ "$(minted_with "$NEW") $(minted_with "$OLD")" = "1 3" ] || fail "$(minted_with "$NEW") tokens are minted with cert-2, $(minted_with "$OLD") with cert-1"

say "The operator is restarted: all that it needs stands in the cluster, no token is asked for anew"
run kill "$OPERATOR"
wait "$OPERATOR" || fail "the operator ended with $?"
start_operator 2
# All six resources have been looked at.
looked() { [ "$(curl -sSf "http://$LISTEN/metrics" | sed -nE 's/^defender_tenant_reconciles_total\{outcome="ok"\} ([0-9]+).*/\1/p')" -ge 6 ]; }
within 60 "the operator has looked at everything" looked
run kubectl get dt -A
echo
echo "Microsoft's record since before the new certificate, restart included: one token was asked for, the proof."
show curl -sSf "http://$CONTROL/v1/journal?after=$SINCE"
requests_since "$SINCE" >requests
cat requests
[[ $(wc -l <requests) = 1 && $(<requests) == *" ok" ]] || fail "there should be one request"

say "Tokens are renewed before they expire, with the certificate in use: from now on Microsoft's live 24 seconds"
emulator PUT /v1/tokens '{"lifetimeSeconds":24}'
issued() { annotation soc contoso issued-at; }
before=$(issued)
changed() { local now; now=$(issued); [ -n "$now" ] && [ "$now" != "$before" ]; }
run kubectl -n soc annotate dt contoso "defendertenant.io/refresh-requested-at=$(date -u +%FT%TZ)"
for what in "asked for" renewed renewed; do
  within 60 "contoso's token is $what" changed
  before=$(issued)
  left=$(($(date -d "$(annotation soc contoso expires-at)" +%s) - EPOCHSECONDS))
  echo "$what at $before, $left s left, to be renewed at $(annotation soc contoso refresh-at)"
  [ "$(annotation soc contoso credential-fingerprint)" = "$NEW" ] || fail "contoso's token isn't minted with cert-2"
  [ "$(condition soc contoso Ready status)" = True ] || fail "contoso isn't ready"
done
emulator PUT /v1/tokens '{}'

say "The old certificate goes, at Microsoft too; what it minted stays good until it expires"
run kubectl patch dapp soc-reader --type json -p '[{"op":"remove","path":"/spec/credentials/1"}]'
register cert-2
run kubectl -n "$HOME_NS" delete secret soc-reader-cert-1
run kubectl wait "--for=jsonpath={.status.observedGeneration}=$(kubectl get dapp soc-reader -o 'jsonpath={.metadata.generation}')" dapp/soc-reader --timeout=60s
[ "$(kubectl get dapp soc-reader -o 'jsonpath={.status.credentials[*].name}')" = cert-2 ] || fail "cert-1 is still known"
# One of these two wasn't the one that proved the new certificate.
older=northwind
[ "$(annotation response northwind credential-fingerprint)" = "$OLD" ] || older=tailspin
opens response "$older"
[ "$(annotation response "$older" credential-fingerprint)" = "$OLD" ] || fail "$older's token isn't minted with cert-1"
end_watch 4
echo
echo "Since before the new certificate $(wc -l <versions) versions of four Secrets were seen, and no moment without a live token."
run kubectl get dapp

say "A customer leaves: its Secret goes with it"
run kubectl -n soc delete dt contoso
within 60 "the Secret is collected" bash -c '! kubectl -n soc get secret contoso-defender-token'
run kubectl get dt,secrets -n soc

kill -0 "$OPERATOR" || fail "the operator ended"
say "Done in $((SECONDS - started)) s: every step held"
if [ -n "${KEEP:-}" ] && [ "$KEEP" != 0 ]; then
  # shellcheck disable=SC2016,SC2153
  printf 'It stays up until Ctrl-C. In another terminal:\n\n  export KUBECONFIG=%q PATH=%q:$PATH\n  kubectl get dapp,dt -A -o wide\n\n' \
    "$KUBECONFIG" "$(dirname "$(command -v kubectl)")"
  printf 'Emulator: proxy http://%s, CA %s, control http://%s. Operator log: %s\n' "$PROXY" "$WORK/ca.crt" "$CONTROL" "$WORK/operator-2.log"
  wait "$OPERATOR"
else
  echo "To keep it running and look around: make demo KEEP=1"
fi
