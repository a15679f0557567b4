{{/* The annotations of what exists for the length of `helm test` only. Nothing else in this chart is a hook. */}}
{{- define "dto.testAnnotations" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
