{{/* What the operator may do in each namespace that it serves, and no more: src/controller/preflight.rs asks for these at
     the start. */}}
{{- define "dto.tenantRules" -}}
# The customers: read, never changed.
- apiGroups: [defendertenant.io]
  resources: [defendertenants]
  verbs: [get, list, watch]
- apiGroups: [defendertenant.io]
  resources: [defendertenants/status]
  verbs: [update]
# Credentials (get, list, watch) and tokens (all of these).
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
# What went wrong and what is well again. The operator works without.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* A binding's `roleRef` and `subjects`: (list . "ClusterRole" "name" "service account"), in the release's namespace. */}}
{{- define "dto.binding" -}}
{{- $root := index . 0 -}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ index . 1 }}
  name: {{ toYaml (index . 2) }}
subjects:
- kind: ServiceAccount
  name: {{ toYaml (index . 3) }}
  namespace: {{ toYaml $root.Release.Namespace }}
{{- end }}
