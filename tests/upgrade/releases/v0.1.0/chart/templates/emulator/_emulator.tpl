{{- define "dto.emulatorSecret" -}}
{{- default (include "dto.part" (list . "emulator")) .Values.emulator.existingSecret }}
{{- end }}

{{- define "dto.trialCredential" -}}
{{- default (include "dto.part" (list . "trial-credential")) .Values.emulator.existingCredentialSecret }}
{{- end }}

{{/* Where the credential must be: an application's in the operator's namespace; without applications, a tenant's beside it. */}}
{{- define "dto.trialCredentialNamespace" -}}
{{- first (append .Values.watchNamespaces (include "dto.operatorNamespace" .)) }}
{{- end }}

{{/* The namespace of the trial's tenant. */}}
{{- define "dto.trialNamespace" -}}
{{- first (append .Values.watchNamespaces .Release.Namespace) }}
{{- end }}

{{/* What is generated for the emulator, or was by an earlier release: the same for every template of one rendering, and so
     kept in .Values. As JSON: clientSecret, tlsCrt, tlsKey. */}}
{{- define "dto.emulatorState" -}}
{{- if not (hasKey .Values.emulator "generated") }}
{{- $old := (lookup "v1" "Secret" .Release.Namespace (include "dto.emulatorSecret" .)).data | default dict }}
{{- $state := dict }}
{{- if and (hasKey $old "tls.crt") (hasKey $old "tls.key") (hasKey $old "client-secret") }}
{{- $state = dict "clientSecret" (get $old "client-secret" | b64dec) "tlsCrt" (get $old "tls.crt" | b64dec) "tlsKey" (get $old "tls.key" | b64dec) }}
{{- else }}
{{- $ca := genCA "entra-emulator trial CA" 3650 }}
{{- $state = dict "clientSecret" (randAlphaNum 40) "tlsCrt" $ca.Cert "tlsKey" $ca.Key }}
{{- end }}
{{- $_ := set .Values.emulator "generated" $state }}
{{- end }}
{{- toJson .Values.emulator.generated }}
{{- end }}

{{/* The emulator's configuration: one application, one customer who has consented, and what the values add. */}}
{{- define "dto.emulatorConfig" -}}
{{- $emulator := .Values.emulator }}
{{- $state := include "dto.emulatorState" . | fromJson }}
{{- $application := dict "secrets" (list $state.clientSecret) "requiredRoles" $emulator.roles "displayName" "Trial" }}
{{- $tenant := dict "consents" (dict $emulator.clientId $emulator.roles) }}
{{- $config := dict "applications" (dict $emulator.clientId $application) "tenants" (dict $emulator.tenantId $tenant) }}
{{- mergeOverwrite $config (deepCopy $emulator.config) | toPrettyJson }}
{{- end }}

{{/* Changes when the pods must start anew. */}}
{{- define "dto.emulatorChecksum" -}}
{{- if .Values.emulator.existingSecret }}
{{- .Values.emulator.existingSecret | sha256sum }}
{{- else }}
{{- printf "%s%s" (include "dto.emulatorState" .) (include "dto.emulatorConfig" .) | sha256sum }}
{{- end }}
{{- end }}

{{/* The DefenderTenants that the operator would serve, where Helm sees the cluster: a JSON list of {name, tenantId}. */}}
{{- define "dto.servedTenants" -}}
{{- $found := list }}
{{- if .Capabilities.APIVersions.Has "defendertenant.io/v1alpha1/DefenderTenant" }}
{{- range $namespace := default (list "") .Values.watchNamespaces }}
{{- range (lookup "defendertenant.io/v1alpha1" "DefenderTenant" $namespace "").items }}
{{- $found = append $found (dict "name" (printf "%s/%s" .metadata.namespace .metadata.name) "tenantId" .spec.tenantId) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $found }}
{{- end }}
