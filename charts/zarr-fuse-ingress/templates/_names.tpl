{{/* Names and labels. */}}

{{- define "zfi.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "zfi.fullname" -}}
{{- $name := include "zfi.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Selector labels of a component: (dict "root" . "component" "ingress") */}}
{{- define "zfi.selector" -}}
app.kubernetes.io/name: {{ include "zfi.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "zfi.labels" -}}
{{ include "zfi.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: zarr-fuse-ingress
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "zfi.metadata" -}}
{{- $suffix := default .component .suffix -}}
name: {{ printf "%s-%s" (include "zfi.fullname" .root) $suffix }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "zfi.labels" . | nindent 2 }}
{{- end -}}

{{/* (dict "root" . "service" .Values.ingressService "component" "ingress") */}}
{{- define "zfi.serviceAccountName" -}}
{{- $account := .service.serviceAccount -}}
{{- if $account.create -}}
{{- default (printf "%s-%s" (include "zfi.fullname" .root) .component) $account.name -}}
{{- else -}}
{{- default "default" $account.name -}}
{{- end -}}
{{- end -}}

{{/* (dict "root" . "image" .Values.ingressService.image) */}}
{{- define "zfi.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}

{{/* A host of ingress.hosts is a name, or an object with host and paths. */}}
{{- define "zfi.host" -}}
{{- if kindIs "string" . -}}{{- . -}}{{- else -}}{{- .host -}}{{- end -}}
{{- end -}}

{{- define "zfi.paths" -}}
{{- $whole := list (dict "path" "/") -}}
{{- if kindIs "string" . -}}{{- toJson $whole -}}{{- else -}}{{- toJson (default $whole .paths) -}}{{- end -}}
{{- end -}}
