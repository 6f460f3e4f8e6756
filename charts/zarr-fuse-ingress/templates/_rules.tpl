{{/* Rules between values: each refusal says what to do. */}}

{{- define "zfi.rules" -}}
{{- include "zfi.renamed" . -}}
{{- include "zfi.storageRules" . -}}
{{- include "zfi.airflowRules" . -}}
{{- include "zfi.routeRules" . -}}
{{- include "zfi.inputsRules" . -}}
{{- end -}}

{{- define "zfi.storageRules" -}}
{{- $s3 := .Values.global.s3 -}}
{{- if not $s3.storeUrl -}}
{{- fail "global.s3.storeUrl is empty: name the default store, such as s3://measurements/site/store.zarr" -}}
{{- end -}}
{{- if ne (empty $s3.secrets.accessKey) (empty $s3.secrets.secretKey) -}}
{{- fail "global.s3.secrets: accessKey and secretKey belong together; set both, or neither for the AWS credential chain" -}}
{{- end -}}
{{- if and $s3.existingSecret $s3.secrets.accessKey -}}
{{- fail "global.s3: existingSecret and secrets.accessKey exclude each other; keep one of them" -}}
{{- end -}}
{{- range $place, $settings := dict "settings" .Values.settings "ingressService.settings" .Values.ingressService.settings "extractorService.settings" .Values.extractorService.settings -}}
{{- range $name, $value := dict "S3_ACCESS_KEY" "global.s3.secrets.accessKey" "S3_SECRET_KEY" "global.s3.secrets.secretKey" "S3_ENDPOINT_URL" "global.s3.endpointUrl" "S3_REGION" "global.s3.region" "S3_STORE_URL" "global.s3.storeUrl" "S3_QUEUE_URL" "global.s3.queueUrl" "BASIC_AUTH_USERS_JSON" "ingressService.auth.users" "AUTH_ENABLED" "ingressService.auth.enabled" "HOST" "ingressService.service" "PORT" "ingressService.service.port" "CONFIG_PATH" "inputs" "AIRFLOW_URL" "extractorService.airflow" "AIRFLOW_USERNAME" "extractorService.airflow" "AIRFLOW_PASSWORD" "extractorService.airflow.secrets.ingressPassword" "SWEEP_CRON" "extractorService.airflow.sweepCron" "HOUSEKEEPING_CRON" "extractorService.airflow.housekeepingCron" -}}
{{- if hasKey $settings $name -}}
{{- fail (printf "%s.%s cannot be set here: it follows from %s" $place $name $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "zfi.airflowRules" -}}
{{- $airflow := .Values.extractorService.airflow -}}
{{- $postgres := .Values.extractorService.postgres -}}
{{- if and (ne $airflow.executor "LocalExecutor") (not $airflow.remoteLogs.enabled) -}}
{{- fail (printf "extractorService.airflow.executor=%s runs tasks in other pods, whose logs die with them: set extractorService.airflow.remoteLogs.enabled and .url" $airflow.executor) -}}
{{- end -}}
{{- if and $airflow.remoteLogs.enabled (not (hasPrefix "s3://" $airflow.remoteLogs.url)) -}}
{{- fail "extractorService.airflow.remoteLogs.url must be an address such as s3://measurements/airflow-logs" -}}
{{- end -}}
{{- if and (eq $airflow.executor "CeleryExecutor") (not $airflow.broker.url) (not $airflow.broker.existingSecret) -}}
{{- fail "extractorService.airflow.executor=CeleryExecutor needs a Redis: set extractorService.airflow.broker.url or .existingSecret" -}}
{{- end -}}
{{- if and (not $postgres.enabled) (not $postgres.host) (not $postgres.existingSecret) -}}
{{- fail "extractorService.postgres.enabled=false needs a database of yours: set extractorService.postgres.host and .password, or .existingSecret with the key connection" -}}
{{- end -}}
{{- if and (not $postgres.enabled) $postgres.host (not $postgres.existingSecret) (not $postgres.password) -}}
{{- fail "extractorService.postgres.password is empty: a database of yours needs it, or .existingSecret with the key connection" -}}
{{- end -}}
{{- if and $postgres.enabled $postgres.host -}}
{{- fail "extractorService.postgres.host names a database of yours: set extractorService.postgres.enabled=false with it" -}}
{{- end -}}
{{- range $name := keys $airflow.config -}}
{{- if not (regexMatch "^AIRFLOW__[A-Z0-9_]+__[A-Z0-9_]+$" $name) -}}
{{- fail (printf "extractorService.airflow.config.%s is no option of Airflow: write AIRFLOW__SECTION__OPTION" $name) -}}
{{- end -}}
{{- end -}}
{{- if and $airflow.secrets.fernetKey (ne (len $airflow.secrets.fernetKey) 44) -}}
{{- fail "extractorService.airflow.secrets.fernetKey must be 32 bytes in URL-safe base64, which is 44 characters" -}}
{{- end -}}
{{- if and $airflow.secrets.jwtSecret (lt (len $airflow.secrets.jwtSecret) 64) -}}
{{- fail "extractorService.airflow.secrets.jwtSecret is too short: use 64 characters or more" -}}
{{- end -}}
{{- end -}}

{{- define "zfi.routeRules" -}}
{{- $service := .Values.ingressService -}}
{{- if and (or .Values.ingress.enabled .Values.gateway.enabled) (not .Values.ingress.hosts.ingressService) (not .Values.ingress.hosts.extractorService) -}}
{{- fail "ingress.hosts is empty: name a host in ingress.hosts.ingressService, or leave ingress.enabled and gateway.enabled off" -}}
{{- end -}}
{{- if and (or .Values.ingress.enabled .Values.gateway.enabled) .Values.ingress.hosts.extractorService .Values.networkPolicy.enabled (not .Values.networkPolicy.extractorServiceFrom) -}}
{{- fail "networkPolicy.extractorServiceFrom is empty, so the hosts of ingress.hosts.extractorService would reach nothing: name the peers of your ingress controller, such as [{namespaceSelector: {}}]" -}}
{{- end -}}
{{- if and .Values.monitoring.serviceMonitor.enabled .Values.networkPolicy.enabled .Values.networkPolicy.ingressServiceFrom (not .Values.networkPolicy.metricsFrom) -}}
{{- fail "networkPolicy.metricsFrom is empty, so Prometheus would reach nothing: name its peers, such as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]" -}}
{{- end -}}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) -}}
{{- fail "gateway.parentRefs is empty: name the Gateway that the routes belong to" -}}
{{- end -}}
{{- if and $service.autoscaling.enabled (gt (int $service.autoscaling.minReplicas) (int $service.autoscaling.maxReplicas)) -}}
{{- fail "ingressService.autoscaling: minReplicas is larger than maxReplicas" -}}
{{- end -}}
{{- $replicas := ternary $service.autoscaling.minReplicas $service.replicas $service.autoscaling.enabled | int -}}
{{- if and $service.podDisruptionBudget.enabled (gt $replicas 1) (ge (int $service.podDisruptionBudget.minAvailable) $replicas) -}}
{{- fail (printf "ingressService.podDisruptionBudget.minAvailable=%d with %d replicas lets no node ever be drained; lower it" (int $service.podDisruptionBudget.minAvailable) $replicas) -}}
{{- end -}}
{{- with include "zfi.spool" . -}}
{{- $spool := . -}}
{{- if or $service.autoscaling.enabled (gt (int $service.replicas) 1) -}}
{{- fail (printf "SPOOL_DIR=%s belongs to one process: set ingressService.replicas to 1 and leave autoscaling off, or do without it" $spool) -}}
{{- end -}}
{{- $place := dict "mounted" false -}}
{{- range $mount := $service.extraVolumeMounts -}}
{{- if hasPrefix $mount.mountPath $spool }}{{- $_ := set $place "mounted" true -}}{{- end -}}
{{- end -}}
{{- if not $place.mounted -}}
{{- fail (printf "SPOOL_DIR=%s holds acknowledged uploads, so it must lie on a volume that outlives the pod: mount one with ingressService.extraVolumes and .extraVolumeMounts" $spool) -}}
{{- end -}}
{{- end -}}
{{- if and $service.auth.enabled $service.auth.existingSecret $service.auth.users -}}
{{- fail "ingressService.auth: existingSecret and users exclude each other; keep one of them" -}}
{{- end -}}
{{- end -}}

{{- define "zfi.inputsRules" -}}
{{- if and .Values.inputs.existingConfigMap .Values.inputs.files -}}
{{- fail "inputs: existingConfigMap and files exclude each other; keep one of them" -}}
{{- end -}}
{{- if .Values.inputs.files -}}
{{- if not (hasKey .Values.inputs.files "configuration.yaml") -}}
{{- fail "inputs.files replaces everything in the image, so it needs a configuration.yaml" -}}
{{- end -}}
{{- if gt (len (toJson .Values.inputs.files)) 1000000 -}}
{{- fail "inputs.files is larger than a ConfigMap may be (1 MB): bake the files into the images instead" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Names that other installations use for what has another name here. */}}
{{- define "zfi.renamed" -}}
{{- $new := dict
  "global.s3.accessKey" "global.s3.secrets.accessKey"
  "global.s3.secretKey" "global.s3.secrets.secretKey"
  "global.s3.bucket" "global.s3.storeUrl"
  "ingressService.replicaCount" "ingressService.replicas"
  "ingressService.basicAuth" "ingressService.auth.users"
  "ingressService.users" "ingressService.auth.users"
  "ingressService.hpa" "ingressService.autoscaling"
  "extractorService.executor" "extractorService.airflow.executor"
  "extractorService.airflow.fernetKey" "extractorService.airflow.secrets.fernetKey"
  "extractorService.airflow.secretKey" "extractorService.airflow.secrets.apiSecretKey"
  "extractorService.airflow.webserverSecretKey" "extractorService.airflow.secrets.apiSecretKey"
  "extractorService.airflow.jwtSecret" "extractorService.airflow.secrets.jwtSecret"
  "extractorService.airflow.adminPassword" "extractorService.airflow.secrets.adminPassword"
  "extractorService.postgres.user" "extractorService.postgres.username"
  "extractorService.postgres.db" "extractorService.postgres.database"
  "extractorService.postgres.persistence" "extractorService.postgres.storage"
-}}
{{- $values := .Values -}}
{{- range $old := keys $new | sortAlpha -}}
{{- $place := dict "at" $values -}}
{{- range $part := splitList "." $old -}}
{{- $here := index $place "at" -}}
{{- if and (kindIs "map" $here) (hasKey $here $part) -}}
{{- $_ := set $place "at" (index $here $part) -}}
{{- else -}}
{{- $_ := set $place "at" "zfi-absent" -}}
{{- end -}}
{{- end -}}
{{- if not (eq (toString (index $place "at")) "zfi-absent") -}}
{{- fail (printf "%s is called %s here" $old (index $new $old)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
