#!/usr/bin/env bash
# Writes what is generated of the chart: its copy of the CRDs, values.schema.json and README.md; and from it deploy/.
# render.sh FOLDER writes them below another folder.
set -euo pipefail
cd "$(dirname "$0")/../.."

CHART=charts/defender-tenant-operator
OUT=${1:-.}
# Rendered as Helm 4 does; the render tests show that Helm 3 does the same.
HELM=$(tools/bin.sh helm-4)
HELM_DOCS=$(tools/bin.sh helm-docs)
PYTHON=$(tools/chart/python.sh)
mkdir -p "$OUT/$CHART/files/crds" "$OUT/deploy"

cp crds/*.yaml "$OUT/$CHART/files/crds/"
"$PYTHON" tools/chart/schema.py "$CHART/values.yaml" >"$OUT/$CHART/values.schema.json.part"
mv "$OUT/$CHART/values.schema.json.part" "$OUT/$CHART/values.schema.json"
"$HELM_DOCS" --chart-search-root "$CHART" --log-level error --sort-values-order file --skip-version-footer --dry-run | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' \
  >"$OUT/$CHART/README.md.part"
mv "$OUT/$CHART/README.md.part" "$OUT/$CHART/README.md"

# manifest FILE TEMPLATES HELM-ARGUMENT…: what the chart makes of them, of all its templates or of some, without what only
# Helm has a use for. The comment on top is read from stdin.
manifest() {
  local file=$OUT/deploy/$1 template only=()
  for template in $2; do only+=(--show-only "templates/$template.yaml"); done
  shift 2
  {
    echo "# Rendered from $CHART by tools/chart/render.sh. Do not edit."
    sed 's/^/# /; s/ *$//'
    [ "$file" != "$OUT/deploy/install.yaml" ] || printf '%s\n' "${NAMESPACE[@]}"
    "$HELM" template defender-tenant-operator "$CHART" --namespace defender-tenant-operator \
      --set crds.keep=false,tests.enabled=false "${only[@]}" "$@" |
      sed -E '/^# Source: /d; /^ *(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): /d' |
      # One "---" between two objects, and neither that nor empty lines around them.
      awk '/^ *$/ { empty++; next }
           /^---$/ { between = any; empty = 0; next }
           { if (between) print "---"; for (; any && empty > 0; empty--) print ""; empty = 0; between = 0; any = 1; print }'
  } >"$file.part"
  mv "$file.part" "$file"
}

# Whoever serves the whole cluster may make a namespace too.
NAMESPACE=(
  'apiVersion: v1' 'kind: Namespace' 'metadata:' '  name: defender-tenant-operator' '  labels:'
  '    pod-security.kubernetes.io/enforce: restricted' '---'
)

manifest rbac.yaml "serviceaccount rbac-cluster rbac-leader" <<'END'
What the operator may do when it serves all namespaces; part of install.yaml.

  kubectl create namespace defender-tenant-operator
  kubectl apply -f deploy/rbac.yaml
END

manifest rbac-namespaced.yaml "serviceaccount rbac-namespaces rbac-leader" --set 'watchNamespaces={soc}' <<'END'
What the operator may do when it serves one namespace, here `soc`; part of install-namespaced.yaml.

  kubectl create namespace defender-tenant-operator
  kubectl apply -f deploy/rbac-namespaced.yaml

For each further namespace: a copy of Role and RoleBinding there, and its name in --watch-namespaces, after a comma.
END

manifest rbac-namespace-selectors.yaml "rbac-namespace-selectors" --set allowNamespaceSelectors=true <<'END'
What the operator may do beside rbac.yaml when it runs with --allow-namespace-selectors: read the labels of namespaces,
so that a DefenderApplication may grant them by label.

  kubectl apply -f deploy/rbac-namespace-selectors.yaml
END

manifest install.yaml '' <<'END'
The operator for all namespaces, with its CRDs and a namespace of its own. The image is named without a registry: apply
this by a kustomization that names yours (docs/install.md).

  kubectl apply -k .
END

manifest install-namespaced.yaml '' --set 'watchNamespaces={soc}' <<'END'
The operator for one namespace, here `soc`, without any object that belongs to the cluster. The image is named without a
registry: apply this by a kustomization that names yours (docs/install.md). Before, an administrator applies crds/ and makes
both namespaces.

  kubectl apply -k .
END
