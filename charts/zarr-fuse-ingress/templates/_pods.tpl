{{/* What all pods have in common: nobody is root, nothing is written outside of volumes. */}}

{{- define "zfi.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "zfi.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "zfi.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "zfi.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The keys of the object storage; without any, the AWS credential chain is asked. */}}
{{- define "zfi.s3Env" -}}
{{- if include "zfi.hasS3Secret" . }}
{{- $secret := default (printf "%s-s3" (include "zfi.fullname" .)) .Values.global.s3.existingSecret }}
- name: S3_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: S3_ACCESS_KEY}
- name: S3_SECRET_KEY
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: S3_SECRET_KEY}
{{- end }}
{{- end -}}

{{- define "zfi.hasS3Secret" -}}
{{- if or .Values.global.s3.existingSecret .Values.global.s3.secrets.accessKey -}}yes{{- end -}}
{{- end -}}

{{/* The configuration, schemas and extractors from a ConfigMap, in place of those in the image. */}}
{{- define "zfi.hasInputs" -}}
{{- if or .Values.inputs.existingConfigMap .Values.inputs.files -}}yes{{- end -}}
{{- end -}}

{{- define "zfi.inputsMount" -}}
{{- if include "zfi.hasInputs" . }}
- name: inputs
  mountPath: /app/inputs
  readOnly: true
{{- end }}
{{- end -}}

{{- define "zfi.inputsVolume" -}}
{{- if include "zfi.hasInputs" . }}
- name: inputs
  configMap:
    name: {{ default (printf "%s-inputs" (include "zfi.fullname" .)) .Values.inputs.existingConfigMap }}
    {{- if .Values.inputs.existingConfigMap }}
    {{- with .Values.inputs.items }}
    items:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- else }}
    items:
      {{- range $path := keys .Values.inputs.files | sortAlpha }}
      - key: {{ include "zfi.inputKey" $path }}
        path: {{ $path }}
      {{- end }}
    {{- end }}
{{- end }}
{{- end -}}

{{/* Keys of a ConfigMap hold no slash. */}}
{{- define "zfi.inputKey" -}}
{{- . | replace "/" "__" -}}
{{- end -}}

{{/* The folder that keeps uploads while the storage is away, if one is set. */}}
{{- define "zfi.spool" -}}
{{- coalesce (index .Values.ingressService.settings "SPOOL_DIR") (index .Values.settings "SPOOL_DIR") | default "" -}}
{{- end -}}

{{/* Rolls the pods when what they read has changed; generated secrets stay out, they never change. */}}
{{- define "zfi.checksum" -}}
{{- $airflow := .Values.extractorService.airflow -}}
{{- $maps := list (include (print .Template.BasePath "/common/settings.yaml") .) (include (print .Template.BasePath "/airflow/configmap.yaml") .) (include (print .Template.BasePath "/airflow/kubernetes-executor.yaml") .) -}}
{{- list $maps .Values.inputs .Values.global.s3.secrets .Values.ingressService.auth $airflow.secrets $airflow.broker .Values.extractorService.postgres.password | toJson | sha256sum -}}
{{- end -}}

{{/* Large numbers come out of YAML as floats; 1.073741824e+09 is not what a setting wants. */}}
{{- define "zfi.settingText" -}}
{{- if kindIs "float64" . -}}
{{- if eq (floor .) . -}}{{- printf "%.0f" . -}}{{- else -}}{{- printf "%v" . -}}{{- end -}}
{{- else -}}
{{- printf "%v" . -}}
{{- end -}}
{{- end -}}

{{/* What every pod may call: name service, the object storage, and what the values add. */}}
{{- define "zfi.egress" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
- ports:
    {{- range $port := include "zfi.egressPorts" . | fromJsonArray }}
    - {port: {{ $port }}}
    {{- end }}
{{- with .Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Ports that may be called anywhere; the one of the storage endpoint is always among them. */}}
{{- define "zfi.egressPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.egressPorts }}{{- $ports = append $ports (int .) -}}{{- end -}}
{{- with .Values.global.s3.endpointUrl -}}
{{- $port := regexFind ":[0-9]+$" (urlParse .).host -}}
{{- if $port }}{{- $ports = append $ports (trimPrefix ":" $port | int) -}}{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
