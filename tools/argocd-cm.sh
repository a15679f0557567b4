#!/usr/bin/env bash
# Prints docs/gitops/argocd/argocd-cm.yaml: the health checks, as Argo CD's ConfigMap has them.
set -euo pipefail
cd "$(dirname "$0")/../docs/gitops/argocd"

cat <<'YAML'
# For Argo CD's own ConfigMap, merged into what is there:
#
#   kubectl -n argocd patch configmap argocd-cm --type merge --patch-file docs/gitops/argocd/argocd-cm.yaml
#
# Written by `make crds` from the two health.lua beside it.
data:
YAML
for kind in DefenderApplication DefenderTenant; do
  echo "  resource.customizations.health.defendertenant.io_$kind: |"
  sed -e 's/^/    /' "$kind/health.lua"
done
