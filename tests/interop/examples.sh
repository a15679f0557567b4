# shellcheck shell=bash disable=SC2034
# Sourced: the consumer examples of the docs, with a token that the operator wrote.

EXAMPLES=docs/examples
DEFENDER_SECRET=contoso-defender-token

# mount FOLDER [KEY=VALUE…]: the Secret as the kubelet mounts it, with other values for some keys.
mount() { kubectl -n soc get secret "$DEFENDER_SECRET" -o json | "$PYTHON" "$HERE/mount.py" "$WORK/$1" "${@:2}"; }

# consumer FOLDER PATIENCE command…
consumer() { as_client DEFENDER_DIR="$WORK/$1" DEFENDER_PATIENCE="$2" DEFENDER_PAGE="${PAGE:-1000}" "${@:3}"; }
curl_example() { consumer "$1" "$2" sh "$EXAMPLES/curl.sh" "${@:3}"; }
python_example() { consumer "$1" "$2" "$PYTHON" "$EXAMPLES/alerts.py"; }

curl_prints_alerts() {
  mount plain && curl_example plain 0 >"$WORK/alerts.json" && grep -q '"value":\[{' "$WORK/alerts.json"
}

curl_tells_what_is_missing() {
  mount plain && ! curl_example plain 0 /api/machines 2>"$WORK/denied" && grep -q 'status 403' "$WORK/denied" &&
    grep -q 'Missing application roles' "$WORK/denied"
}

# A folder with a token that the API rejects; once that has happened, the right one comes.
rejected_then_right() {
  local before example=$1 pid
  before=$(seen api 'http 401')
  mount "$example" token=stale "authorization=Bearer stale" || return 1
  "$example" "$example" 60 >"$WORK/rejected.out" 2>&1 &
  pid=$!
  if within 30 rejected_again "${before:-0}" && mount "$example" && wait "$pid"; then return 0; fi
  cat "$WORK/rejected.out"
  return 1
}
rejected_again() { [ "$(seen api 'http 401')" -gt "$1" ]; }

# throttled_once EXAMPLE RETRY_AFTER: the API asks for a pause, once. How long the example paused is in the journal, so
# that neither its start nor this shell's clock counts.
throttled_once() {
  local example=$1 next
  next=$(emulator GET /v1/journal | peek next) || return 1
  mount plain && emulator POST /v1/faults \
    "{\"match\":{\"endpoint\":\"api\"},\"times\":1,\"fault\":{\"status\":429,\"retryAfter\":$2}}" || return 1
  "$example" plain 0 || return 1
  emulator GET "/v1/journal?after=$next" | "$PYTHON" "$HERE/pause.py" "$2"
}

# More pages than one bring the same alerts.
python_reads_all_pages() {
  mount plain && PAGE=1000 python_example plain 0 >"$WORK/one" && PAGE=2 python_example plain 0 >"$WORK/pages" &&
    [ "$(wc -l <"$WORK/one")" -gt 2 ] && same "$(cut -c1-60 "$WORK/one")" "$(cut -c1-60 "$WORK/pages")"
}

# An expired token is never sent.
python_sends_no_expired_token() {
  local before
  before=$(seen api ok)
  mount plain expires-on=2026-01-01T00:00:00Z && ! python_example plain 1 2>"$WORK/expired" &&
    grep -q 'the token expired' "$WORK/expired" && same "$before" "$(seen api ok)"
}

# A pipe stands where the token will be: it can be opened for writing only once the example has looked. The token comes
# after that.
python_waits_for_the_first_token() {
  local pid
  mkdir "$WORK/empty"
  mkfifo "$WORK/empty/token"
  python_example empty 60 >"$WORK/empty.out" 2>&1 &
  pid=$!
  if has_looked "$WORK/empty/token" && mount empty && wait "$pid"; then return 0; fi
  cat "$WORK/empty.out"
  return 1
}

has_looked() {
  # shellcheck disable=SC2016
  timeout 30 sh -c 'exec 3>"$0" && rm "$0"' "$1" || { echo "it didn't look in time" && return 1; }
}

# introduces_itself EXAMPLE: Microsoft asks partners to name themselves.
introduces_itself() {
  local pid port agent
  "$PYTHON" "$HERE/listener.py" >"$WORK/listener.$1" &
  pid=$!
  within 10 test -s "$WORK/listener.$1" || return 1
  port=$(head -n 1 "$WORK/listener.$1")
  mount local "api-url=http://127.0.0.1:$port" && "$1" local 0
  kill "$pid"
  agent=$(sed -n 2p "$WORK/listener.$1")
  case $agent in MdePartner-*-*/*) ;; *) same 'MdePartner-{Company}-{Product}/{Version}' "$agent" ;; esac
}

admitted() { kubectl -n soc apply --dry-run=server -f "$1"; }

# The Secret and the keys that a manifest names are those that the operator writes.
names_existing_keys() {
  local path='{.spec.volumes[*].secret.secretName}{range .spec.containers[*].env[*]}{.valueFrom.secretKeyRef.name}{"\n"}{end}'
  local names key
  names=$(kubectl -n soc create --dry-run=client -f "$1" -o "jsonpath=$path" | sort -u | grep .)
  same "$DEFENDER_SECRET" "$names" || return 1
  for key in $(kubectl -n soc create --dry-run=client -f "$1" -o 'jsonpath={.spec.containers[*].env[*].valueFrom.secretKeyRef.key}'); do
    [ -n "$(value_of "$key")" ] || return 1
  done
}
value_of() { kubectl -n soc get secret "$DEFENDER_SECRET" -o "jsonpath={.data.$1}" | base64 -d; }

# What the container of pod-env.yaml runs, with its variables.
runs_the_command_of_pod_env() {
  local command
  command=$(kubectl -n soc create --dry-run=client -f "$EXAMPLES/pod-env.yaml" -o 'jsonpath={.spec.containers[0].args[0]}')
  as_client DEFENDER_AUTHORIZATION="$(value_of authorization)" DEFENDER_API_URL="$(value_of api-url)" \
    sh -c "$command" | grep -q '"value":\[{'
}

examples() {
  say "The consumer examples, with a token that the operator wrote"
  kubectl -n soc wait --for=condition=Ready dt/contoso --timeout=60s >/dev/null || fail "contoso isn't ready"
  check "curl.sh prints alerts" curl_prints_alerts
  check "curl.sh tells which role is missing" curl_tells_what_is_missing
  check "curl.sh takes the next token after a 401" rejected_then_right curl_example
  check "curl.sh pauses as a 429 asks" throttled_once curl_example 2
  check "curl.sh introduces itself" introduces_itself curl_example
  check "alerts.py reads all pages" python_reads_all_pages
  check "alerts.py takes the next token after a 401" rejected_then_right python_example
  check "alerts.py sends no expired token" python_sends_no_expired_token
  check "alerts.py waits for the first token" python_waits_for_the_first_token
  check "alerts.py pauses as a 429 asks" throttled_once python_example 2
  check "alerts.py takes a date in Retry-After" throttled_once python_example "\"$(date -u -d '+3 seconds' '+%a, %d %b %Y %T GMT')\""
  check "alerts.py introduces itself" introduces_itself python_example
  for manifest in pod-volume pod-env; do
    check "$manifest.yaml is admitted, at Pod Security level restricted" admitted "$EXAMPLES/$manifest.yaml"
    check "$manifest.yaml names the operator's Secret and keys" names_existing_keys "$EXAMPLES/$manifest.yaml"
  done
  check "the command of pod-env.yaml prints alerts" runs_the_command_of_pod_env
}
