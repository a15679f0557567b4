# shellcheck shell=bash disable=SC2034
# Sourced: programs that know nothing of the emulator get tokens from it.

LOGIN=https://login.microsoftonline.com

# token URL STATUS FIELD=VALUE…: asks as curl does, prints the answer, fails if the status is another.
token() {
  local url=$1 expected=$2 status fields=() field
  shift 2
  for field in "$@"; do fields+=(--data-urlencode "$field"); done
  status=$(as_client curl -sS -o "$WORK/token.json" -w '%{http_code}' "$url" \
    -d grant_type=client_credentials "${fields[@]}")
  cat "$WORK/token.json"
  same "$expected" "$status" >&2
}

v2() {
  local audience
  audience=$(token "$LOGIN/$CONTOSO/oauth2/v2.0/token" 200 "client_id=$CLIENT" "client_secret=$SECRET" "scope=$1" |
    peek access_token | peek --claims aud) || return 1
  same "$2" "$audience"
}

v1() {
  local audience
  audience=$(token "$LOGIN/$CONTOSO/oauth2/token" 200 "client_id=$CLIENT" "client_secret=$SECRET" "resource=$1" |
    peek access_token | peek --claims aud) || return 1
  same "$1" "$audience"
}

# The secret in HTTP Basic instead of the body.
basic() {
  local status
  status=$(as_client curl -sS -o /dev/null -w '%{http_code}' "$LOGIN/$CONTOSO/oauth2/v2.0/token" -u "$CLIENT:$SECRET" \
    -d grant_type=client_credentials --data-urlencode scope=https://api.securitycenter.microsoft.com/.default)
  same 200 "$status"
}

wrong_secret() {
  local codes
  codes=$(token "$LOGIN/$CONTOSO/oauth2/$1" 401 "client_id=$CLIENT" client_secret=wrong "$2" | peek error_codes) || return 1
  same '[7000215]' "$codes"
}

only_microsofts_hosts() {
  local hosts
  hosts=$(emulator GET '/v1/journal?after=0' | "$PYTHON" -c '
import json, sys
print(*sorted({entry["host"] for entry in json.load(sys.stdin)["entries"] if entry["kind"] == "token"}))')
  same 'login.microsoftonline.com login.microsoftonline.us' "$hosts"
}

# wrong_assertion CODE FILE: a federated token that the registration doesn't match.
wrong_assertion() {
  local codes
  codes=$(token "$LOGIN/$CONTOSO/oauth2/v2.0/token" 401 "client_id=$CLIENT" "client_assertion@$2" \
    client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
    scope=https://api.securitycenter.microsoft.com/.default | peek error_codes) || return 1
  same "[$1]" "$codes"
}

# another_token NAMESPACE NAME AUDIENCE
another_token() { printf %s "$(kubectl -n "$1" create token "$2" --audience "$3")" >"$WORK/another-token"; }
of_another_account() {
  kubectl -n federation create serviceaccount another && another_token federation another "$EXCHANGE" &&
    wrong_assertion 700213 "$WORK/another-token"
}
for_another_audience() { another_token federation partner vault && wrong_assertion 700212 "$WORK/another-token"; }

# The proxy itself says no: a name that can't be resolved, say, isn't a refusal.
refused_elsewhere() {
  local status
  status=$(as_client curl -sS -o /dev/null -w '%{http_connect}' https://example.com/) || true
  same 403 "$status"
}

clients() {
  say "curl gets tokens, in Microsoft's old and new form"
  local api=https://api.securitycenter.microsoft.com old=https://securitycenter.onmicrosoft.com/windowsatpservice
  check "v2, scope $api/.default" v2 "$api/.default" "$api"
  check "v2, scope $old/.default" v2 "$old/.default" "$old"
  check "v2, the secret in HTTP Basic" basic
  check "v2, a wrong secret is 7000215" wrong_secret v2.0/token "scope=$api/.default"
  check "v1, resource $api" v1 "$api"
  check "v1, resource $old" v1 "$old"
  check "v1, a wrong secret is 7000215" wrong_secret token "resource=$api"
  check "a token of another service account is 700213" of_another_account
  check "a service account's token for another audience is 700212" for_another_audience
  check "the proxy leads nowhere else" refused_elsewhere

  say "MSAL and azure-identity, as published, get tokens"
  counted 19 as_client "$PYTHON" "$HERE/libraries.py" "$CLIENT" "$SECRET" "$CONTOSO" "$FABRIKAM" "$NOWHERE" "$GOVERNMENT" \
    "$WORK/partner.pem" "$WORK/federated-token"
  counted 5 as_client "$MSAL_GO" "$CLIENT" "$SECRET" "$CONTOSO" "$GOVERNMENT" "$WORK/partner.pem" "$WORK/federated-token"
  check "all of them asked under Microsoft's own host names" only_microsofts_hosts
}
