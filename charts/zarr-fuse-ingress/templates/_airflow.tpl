{{/* What every pod of Airflow has in common. */}}

{{- define "zfi.airflowUrl" -}}
{{- printf "http://%s-airflow:%v" (include "zfi.fullname" .) .Values.extractorService.service.port -}}
{{- end -}}

{{/* Where people find the Airflow UI. */}}
{{- define "zfi.airflowBaseUrl" -}}
{{- $airflow := .Values.extractorService.airflow -}}
{{- $hosts := .Values.ingress.hosts.extractorService -}}
{{- if $airflow.baseUrl -}}
{{- $airflow.baseUrl -}}
{{- else if and $hosts (or .Values.ingress.enabled .Values.gateway.enabled) -}}
{{- printf "%s://%s" (ternary "https" "http" (not (empty .Values.ingress.tls))) (include "zfi.host" (first $hosts)) -}}
{{- else -}}
{{- include "zfi.airflowUrl" . -}}
{{- end -}}
{{- end -}}

{{- define "zfi.loopbackUrl" -}}
http://127.0.0.1:8080/execution/
{{- end -}}

{{/* One pod runs everything with the LocalExecutor, so tasks reach the API over loopback. */}}
{{- define "zfi.executionUrl" -}}
{{- if eq .Values.extractorService.airflow.executor "LocalExecutor" -}}
{{- include "zfi.loopbackUrl" . -}}
{{- else -}}
{{- include "zfi.airflowUrl" . }}/execution/
{{- end -}}
{{- end -}}

{{- define "zfi.airflowSecret" -}}
{{- default (printf "%s-airflow" (include "zfi.fullname" .)) .Values.extractorService.airflow.existingSecret -}}
{{- end -}}

{{- define "zfi.postgresSecret" -}}
{{- default (printf "%s-postgres" (include "zfi.fullname" .)) .Values.extractorService.postgres.existingSecret -}}
{{- end -}}

{{- define "zfi.postgresHost" -}}
{{- if .Values.extractorService.postgres.enabled -}}
{{- printf "%s-postgres" (include "zfi.fullname" .) -}}
{{- else -}}
{{- .Values.extractorService.postgres.host -}}
{{- end -}}
{{- end -}}

{{- define "zfi.brokerSecret" -}}
{{- default (printf "%s-broker" (include "zfi.fullname" .)) .Values.extractorService.airflow.broker.existingSecret -}}
{{- end -}}

{{- define "zfi.brokerPort" -}}
{{- $port := regexFind ":[0-9]+$" (urlParse .Values.extractorService.airflow.broker.url).host -}}
{{- default "6379" (trimPrefix ":" $port) -}}
{{- end -}}

{{- define "zfi.airflowEnv" -}}
{{- $secret := include "zfi.airflowSecret" . -}}
{{- $airflow := .Values.extractorService.airflow -}}
{{- range $name, $key := dict "AIRFLOW__CORE__FERNET_KEY" "fernet-key" "AIRFLOW__API__SECRET_KEY" "api-secret-key" "AIRFLOW__API_AUTH__JWT_SECRET" "jwt-secret" "AIRFLOW_ADMIN_PASSWORD" "admin-password" "AIRFLOW_INGRESS_PASSWORD" "ingress-password" "AIRFLOW_PASSWORD" "ingress-password" }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ $key }}}
{{- end }}
- name: AIRFLOW__DATABASE__SQL_ALCHEMY_CONN
  valueFrom:
    secretKeyRef: {name: {{ include "zfi.postgresSecret" . }}, key: connection}
{{- if eq $airflow.executor "CeleryExecutor" }}
- name: AIRFLOW__CELERY__BROKER_URL
  valueFrom:
    secretKeyRef: {name: {{ include "zfi.brokerSecret" . }}, key: url}
{{- end }}
{{- include "zfi.s3Env" . }}
{{- if $airflow.remoteLogs.enabled }}
- name: AIRFLOW_CONN_INGRESS_LOGS
  value: {{ include "zfi.logsConnection" . | quote }}
{{- end }}
{{- with concat .Values.env .Values.extractorService.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The connection of the remote logs; Kubernetes puts the keys in. */}}
{{- define "zfi.logsConnection" -}}
{{- $extra := dict "region_name" .Values.global.s3.region -}}
{{- with .Values.global.s3.endpointUrl }}{{- $_ := set $extra "endpoint_url" . -}}{{- end -}}
{{- $connection := dict "conn_type" "aws" "extra" $extra -}}
{{- if include "zfi.hasS3Secret" . -}}
{{- $_ := set $connection "login" "$(S3_ACCESS_KEY)" -}}
{{- $_ := set $connection "password" "$(S3_SECRET_KEY)" -}}
{{- end -}}
{{- toJson $connection -}}
{{- end -}}

{{- define "zfi.airflowEnvFrom" -}}
- configMapRef: {name: {{ include "zfi.fullname" . }}-settings}
- configMapRef: {name: {{ include "zfi.fullname" . }}-airflow}
{{- with concat .Values.envFrom .Values.extractorService.envFrom }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* (dict "root" . "name" "scheduler"): each container has a home of its own; they share the logs. */}}
{{- define "zfi.airflowContainer" -}}
image: {{ include "zfi.image" (dict "root" .root "image" .root.Values.extractorService.image) }}
imagePullPolicy: {{ .root.Values.extractorService.image.pullPolicy }}
securityContext:
  {{- include "zfi.containerSecurity" . | nindent 2 }}
envFrom:
  {{- include "zfi.airflowEnvFrom" .root | nindent 2 }}
env:
  {{- include "zfi.airflowEnv" .root | trim | nindent 2 }}
volumeMounts:
  - {name: home, mountPath: /opt/airflow, subPath: {{ .name }}}
  - {name: logs, mountPath: /opt/airflow/logs}
  - {name: tmp, mountPath: /tmp, subPath: {{ .name }}}
  {{- with include "zfi.inputsMount" .root | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .root.Values.extractorService.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .mounts }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "zfi.airflowVolumes" -}}
- name: home
  emptyDir: {}
- name: logs
  emptyDir:
    sizeLimit: {{ .Values.extractorService.airflow.logsSize }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.extractorService.tmpSize }}
{{- include "zfi.inputsVolume" . }}
{{- with .Values.extractorService.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Waits until the migration job has brought the database up to this release. */}}
{{- define "zfi.waitForMigration" -}}
- name: wait-for-migration
  {{- include "zfi.airflowContainer" (dict "root" . "name" "wait") | nindent 2 }}
  args: [sh, -c, "airflow db check --retry 60 --retry-delay 5 && airflow db check-migrations --migration-wait-timeout 600"]
  resources:
    {{- toYaml .Values.extractorService.airflow.dagProcessor.resources | nindent 4 }}
{{- end -}}

{{- define "zfi.airflowPod" -}}
serviceAccountName: {{ include "zfi.serviceAccountName" (dict "root" . "service" .Values.extractorService "component" "airflow") }}
enableServiceLinks: false
{{- include "zfi.pullSecrets" . }}
securityContext:
  {{- include "zfi.podSecurity" 10001 | nindent 2 }}
{{- include "zfi.scheduling" .Values.extractorService }}
{{- end -}}
