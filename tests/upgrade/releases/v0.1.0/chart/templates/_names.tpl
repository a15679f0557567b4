{{/* Names and labels. Kubernetes allows 63 characters where a name is also a label. */}}

{{- define "dto.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "dto.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $long := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- default $long .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The release's name with a suffix: (list . "emulator") */}}
{{- define "dto.part" -}}
{{- $root := index . 0 }}{{ $suffix := index . 1 }}
{{- printf "%s-%s" (include "dto.fullname" $root | trunc (int (sub 62 (len $suffix))) | trimSuffix "-") $suffix }}
{{- end }}

{{- define "dto.serviceAccountName" -}}
{{- default (include "dto.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "dto.operatorNamespace" -}}
{{- default .Release.Namespace .Values.operatorNamespace }}
{{- end }}

{{/* Labels of an object: (list . "operator") */}}
{{- define "dto.labels" -}}
{{- $root := index . 0 }}
{{- include "dto.selectorLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: defender-tenant-operator
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "dto.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "dto.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Of a pod: nothing that changes with the chart alone, and would start all pods anew. */}}
{{- define "dto.podLabels" -}}
{{- $root := index . 0 }}
{{- include "dto.selectorLabels" . }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Name, labels and annotations of an object, to stand below `metadata:`.
     (dict "root" . "name" … "component" "operator" "namespace" … "labels" (dict) "annotations" (dict)); without a
     namespace the object belongs to the cluster. */}}
{{- define "dto.metadata" -}}
name: {{ .name }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "dto.labels" (list .root (default "operator" .component)) | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The one place where an image's reference is made: (list . .Values.image) */}}
{{- define "dto.image" -}}
{{- $root := index . 0 }}{{ $image := index . 1 }}
{{- $registry := coalesce ($root.Values.global).imageRegistry $image.registry $root.Values.image.registry }}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default $root.Chart.AppVersion $image.tag }}{{ end }}
{{- end }}

{{- define "dto.imagePullSecrets" -}}
{{- $names := list }}
{{- range concat (default list (.Values.global).imagePullSecrets) .Values.image.pullSecrets }}
{{- /* A parent chart may have them as names or as references. */}}
{{- if kindIs "map" . }}{{ $names = append $names .name }}{{ else }}{{ $names = append $names . }}{{ end }}
{{- end }}
{{- with uniq $names }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Whether an object of Prometheus Operator is rendered, "true" or nothing: (list . "PodMonitor") */}}
{{- define "dto.monitoring" -}}
{{- $root := index . 0 }}{{ $kind := index . 1 }}{{ $mode := $root.Values.monitor.renderMode }}
{{- $known := $root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" $kind) }}
{{- if and (not $known) (eq $mode "failIfMissing") }}
{{- fail (printf "monitor.renderMode is failIfMissing, and the cluster knows no %s of monitoring.coreos.com/v1: install Prometheus Operator's CRDs first, or set monitor.renderMode" $kind) }}
{{- end }}
{{- or $known (eq $mode "alwaysRender") | ternary "true" "" }}
{{- end }}
