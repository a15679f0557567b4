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

{{- define "dto.selectorLabels" -}}
{{- $root := index . 0 -}}
{{- dict "app.kubernetes.io/name" (include "dto.name" $root) "app.kubernetes.io/instance" $root.Release.Name "app.kubernetes.io/component" (index . 1) | toYaml }}
{{- end }}

{{/* Labels are merged as a whole, so that no key stands twice; the first one wins, and that is always the selector's.
     (list . "operator" LABELS…) */}}
{{- define "dto.mergedLabels" -}}
{{- $merged := include "dto.selectorLabels" . | fromYaml }}
{{- range slice . 2 }}{{ $merged = merge $merged (default dict .) }}{{ end }}
{{- toYaml $merged }}
{{- end }}

{{/* Of an object: (list . "operator" LABELS) */}}
{{- define "dto.labels" -}}
{{- $root := index . 0 }}
{{- $managed := dict "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- $chart := printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- $default := dict "app.kubernetes.io/version" $root.Chart.AppVersion "app.kubernetes.io/part-of" "defender-tenant-operator" "helm.sh/chart" $chart }}
{{- include "dto.mergedLabels" (list $root (index . 1) $managed (index . 2) $root.Values.commonLabels $default) }}
{{- end }}

{{/* Of a pod: nothing that changes with the chart alone, and would start all pods anew. (list . "operator" LABELS) */}}
{{- define "dto.podLabels" -}}
{{- $root := index . 0 }}
{{- include "dto.mergedLabels" (list $root (index . 1) (index . 2) $root.Values.commonLabels) }}
{{- end }}

{{/* Name, labels and annotations of an object, to stand below `metadata:`.
     (dict "root" . "name" … "component" "operator" "namespace" … "labels" (dict) "annotations" (dict)); without a
     namespace the object belongs to the cluster. */}}
{{- define "dto.metadata" -}}
name: {{ toYaml .name }}
{{- with .namespace }}
namespace: {{ toYaml . }}
{{- end }}
labels:
  {{- include "dto.labels" (list .root (default "operator" .component) .labels) | nindent 2 }}
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
- name: {{ quote . }}
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

{{/* The port of httpsProxy.url: the one that it names, else its scheme's; 443 where there is no proxy. */}}
{{- define "dto.proxyPort" -}}
{{- $url := trimSuffix "/" .Values.httpsProxy.url }}
{{- regexFind ":[0-9]+$" $url | trimPrefix ":" | default (hasPrefix "http:" $url | ternary "80" "443") }}
{{- end }}
