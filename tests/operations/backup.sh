# shellcheck shell=bash disable=SC2034
# Sourced: what docs/backup.md says of a restore.

uid_of() { kubectl -n soc get "$1" "$2" -o 'jsonpath={.metadata.uid}'; }
owner_of() { kubectl -n soc get secret "$1" -o 'jsonpath={.metadata.ownerReferences[0].uid}'; }
is_ready() { kubectl -n soc get dt "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' | grep -qx True; }
belongs() { same "$(uid_of dt "$1")" "$(owner_of "$1-defender-token")"; }
gone() { ! kubectl -n soc get "$1" "$2" >/dev/null 2>&1; }

# What a backup tool stores and creates again: no uid, no resourceVersion, no status; labels, annotations and owner
# references as they were.
saved() {
  kubectl -n soc get "$@" -o json | "$PYTHON" -c '
import json, sys
whole = json.load(sys.stdin)
items = whole["items"] if whole["kind"].endswith("List") else [whole]
for item in items:
    item.pop("status", None)
    for field in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
        item["metadata"].pop(field, None)
json.dump({"apiVersion": "v1", "kind": "List", "items": items}, sys.stdout)'
}

names() { "$PYTHON" -c 'import json, sys; print(*sorted(i["metadata"]["name"] for i in json.load(sys.stdin)["items"]))'; }

# The token requests for Contoso so far.
minted() { emulator GET /v1/journal?after=0 | "$PYTHON" -c '
import json, sys
print(sum(e["kind"] == "token" and e["tenant"] == sys.argv[1] for e in json.load(sys.stdin)["entries"]))' "$CONTOSO"; }

# The selector of docs/backup.md, as the API server understands it.
selector() { sed -n 's/^ *- *{key: \(defendertenant.io[^,]*\), operator: DoesNotExist}.*/!\1/p' docs/backup.md | head -1; }

stop_operator() {
  kill "$OPERATOR"
  wait "$OPERATOR" || true
}

backup() {
  say "backup: what is stored, and what a restore makes of it"
  kubectl create namespace soc >/dev/null
  {
    apply_credential partner "$CLIENT" "$SECRET"
    apply_tenant contoso "$CONTOSO" partner
  } >/dev/null
  start_operator
  check "a token is there" within 60 is_ready contoso
  check "the page's selector leaves targets out and credentials in" same "partner" "$(saved secret -l "$(selector)" | names)"
  check "targets have the label" same contoso-defender-token "$(saved secret -l defendertenant.io/bucket | names)"
  saved dt >"$WORK/tenants.json"
  saved secret partner >"$WORK/credentials.json"
  saved secret contoso-defender-token >"$WORK/targets.json"
  local before
  before=$(owner_of contoso-defender-token)

  stop_operator
  kubectl delete namespace soc >/dev/null
  kubectl create namespace soc >/dev/null
  kubectl create -f "$WORK/credentials.json" -f "$WORK/tenants.json" >/dev/null
  start_operator
  check "without the targets: a new token" within 60 is_ready contoso
  check "under the new owner" belongs contoso
  check "which has another UID" differs "$before" "$(uid_of dt contoso)"

  # With the targets, which this page advises against.
  stop_operator
  kubectl delete namespace soc >/dev/null
  kubectl create namespace soc >/dev/null
  kubectl create -f "$WORK/targets.json" >/dev/null
  kubectl create -f "$WORK/credentials.json" -f "$WORK/tenants.json" >/dev/null
  start_operator
  check "with the targets: the garbage collector takes the old one, and a new token comes" within 120 belongs contoso
  check "and it is ready" within 60 is_ready contoso

  # A target that is restored without its owner reference stays, and is in the way.
  kubectl -n soc delete dt contoso >/dev/null
  within 60 gone secret contoso-defender-token || fail "the garbage collector takes nothing"
  "$PYTHON" -c '
import json, sys
whole = json.load(sys.stdin)
for item in whole["items"]:
    item["metadata"].pop("ownerReferences", None)
json.dump(whole, sys.stdout)' <"$WORK/targets.json" | kubectl create -f - >/dev/null
  local asked
  asked=$(minted)
  kubectl create -f "$WORK/tenants.json" >/dev/null
  check "a target without owner reference is a conflict" within 60 reason_is contoso TargetConflict
  check "that costs one request at the most" at_most $((asked + 1)) minted
  kubectl -n soc delete secret contoso-defender-token >/dev/null
  check "deleted, it makes room" within 90 is_ready contoso
}

differs() { [ "$1" != "$2" ] || { echo "both are $1" && return 1; }; }
at_most() {
  local number
  number=$("$2")
  [ "$number" -le "$1" ] || { echo "$number, not $1" && return 1; }
}
reason_is() { same "$2" "$(kubectl -n soc get dt "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}')"; }
