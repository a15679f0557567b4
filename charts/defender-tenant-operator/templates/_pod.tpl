{{/* What the operator's pod and that of `helm test` have in common. */}}

{{/* The API server's token, CA and namespace where clients look for them, but mounted by us: without the automount, a
     container gets it only by saying so. */}}
{{- define "dto.tokenVolume" -}}
- name: kube-api-access
  projected:
    defaultMode: 0440
    sources:
    - serviceAccountToken:
        path: token
        expirationSeconds: {{ int .Values.serviceAccount.tokenExpirationSeconds }}
    - configMap:
        name: kube-root-ca.crt
        items:
        - key: ca.crt
          path: ca.crt
    - downwardAPI:
        items:
        - path: namespace
          fieldRef:
            fieldPath: metadata.namespace
{{- end }}

{{- define "dto.tokenMount" -}}
- name: kube-api-access
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}

{{/* Settings by which the operator reaches Microsoft, or what plays it. */}}
{{- define "dto.microsoftEnv" -}}
{{- if .Values.emulator.enabled }}
- name: DTO_TRIAL
  value: "true"
- name: DTO_HTTPS_PROXY
  value: {{ printf "http://%s.%s.svc:8080" (include "dto.part" (list . "emulator")) .Release.Namespace | quote }}
{{- else if .Values.httpsProxy.existingSecret }}
- name: DTO_HTTPS_PROXY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.httpsProxy.existingSecret | quote }}
      key: {{ .Values.httpsProxy.key | quote }}
{{- else if .Values.httpsProxy.url }}
- name: DTO_HTTPS_PROXY
  value: {{ .Values.httpsProxy.url | quote }}
{{- end }}
{{- if include "dto.caBundle" . }}
- name: DTO_CA_BUNDLE
  value: /etc/defender-tenant-operator/ca/ca.crt
{{- end }}
{{- end }}

{{/* The source of the CA bundle's volume; empty if there is none. */}}
{{- define "dto.caBundle" -}}
{{- if .Values.emulator.enabled }}
secret:
  secretName: {{ include "dto.emulatorSecret" . | quote }}
  defaultMode: 0440
  items:
  - key: tls.crt
    path: ca.crt
{{- else if or .Values.caBundle.configMap .Values.caBundle.secret }}
{{- if .Values.caBundle.configMap }}
configMap:
  name: {{ .Values.caBundle.configMap | quote }}
{{- else }}
secret:
  secretName: {{ .Values.caBundle.secret | quote }}
{{- end }}
  defaultMode: 0440
  items:
  - key: {{ .Values.caBundle.key | quote }}
    path: ca.crt
{{- end }}
{{- end }}

{{/* The operator's settings. What isn't set has no variable, so that the operator's own default holds. */}}
{{- define "dto.ownEnv" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: DTO_LISTEN
  value: {{ printf "%s:%d" (contains ":" .Values.listen.address | ternary (printf "[%s]" .Values.listen.address) .Values.listen.address) (int .Values.listen.port) | quote }}
- name: DTO_LEASE_NAME
  value: {{ .Values.leaderElection.leaseName | quote }}
{{- if gt (int .Values.shards) 1 }}
- name: DTO_SHARDS
  value: {{ int .Values.shards | quote }}
{{- if .Values.serverSideShards }}
- name: DTO_SERVER_SIDE_SHARDS
  value: "true"
{{- end }}
{{- end }}
{{- with .Values.watchNamespaces }}
- name: DTO_WATCH_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.operatorNamespace }}
- name: DTO_OPERATOR_NAMESPACE
  value: {{ . | quote }}
{{- end }}
{{- if .Values.allowNamespaceSelectors }}
- name: DTO_ALLOW_NAMESPACE_SELECTORS
  value: "true"
{{- end }}
{{- range $key := keys .Values.config | sortAlpha }}
{{- $value := get $.Values.config $key }}
{{- /* 0 and false are settings too. */}}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "") (and (kindIs "slice" $value) (empty $value))) }}
- name: DTO_{{ $key | snakecase | upper }}
  value: {{ kindIs "slice" $value | ternary (join "," $value) (toString $value) | quote }}
{{- end }}
{{- end }}
{{- include "dto.microsoftEnv" . }}
{{- if .Values.workloadIdentity.tokenFile }}
- name: DTO_FEDERATED_TOKEN_FILE
  value: {{ .Values.workloadIdentity.tokenFile | quote }}
{{- else if .Values.workloadIdentity.enabled }}
- name: DTO_FEDERATED_TOKEN_FILE
  value: /var/run/secrets/defender-tenant-operator/federated/token
{{- end }}
{{- if .Values.kubeconfig.existingSecret }}
- name: DTO_KUBECONFIG
  value: /etc/defender-tenant-operator/kubeconfig/kubeconfig
{{- end }}
{{- end }}

{{/* With extraEnv, which wins: a name that stood twice would be refused by server-side apply, and lost by a later patch. */}}
{{- define "dto.env" -}}
{{- $theirs := list }}
{{- range .Values.extraEnv }}{{ $theirs = append $theirs .name }}{{ end }}
{{- $env := list }}
{{- range include "dto.ownEnv" . | fromYamlArray }}
{{- if not (has .name $theirs) }}{{ $env = append $env . }}{{ end }}
{{- end }}
{{- concat $env .Values.extraEnv | toYaml }}
{{- end }}

{{- define "dto.caMount" -}}
{{- if include "dto.caBundle" . }}
- name: ca-bundle
  mountPath: /etc/defender-tenant-operator/ca
  readOnly: true
{{- end }}
{{- end }}

{{- define "dto.caVolume" -}}
{{- with include "dto.caBundle" . }}
- name: ca-bundle
  {{- trim . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "dto.volumeMounts" -}}
{{ include "dto.tokenMount" . }}
{{- include "dto.caMount" . }}
{{- if .Values.workloadIdentity.enabled }}
- name: federated-token
  mountPath: /var/run/secrets/defender-tenant-operator/federated
  readOnly: true
{{- end }}
{{- if .Values.kubeconfig.existingSecret }}
- name: kubeconfig
  mountPath: /etc/defender-tenant-operator/kubeconfig
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "dto.volumes" -}}
{{ include "dto.tokenVolume" . }}
{{- include "dto.caVolume" . }}
{{- if .Values.workloadIdentity.enabled }}
- name: federated-token
  projected:
    defaultMode: 0440
    sources:
    - serviceAccountToken:
        path: token
        audience: {{ .Values.workloadIdentity.audience | quote }}
        expirationSeconds: {{ int .Values.workloadIdentity.expirationSeconds }}
{{- end }}
{{- with .Values.kubeconfig.existingSecret }}
- name: kubeconfig
  secret:
    secretName: {{ quote . }}
    defaultMode: 0440
    items:
    - key: {{ $.Values.kubeconfig.key | quote }}
      path: kubeconfig
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Where and how a pod is scheduled, and what its containers may be. */}}
{{- define "dto.podBase" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- include "dto.imagePullSecrets" . }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ quote . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ quote . }}
{{- end }}
{{- with .Values.schedulerName }}
schedulerName: {{ quote . }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A probe of a path, unless the values say how else to probe: (list PROBE "/livez") */}}
{{- define "dto.probe" -}}
{{- $probe := index . 0 }}
{{- $other := or (hasKey $probe "exec") (hasKey $probe "tcpSocket") (hasKey $probe "grpc") }}
{{- merge dict $probe ($other | ternary dict (dict "httpGet" (dict "path" (index . 1) "port" "http"))) | toYaml }}
{{- end }}
