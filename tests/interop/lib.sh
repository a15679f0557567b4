# shellcheck shell=bash disable=SC2034
# Sourced: the emulator, the operator, and checks that are counted.

CLIENT=0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88
OTHER_CLIENT=5d0e2b61-8f0a-4f7e-9a11-3c7b2d9e6f02
CONTOSO=6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10
FABRIKAM=2f8d1c64-7c1e-4f0a-8a35-9c4be1d0a9f2
NORTHWIND=a3c9d7e1-0b2f-4c6d-8e5a-7f1b2c3d4e5f
GOVERNMENT=b81c5d3f-6e7a-4c9b-8d2e-1f0a3b4c5d6e
NOWHERE=dead0000-1111-4222-8333-444455556666
SECRET=interop~secret~one
EXCHANGE=api://AzureADTokenExchange

PASSED=0
FAILED=0
WORK=$(mktemp -d "${DEVCLUSTER_DIR:-${TMPDIR:-/tmp}}/interop.XXXXXX")
PYTHON=$INTEROP_VENV/bin/python

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

say() { printf '\n── %s\n' "$*"; }
fail() {
  printf '\ninterop: %s\n' "$*" >&2
  tail -n 20 "$WORK"/*.log >&2 || true
  exit 1
}

pass() { PASSED=$((PASSED + 1)) && echo "ok      $1"; }
miss() { FAILED=$((FAILED + 1)) && echo "FAILED  $1" && sed 's/^/        /' "$2"; }

# check "what holds" command…: the command ends with 0. What it prints is shown only if it doesn't.
check() {
  local what=$1
  shift
  if "$@" >"$WORK/output" 2>&1; then pass "$what"; else miss "$what" "$WORK/output"; fi
}

# counted LINES command…: counts the lines `ok what` and `FAILED what: why` of a program, one for each of its checks. So
# many there must be, and 0 at the end: a program that broke off has checked less than it seems.
counted() {
  local verdict what expected=$1 code=0
  shift
  "$@" >"$WORK/lines" 2>"$WORK/output" || code=$?
  while read -r verdict what; do
    case $verdict in
      ok) pass "$what" ;;
      *) miss "${what%%: *}" <(echo "${what#*: }") ;;
    esac
  done <"$WORK/lines"
  [ "$code" = 0 ] || miss "${*:1:2} ended with $code" "$WORK/output"
  [ "$(wc -l <"$WORK/lines")" = "$expected" ] || miss "${*:1:2} told of $(wc -l <"$WORK/lines") checks, not $expected" "$WORK/output"
}

# Waits until the command given succeeds: `within 60 command…`
within() {
  local limit=$((SECONDS + $1))
  shift
  until "$@" >"$WORK/within" 2>&1; do
    if [ "$SECONDS" -ge "$limit" ]; then
      echo "not in time: $*"
      cat "$WORK/within"
      return 1
    fi
    sleep 0.2
  done
}

# same EXPECTED ACTUAL
same() { [ "$1" = "$2" ] || { printf 'expected: %s\nactual:   %s\n' "$1" "$2" && return 1; }; }

# peek NAME…: the member so named of the JSON on standard input, or nothing.
peek() { "$PYTHON" "$HERE/peek.py" "$@"; }

emulator() { curl -sSf -X "$1" "http://$CONTROL$2" ${3:+-d "$3"}; }
# How many requests of a kind ended so, since the start: seen api 'http 401'
seen() { emulator GET /v1/counters | peek "$1" "$2"; }

# Microsoft's own host names, reached as through any corporate proxy: these variables and nothing else.
as_client() {
  env -i PATH="$PATH" HOME="$WORK" LANG=C.UTF-8 HTTPS_PROXY="http://$PROXY" \
    CURL_CA_BUNDLE="$CA" REQUESTS_CA_BUNDLE="$CA" SSL_CERT_FILE="$CA" "$@"
}

# The partner's application: a secret, a certificate, and a service account of this cluster.
registration() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=partner \
    -keyout "$WORK/partner.key" -out "$WORK/partner.crt" 2>"$WORK/openssl.log" || fail "openssl makes no certificate"
  cat "$WORK/partner.crt" "$WORK/partner.key" >"$WORK/partner.pem"
  kubectl create namespace federation >/dev/null
  kubectl -n federation create serviceaccount partner >/dev/null
  # Without a newline at the end, as the kubelet writes it.
  printf %s "$(kubectl -n federation create token partner --audience "$EXCHANGE")" >"$WORK/federated-token"
  kubectl get --raw /openid/v1/jwks | "$PYTHON" "$HERE/registration.py" "$SECRET" "$WORK/partner.crt" \
    "$(kubectl get --raw /.well-known/openid-configuration | peek issuer)" system:serviceaccount:federation:partner "$EXCHANGE"
}

start_emulator() {
  "$BIN/entra-emulator" --listen 127.0.0.1:0 --proxy 127.0.0.1:0 --control 127.0.0.1:0 --ca-file "$WORK/ca.crt" \
    >"$WORK/emulator.out" 2>"$WORK/emulator.log" &
  within 20 grep -q control "$WORK/emulator.out" || fail "the emulator doesn't start"
  PROXY=$(peek proxy <"$WORK/emulator.out")
  CONTROL=$(peek control <"$WORK/emulator.out")
  CA=$(peek ca <"$WORK/emulator.out")
  local consent="{\"consents\":{\"$CLIENT\":[\"Alert.Read.All\"]}}"
  emulator PUT "/v1/applications/$CLIENT" "$(registration)"
  emulator PUT "/v1/applications/$OTHER_CLIENT" '{"secrets":["another~secret"]}'
  emulator PUT "/v1/tenants/$CONTOSO" "$consent"
  emulator PUT "/v1/tenants/$NORTHWIND" "$consent"
  emulator PUT "/v1/tenants/$FABRIKAM" '{}'
  emulator PUT "/v1/tenants/$GOVERNMENT" "{\"cloud\":\"GCCHigh\",${consent#\{}"
}

start_operator() {
  "$BIN/defender-tenant-operator" run --listen 127.0.0.1:0 --log-format text \
    --https-proxy "http://$PROXY" --ca-bundle "$CA" 2>"$WORK/operator.log" &
  OPERATOR=$!
}

# apply_tenant NAME TENANT CREDENTIAL
apply_tenant() {
  kubectl apply -f - <<YAML
apiVersion: defendertenant.io/v1alpha1
kind: DefenderTenant
metadata: {name: $1, namespace: soc}
spec:
  tenantId: $2
  secretRef: {name: $3}
YAML
}

# apply_credential NAME CLIENT SECRET
apply_credential() {
  kubectl apply -f - <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: $1
  namespace: soc
  labels: {defendertenant.io/credential: "true"}
stringData: {client-id: $2, client-secret: $3}
YAML
}
