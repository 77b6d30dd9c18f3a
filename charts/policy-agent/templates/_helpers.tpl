{{/* Labels of every object. */}}
{{- define "policy-agent.labels" -}}
app.kubernetes.io/name: policy-agent
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The pods' own label. The old chart selected them by it, and a Deployment's selector cannot change in an upgrade. */}}
{{- define "policy-agent.selector" -}}
name: policy-agent
{{- end }}

{{- define "policy-agent.image" -}}
{{ .Values.image }}:{{ .Values.imageTag | default .Chart.AppVersion }}
{{- end }}

{{/* The spelling by which a map has a key: keys of the configuration are case-insensitive. */}}
{{- define "policy-agent.key" -}}
{{- $found := .key -}}
{{- range $key, $_ := .in -}}
{{- if eq (lower $key) (lower $.key) -}}{{- $found = $key -}}{{- end -}}
{{- end -}}
{{- $found -}}
{{- end }}

{{/* "yes" when the certificate comes from files instead of being made by the agent. */}}
{{- define "policy-agent.certificateFiles" -}}
{{- if or .Values.useCertManager .Values.certificate -}}yes{{- end -}}
{{- end }}

{{/* Adds to a map (into) what it does not say itself (from), however it spells its keys. */}}
{{- define "policy-agent.merge" -}}
{{- range $key, $value := .from -}}
{{- $key = include "policy-agent.key" (dict "in" $.into "key" $key) -}}
{{- $said := get $.into $key -}}
{{- if or (not (hasKey $.into $key)) (kindIs "invalid" $said) -}}
{{- $_ := set $.into $key $value -}}
{{- else if and (kindIs "map" $value) (kindIs "map" $said) -}}
{{- include "policy-agent.merge" (dict "into" $said "from" $value) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The configuration file: config, and where it says nothing, what other values say and the chart's defaults. */}}
{{- define "policy-agent.config" -}}
{{- $webhook := dict "failurePolicy" .Values.failurePolicy -}}
{{- with .Values.excludeNamespaces }}{{- $_ := set $webhook "excludeNamespaces" . -}}{{- end -}}
{{- if include "policy-agent.certificateFiles" . -}}
{{- $_ := set $webhook "certificates" "files" -}}
{{- $_ := set $webhook "certDir" "/certs" -}}
{{- end -}}
{{- $config := deepCopy .Values.config -}}
{{- include "policy-agent.merge" (dict "into" $config "from" (dict "admission" (dict "enabled" true "webhook" $webhook))) -}}
{{- /* The folders that have volumes are named, so that nothing but this chart decides where they are. */ -}}
{{- $journal := dict "dir" (include "policy-agent.journalDir" .) -}}
{{- if include "policy-agent.singleVolume" . }}{{- $_ := set $journal "maxSize" "256Mi" -}}{{- end -}}
{{- include "policy-agent.merge" (dict "into" $config "from" (dict "journal" $journal "resultsDir" "/logs")) -}}
{{- range $gate := list "admission" "audit" "tfAdmission" -}}
{{- if include "policy-agent.configured" (dict "config" $config "path" (list $gate "sinks" "hubSink" "url")) -}}
{{- include "policy-agent.merge" (dict "into" $config "from" (dict $gate (dict "sinks" (dict "hubSink" (dict "tokenFile" "/var/run/secrets/assay-hub/token"))))) -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end }}

{{/* A value of the configuration, by the path of its key; nothing when it is not there. */}}
{{- define "policy-agent.configured" -}}
{{- $at := .config -}}
{{- range .path -}}
{{- if kindIs "map" $at -}}{{- $at = get $at (include "policy-agent.key" (dict "in" $at "key" .)) -}}{{- else -}}{{- $at = "" -}}{{- end -}}
{{- end -}}
{{- if not (or (kindIs "map" $at) (kindIs "invalid" $at)) -}}{{- if kindIs "float64" $at -}}{{- int $at -}}{{- else -}}{{- $at -}}{{- end -}}{{- end -}}
{{- end }}

{{/* Something when results of any gate go to a hub with the token that the chart mounts. */}}
{{- define "policy-agent.hubSink" -}}
{{- $config := .Values.config | toJson | lower | fromJson -}}
{{- range list "admission" "audit" "tfadmission" -}}
{{- with get $config . }}{{- with .sinks -}}{{- with .hubsink }}{{- if not .tokenfile }}yes{{- end }}{{- end -}}{{- end -}}{{- end -}}
{{- end -}}
{{- end }}

{{/* Something when results of any gate become Kubernetes events: by the sink for them, or by that for Flux with an empty address. */}}
{{- define "policy-agent.eventsSink" -}}
{{- $config := .Values.config | toJson | lower | fromJson -}}
{{- range list "admission" "audit" "tfadmission" -}}
{{- with get $config . }}{{- with .sinks -}}
{{- with .k8seventssink }}{{- if eq (toString .enabled) "true" }}yes{{- end }}{{- end -}}
{{- with .fluxnotificationsink }}{{- if and (hasKey . "address") (not .address) }}yes{{- end }}{{- end -}}
{{- end }}{{- end -}}
{{- end -}}
{{- end }}

{{/* openreports or wgpolicy when audit keeps policy reports of that API. */}}
{{- define "policy-agent.policyReports" -}}
{{- $section := list "audit" "sinks" "policyReportSink" -}}
{{- if eq (lower (include "policy-agent.configured" (dict "config" .Values.config "path" (append $section "enabled")))) "true" -}}
{{- lower (include "policy-agent.configured" (dict "config" .Values.config "path" (append $section "api"))) | default "openreports" -}}
{{- end -}}
{{- end }}

{{/* "yes" when what runs in the cluster is audited. */}}
{{- define "policy-agent.audits" -}}
{{- if eq (lower (include "policy-agent.configured" (dict "config" .Values.config "path" (list "audit" "enabled")))) "true" -}}yes{{- end -}}
{{- end }}

{{/* The ports are those that the configuration says. */}}
{{- define "policy-agent.webhookPort" -}}
{{- include "policy-agent.configured" (dict "config" .Values.config "path" (list "admission" "webhook" "listen")) | default "8443" -}}
{{- end }}
{{- define "policy-agent.probesPort" -}}
{{- include "policy-agent.configured" (dict "config" .Values.config "path" (list "probesListen")) | default ":9000" | regexFind "[0-9]+$" -}}
{{- end }}
{{/* Nothing when metrics are off. */}}
{{- define "policy-agent.metricsPort" -}}
{{- include "policy-agent.configured" (dict "config" .Values.config "path" (list "metricsAddress")) | default ":8080" | regexFind ":[0-9]+$" | trimPrefix ":" -}}
{{- end }}

{{/* The folder of the journal. */}}
{{- define "policy-agent.journalDir" -}}
{{- include "policy-agent.configured" (dict "config" .Values.config "path" (list "journal" "dir")) | default "/var/lib/assay/journal" -}}
{{- end }}

{{/* Something when any gate has a sink. */}}
{{- define "policy-agent.anySink" -}}
{{- $config := .Values.config | toJson | lower | fromJson -}}
{{- range list "admission" "audit" "tfadmission" -}}
{{- with get $config . }}{{- if .sinks }}yes{{- end }}{{- end -}}
{{- end -}}
{{- end }}

{{/* One volume that only one node can mount holds one replica; otherwise there are two. */}}
{{- define "policy-agent.singleVolume" -}}
{{- if and .Values.persistence.enabled (ne .Values.persistence.accessMode "ReadWriteMany") -}}yes{{- end -}}
{{- end }}
{{- define "policy-agent.replicas" -}}
{{- if kindIs "invalid" .Values.replicas -}}
{{- if include "policy-agent.singleVolume" . -}}1{{- else -}}2{{- end -}}
{{- else -}}
{{- if and (include "policy-agent.singleVolume" .) (gt (int .Values.replicas) 1) -}}
{{- fail (printf "replicas is %d, but only one node can mount the volume of persistence.accessMode %s: set replicas to 1, or accessMode to ReadWriteMany with a storage class that offers it" (int .Values.replicas) .Values.persistence.accessMode) -}}
{{- end -}}
{{- int .Values.replicas -}}
{{- end -}}
{{- end }}

{{/* What restricted Pod Security asks of a container. */}}
{{- define "policy-agent.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
{{- define "policy-agent.podSecurity" -}}
{{ toYaml (mergeOverwrite (dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault")) (deepCopy .Values.podSecurityContext)) }}
{{- end }}

{{/* What a container needs to run assay. */}}
{{- define "policy-agent.environment" -}}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
