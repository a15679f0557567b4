#!/usr/bin/env bash
# Run by run.sh beside a node, which ends and removes whatever this leaves.
set -Eeuo pipefail
here=${BASH_SOURCE[0]%/*}
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
# shellcheck source=story.sh
. "$here/story.sh"
# shellcheck source=releases.sh
. "$here/releases.sh"
# shellcheck source=secrecy.sh
. "$here/secrecy.sh"

follow_logs &
part "Pod Security Standard restricted, in the operator's namespace and the consumer's"
for namespace in "$NS" soc; do
  kubectl create namespace "$namespace" >/dev/null
  for mode in enforce warn audit; do
    kubectl label namespace "$namespace" pod-security.kubernetes.io/$mode=restricted >/dev/null
  done
done
if kubectl -n soc run probe --image=consumer:node >"$OUT" 2>&1; then fail "a pod that isn't restricted was taken"; fi
grep -q 'violates PodSecurity "restricted' "$OUT" || fail "a pod was refused for another reason"
ok "a pod that isn't restricted is refused"
# The same image by another name, to upgrade to. containerd has a host before each name.
name=$(ctr images list --quiet | sed -n "s/\/defender-tenant-operator:$VERSION\$/\/defender-tenant-operator/p")
ctr images tag "$name:$VERSION" "$name:next" >"$OUT"

HELM=$HELM_4
part "$("$HELM" version --short): a consumer through a killed leader, upgrade, rollback, and another release"
install
customer
consume
policies
kill_leader
evict
upgrade_and_back
tests
three_refreshes
other_name
end_of_consumer

HELM=$HELM_3
part "$("$HELM" version --short): a trial, to production, and another release"
trial
without_microsoft
HELM=$HELM_4
part "$("$HELM" version --short): chosen namespaces"
namespaced

part "Secrecy, and figures"
secrecy
# But for the leader, whose container the kubelet may have started anew before the pod was deleted.
awk -v killed="$KILLED" '$1 != killed && $2 ~ /^[1-9]/' "$WORK/restarts" >"$OUT"
[ ! -s "$OUT" ] || fail "a container was started anew"
cat <<END

consumer     $CALLS calls, $FAILED failed; the emulator answered $ANSWERED
refreshes    $REFRESHES while it ran, one mint each
take-over    $TAKE_OVER s after the leader was killed (the Lease lasts 15 s)
in all       $(seconds_since "$STARTED") s
END
