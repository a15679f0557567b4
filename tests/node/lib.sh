# shellcheck shell=bash disable=SC2034
# Sourced by checks.sh: what is said, how it is waited for, and what a failure shows.

CHART=charts/defender-tenant-operator
NS=defender-tenant-operator
VERSION=$(sed -n 's/^appVersion: "\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' $CHART/Chart.yaml)
CONTOSO=2f8d1c64-7c1e-4f0a-8a35-9c4be1d0a9f2
WORK=$(mktemp -d "$DEVCLUSTER_DIR/node-tier.XXXXXX")
LOGS=$WORK/logs
OUT=$WORK/out
SAID=$WORK/said
mkdir "$LOGS"

cleanup() {
  local pids
  pids=$(jobs -p)
  # shellcheck disable=SC2086
  [ -z "$pids" ] || kill $pids 2>/dev/null || true
  wait || true
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Seconds on a clock with tenths.
tenths() { echo "$((${EPOCHREALTIME/[.,]/} / 100000))"; }
STARTED=$(tenths)
LAST=$STARTED
seconds_since() { local t=$(($(tenths) - $1)) && echo "$((t / 10)).$((t % 10))"; }
# A step is done: its time, and what was shown.
ok() { printf '%7s s  %s\n' "$(seconds_since "$LAST")" "$*" && LAST=$(tenths); }
part() { printf '\n── %s\n' "$*"; }

# All that is needed to find the cause. The logs hold no secrets, which is one of the checks.
fail() {
  trap - ERR
  {
    printf '\ntest-node failed: %s\n' "$*"
    echo "--- the last output of a command" && tail -n 40 "$OUT"
    echo "--- pods" && kubectl get pods -A -o wide
    echo "--- tenants" && kubectl get dt,dapp -A -o wide
    echo "--- events" && kubectl get events -A --sort-by=.metadata.creationTimestamp | tail -n 40
    for log in "$LOGS"/*; do echo "--- the log of ${log##*/}" && grep -v '"level":"\(TRACE\|DEBUG\)"' "$log" | tail -n 15; done
    echo "--- the kubelet" && grep '^[EW]' "$DEVCLUSTER_DIR"/kubelet.log | tail -n 15
  } >&2 2>&1 || true
  exit 1
}
trap 'fail "${BASH_SOURCE[0]##*/}, line $LINENO: $BASH_COMMAND"' ERR

# within SECONDS "what" command…: waits until the command succeeds.
within() {
  local limit=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >"$WORK/within" 2>&1; do
    [ "$SECONDS" -lt "$limit" ] || { cat "$WORK/within" >&2 && fail "not in time: $what"; }
    sleep 0.3
  done
}
same() { [ "$1" = "$2" ] || fail "$3: \"$2\" instead of \"$1\""; }

# The release's Helm. What it prints is kept: it is searched at the end, for warnings of the API server among them.
helm() {
  if ! "$HELM" -n "$NS" "$@" >"$OUT" 2>&1; then fail "helm $*"; fi
  cat "$OUT" >>"$SAID"
}

# Of the operator's pods that aren't on their way out: their names, their images.
of_operators() {
  kubectl -n "$NS" get pods -l app.kubernetes.io/component=operator \
    -o go-template="{{range .items}}{{if not .metadata.deletionTimestamp}}{{$1}} {{end}}{{end}}"
}
operators() { of_operators .metadata.name; }
images() { of_operators '(index .spec.containers 0).image' | xargs -n 1 | sort -u; }
ready() { [ "$(kubectl -n "$NS" get pod "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')" = True ]; }
metrics() { kubectl get --raw "/api/v1/namespaces/$NS/pods/$1:8080/proxy/metrics"; }
leads() { metrics "$1" | grep -x 'defender_tenant_leader 1' >/dev/null; }
holder() { kubectl -n "$NS" get lease defender-tenant-operator-0 -o jsonpath='{.spec.holderIdentity}'; }

# Two pods are ready; LEADER leads, as it says itself and as the Lease says, and STANDBY stands by.
pair() {
  local pods pod
  read -ra pods <<<"$(operators)"
  [ "${#pods[@]}" = 2 ] || return 1
  LEADER='' STANDBY=''
  for pod in "${pods[@]}"; do
    ready "$pod" || return 1
    if leads "$pod"; then LEADER+=$pod; else STANDBY+=$pod; fi
  done
  [[ -n $STANDBY && $(holder) == "$LEADER"_* ]]
}
settled() { within 60 "two pods are ready and one leads" pair; }

# Writes down the logs of all pods, from their start on, also of those that are killed; and how often each started anew.
follow_logs() {
  local namespace pod uid phase restarts
  local columns=':metadata.namespace,:metadata.name,:metadata.uid,:status.phase,:status.containerStatuses[0].restartCount'
  kubectl get pods -A --watch --no-headers -o custom-columns="$columns" 2>"$WORK/watch" |
    while read -r namespace pod uid phase restarts; do
      echo "$pod $restarts" >>"$WORK/restarts"
      if [ "$phase" != Pending ] && [ ! -e "$LOGS/$pod.$uid" ]; then
        kubectl -n "$namespace" logs --follow --all-containers "$pod" >"$LOGS/$pod.$uid" 2>/dev/null &
      fi
    done
}

# Every version of every token Secret: namespace/name, issued-at, expires-at, the token.
follow_tokens() {
  local at='{{index .metadata.annotations "defendertenant.io'
  kubectl get secrets -A -l defendertenant.io/bucket --watch \
    -o go-template="{{.metadata.namespace}}/{{.metadata.name}} $at/issued-at\"}} $at/expires-at\"}} {{.data.token}}{{\"\\n\"}}" \
    >"$WORK/tokens" 2>"$WORK/watch-tokens"
}
# Of contoso's token: annotation issued-at
annotation() { kubectl -n soc get secret contoso-defender-token -o jsonpath="{.metadata.annotations.defendertenant\.io/$1}"; }
# How many tokens of contoso's were published.
published() { awk '$1 == "soc/contoso-defender-token" {print $2}' "$WORK/tokens" | sort -u | wc -l; }

# The emulator's control port stays in its pod; the API server brings us there.
reach_control() {
  kubectl -n "$NS" port-forward deployment/microsoft-defender-tenant-operator-emulator :8444 >"$WORK/forward" 2>&1 &
  within 20 "the emulator's control port" grep -q 'Forwarding from 127' "$WORK/forward"
  CONTROL=$(sed -nE 's/Forwarding from (127[^ ]+) .*/\1/p' "$WORK/forward")
}
# What the emulator answered contoso's requests of a kind (token, api), as "outcome=count …".
answered() {
  curl -sSf --noproxy '*' "http://$CONTROL/v1/journal?after=0" | python3 -c '
import collections, json, sys
entries = [e["outcome"] for e in json.load(sys.stdin)["entries"] if (e["kind"], e["tenant"]) == tuple(sys.argv[1:])]
print(*(f"{outcome}={count}" for outcome, count in sorted(collections.Counter(entries).items())))' "$1" "$CONTOSO"
}

called() { grep -qs '^call 1 ok' "$LOGS"/consumer.*; }
unharmed() {
  if grep -m 3 FAILED "$LOGS"/consumer.* >"$OUT"; then fail "the consumer's call failed: $1"; fi
}
