# shellcheck shell=bash disable=SC2164
# Sourced by story.sh: its folder, how it shows what it runs, how it waits and fails.

ROOT=$PWD
BIN=$(cd "${BIN:-target/debug}" && pwd)
PATH=$BIN:$PATH
WORK=$(mktemp -d "${DEVCLUSTER_DIR:-${TMPDIR:-/tmp}}/demo.XXXXXX")
cd "$WORK"
ln -s "$ROOT/crds" "$ROOT/deploy" .

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
run() {
  show "$@"
  "$@" || fail "$1 ended with $?"
}
fail() {
  trap - ERR
  printf '\nThe demo failed: %s\n' "$*" >&2
  kubectl get dapp,dt -A -o wide >&2 || true
  tail -n 20 "$WORK"/*.log >&2 || true
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

# Of a DefenderTenant: `field soc contoso .status.consentUrl`, `condition soc contoso Ready reason`
field() { kubectl -n "$1" get dt "$2" -o "jsonpath={$3}"; }
condition() { field "$1" "$2" ".status.conditions[?(@.type==\"$3\")].$4"; }
# Of its token Secret: `secret soc contoso token`, `annotation soc contoso expires-at`
secret() { kubectl -n "$1" get secret "$2-defender-token" -o "jsonpath={.data.$3}" | base64 -d; }
annotation() { kubectl -n "$1" get secret "$2-defender-token" -o "jsonpath={.metadata.annotations.defendertenant\.io/$3}"; }

# A kubeconfig of the service account that deploy/rbac.yaml makes, as docs/getting-started.md says.
account_kubeconfig() {
  local kubeconfig=(kubectl --kubeconfig operator.kubeconfig config)
  kubectl config view --raw --minify --flatten >operator.kubeconfig
  {
    "${kubeconfig[@]}" set-credentials operator --token="$(kubectl -n "$HOME_NS" create token defender-tenant-operator)"
    "${kubeconfig[@]}" set-context --current --user=operator
    "${kubeconfig[@]}" delete-user "$("${kubeconfig[@]}" view -o 'jsonpath={.users[?(@.name!="operator")].name}')"
  } >kubeconfig.out
}

# The claims of a token, never its signature.
claims() {
  local payload
  payload=$(secret "$1" "$2" token | cut -d. -f2 | tr '_-' '/+')
  while [ $((${#payload} % 4)) -ne 0 ]; do payload="$payload="; done
  printf '%s' "$payload" | base64 -d
}

# Whether a customer's token opens the API, at the address that its Secret names. The answer is in alerts.json.
opens() {
  local url status
  url=$(secret "$1" "$2" api-url)
  show curl --proxy "http://$PROXY" --cacert ca.crt -H @header -o alerts.json -w '%{http_code}\n' "$url/api/alerts?\$top=1"
  secret "$1" "$2" authorization | sed 's/^/Authorization: /' >header
  status=$(curl -sS --proxy "http://$PROXY" --cacert ca.crt -H @header -o alerts.json -w '%{http_code}' "$url/api/alerts?\$top=1")
  rm header
  echo "$status"
  [ "$status" = 200 ] || fail "the API answered $status for $2"
}

# What Microsoft or the partner do in their portals is a call of the emulator's control port here.
emulator() { run curl -sSf -X "$1" "http://$CONTROL$2" -d "$3"; }

# Token requests that reached Microsoft since journal entry $1, one a line: when, for whom, with what outcome. Those for
# the id that is no customer are asked again by a schedule of their own.
requests_since() {
  curl -sSf "http://$CONTROL/v1/journal?after=$1" >journal.json
  grep -o '{"at"[^}]*"kind":"token"[^}]*}' journal.json | grep -v "$NOWHERE" |
    sed -E "s/$CONTOSO/contoso/; s/$FABRIKAM/fabrikam/; s/$NORTHWIND/northwind/; s/$TAILSPIN/tailspin/
      s/.*\"at\":\"[^T]*T([^.\"]*).*\"outcome\":\"([^\"]*)\",\"tenant\":\"([^\"]*)\".*/\1 \3: \2/" || true
}
journal_end() { curl -sSf "http://$CONTROL/v1/journal?after=0" | sed -E 's/.*"next":([0-9]+).*/\1/'; }

# From here on, writes down every version of every token Secret, each with the second in which it was seen.
SEEN='{{.type}} {{.object.metadata.namespace}}/{{.object.metadata.name}} {{index .object.metadata.annotations "defendertenant.io/expires-at"}} {{len .object.data.token}}{{"\n"}}'
keep_watch() {
  kubectl get secrets -A -l defendertenant.io/bucket --watch --output-watch-events -o "go-template=$SEEN" \
    > >(while read -r line; do echo "$EPOCHSECONDS $line"; done >versions) 2>watch.log &
  WATCH=$!
  within 20 "the watch's first answer" test -s versions
}
# Ends it, and says whether each of those Secrets ($1 of them) had a live token all the time.
end_watch() {
  local at type name expires length
  local -A expiry=()
  kill "$WATCH" || fail "the watch of the Secrets broke off"
  wait "$WATCH" || true
  while read -r at type name expires length; do
    [ "$type" != DELETED ] || fail "$name was deleted"
    [ "$length" -gt 0 ] || fail "$name was empty"
    [ "$at" -lt "${expiry[$name]:-$((at + 1))}" ] || fail "$name held an expired token"
    expiry[$name]=$(date -d "$expires" +%s)
  done <versions
  for name in "${!expiry[@]}"; do
    [ "$EPOCHSECONDS" -lt "${expiry[$name]}" ] || fail "$name holds an expired token"
  done
  [ "${#expiry[@]}" = "$1" ] || fail "${#expiry[@]} Secrets were seen, not $1"
}
