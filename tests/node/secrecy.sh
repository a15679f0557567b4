# shellcheck shell=bash
# Sourced by checks.sh: no secret is where it doesn't belong.

# Writes down what must be nowhere, and what may be read by many: before a release goes.
keep_secrets() {
  kubectl -n "$NS" get secrets -l app.kubernetes.io/component=emulator -o go-template='{{range .items}}{{with index .data "client-secret"}}{{.}}{{"\n"}}{{end}}{{end}}' >>"$WORK/client-secrets"
  kubectl get dt,dapp,events,pods,configmaps -A -o yaml >>"$WORK/seen"
  local pod
  for pod in $(operators); do metrics "$pod" >>"$WORK/seen"; done
}

secrecy() {
  local value plain searched=0
  kubectl get dt,dapp,events,pods,configmaps -A -o yaml >>"$WORK/seen"
  : >"$WORK/canaries"
  { awk '{print $4}' "$WORK/tokens"; cat "$WORK/client-secrets"; } | sort -u | while read -r value; do
    plain=$(base64 -d <<<"$value")
    # Of a token the signature too: claims alone open nothing.
    printf '%s\n' "$value" "$plain" "${plain##*.}"
  done | sort -u | grep . >"$WORK/canaries"
  searched=$(wc -l <"$WORK/canaries")
  [ "$(sort -u "$WORK/client-secrets" | wc -l)" = 3 ] || fail "not the client secrets of three installations"
  [ "$searched" -gt 20 ] || fail "only $searched things to look for"
  # Found where it is, or the search can't find.
  kubectl get secret -A -o yaml >"$WORK/control"
  cat "$WORK/tokens" >>"$WORK/control"
  grep -qFf "$WORK/canaries" "$WORK/control" || fail "the search finds nothing at all"
  grep -lFf "$WORK/canaries" "$LOGS"/* "$WORK/seen" "$SAID" >"$WORK/found" || true
  [ ! -s "$WORK/found" ] || fail "a secret is in $(xargs -n 1 basename <"$WORK/found" | xargs)"
  grep -q '"level":"TRACE"' "$LOGS"/dto-* || fail "no log was written at trace"
  ok "$searched secrets and tokens are in none of $(find "$LOGS" -type f | wc -l) logs, nor in events, status, metrics or what Helm said"
  if grep -iE 'PodSecurity|^W[0-9]{4} |warning:' "$SAID" >"$OUT"; then fail "the API server warned"; fi
  ok "no warning of the API server"
}
