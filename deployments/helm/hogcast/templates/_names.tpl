{{- define "hogcast.name" -}}
{{- regexReplaceAll "-+$" (default .Chart.Name .Values.nameOverride | trunc 63) "" -}}
{{- end -}}

{{- /*
48: room for the longest suffix of what takes 63, a Job's. A release may have
dots in its name, a Service may not.
*/ -}}
{{- define "hogcast.fullname" -}}
{{- $name := include "hogcast.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- regexReplaceAll "-+$" (default $full .Values.fullnameOverride | replace "." "-" | trunc 48) "" -}}
{{- end -}}

{{- /* serviceName of {name}: a Service's begins with a letter. */ -}}
{{- define "hogcast.serviceName" -}}
{{- if not (regexMatch "^[a-z]" .name) -}}
{{- fail (printf "fullnameOverride: the name of a Service can't begin with a digit, as %s does; give another" .name) -}}
{{- end -}}
{{- .name -}}
{{- end -}}

{{- define "hogcast.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "hogcast.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "hogcast.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* image: a digest comes before a tag. */ -}}
{{- define "hogcast.image" -}}
{{- $image := .Values.image -}}
{{- $tag := default .Chart.AppVersion $image.tag -}}
{{- if contains ":" (base $image.repository) -}}
{{- fail (printf "image.repository: %s has a tag; that goes into image.tag" $image.repository) -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else if eq (toString $tag) "latest" -}}
{{- fail "image.tag: latest is no version: what runs would change without a rollout, and can't be rolled back; name one, or a digest" -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (toString $tag) -}}
{{- end -}}
{{- end -}}

{{- /* selectorLabels and labels take {root, component}. */ -}}
{{- define "hogcast.selectorLabels" -}}
app.kubernetes.io/name: {{ include "hogcast.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "hogcast.labels" -}}
{{- $labels := include "hogcast.selectorLabels" . | fromYaml -}}
{{- $chart := printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- $more := dict "helm.sh/chart" $chart "app.kubernetes.io/version" .root.Chart.AppVersion "app.kubernetes.io/managed-by" .root.Release.Service "app.kubernetes.io/part-of" "hogcast" -}}
{{- merge $labels $more (deepCopy (default dict .root.Values.commonLabels)) | toYaml -}}
{{- end -}}

{{- /* metadata takes {root, component, name} and labels, annotations, namespace. */ -}}
{{- define "hogcast.metadata" -}}
name: {{ .name }}
namespace: {{ default (include "hogcast.namespace" .root) .namespace }}
labels:
  {{- merge (include "hogcast.labels" . | fromYaml) (deepCopy (default dict .labels)) | toYaml | nindent 2 }}
{{- with merge (deepCopy (default dict .annotations)) (deepCopy (default dict .root.Values.commonAnnotations)) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
