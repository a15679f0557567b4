#!/bin/sh
# Reads a customer's newest alerts with the token that defender-tenant-operator keeps in a Secret.
#
#   curl.sh ['/api/alerts?$top=5']
#
# The Secret is mounted as a volume (see pod-volume.yaml); its files are read anew for each request, since the
# operator renews the token about every hour and the kubelet brings the new one into the pod within some 90 seconds.
set -eu

: "${DEFENDER_DIR:=/var/run/secrets/defender}"
# Microsoft asks partners for this form: MdePartner-{Company}-{Product}/{Version}
: "${DEFENDER_USER_AGENT:=MdePartner-Contoso-AlertForwarder/1.0}"
# How long to wait for a new token in all: twice what the kubelet needs.
: "${DEFENDER_PATIENCE:=180}"

request=${1:-/api/alerts?\$top=5}
body=$(mktemp)
trap 'rm -f "$body"' EXIT

# Prints the answer's status. The token goes in by standard input: in an argument, every process could read it.
# --retry waits as long as Retry-After says after a 429, and backs off after a 5xx.
get() {
  [ -s "$DEFENDER_DIR/authorization" ] || { echo none && return; }
  { printf 'Authorization: ' && cat "$DEFENDER_DIR/authorization" && echo; } |
    curl --silent --show-error --max-time 60 --retry 4 --retry-max-time 300 \
      --user-agent "$DEFENDER_USER_AGENT" --header @- \
      --output "$body" --write-out '%{http_code}' "$(cat "$DEFENDER_DIR/api-url")$request"
}

waited=0
while :; do
  status=$(get)
  case $status in
    200) cat "$body" && exit 0 ;;
    # Expired, just replaced, or not there yet: a new one is on its way.
    401 | none) [ "$waited" -lt "$DEFENDER_PATIENCE" ] || break ;;
    *) break ;;
  esac
  sleep 5
  waited=$((waited + 5))
done

[ "$status" != none ] || echo "no token in $DEFENDER_DIR; see kubectl get defendertenants" >&2
echo "status $status" >&2
cat "$body" >&2
exit 1
