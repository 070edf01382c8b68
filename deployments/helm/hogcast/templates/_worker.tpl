{{- define "hogcast.keyRingSecret" -}}
{{- if .Values.keyRing.existingSecret -}}
{{- .Values.keyRing.existingSecret -}}
{{- else if include "hogcast.external" .Values.keyRing.externalSecret -}}
{{- printf "%s-keys" (include "hogcast.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "hogcast.destinationsName" -}}
{{- default (printf "%s-destinations" (include "hogcast.fullname" .)) .Values.destinations.existing -}}
{{- end -}}

{{- /* checkWorker says what is missing or contradicts itself. */ -}}
{{- define "hogcast.checkWorker" -}}
{{- $d := .Values.destinations -}}
{{- $external := include "hogcast.external" $d.externalSecret -}}
{{- if and (eq $d.from "configMap") (not $d.existing) -}}
{{- fail "destinations.existing: missing; `from: configMap` reads one of yours" -}}
{{- end -}}
{{- if and (eq $d.from "secret") (not $d.existing) (not $external) -}}
{{- fail "destinations.existing: missing; `from: secret` reads one of yours, or one of destinations.externalSecret" -}}
{{- end -}}
{{- if and (eq $d.from "values") (not $d.values) -}}
{{- fail "destinations.values: empty; `from: values` reads them" -}}
{{- end -}}
{{- if and $d.values (ne $d.from "values") -}}
{{- fail (printf "destinations.values: given, but destinations.from is %s; set it to values" $d.from) -}}
{{- end -}}
{{- if and $external (or (ne $d.from "secret") $d.existing) -}}
{{- fail "destinations.externalSecret: given; it goes with `from: secret` and without `existing`" -}}
{{- end -}}
{{- if and .Values.keyRing.existingSecret (include "hogcast.external" .Values.keyRing.externalSecret) -}}
{{- fail "keyRing: existingSecret and externalSecret are both given; one of them is meant" -}}
{{- end -}}
{{- if and .Values.worker.traces.enabled (not .Values.worker.traces.endpoint) -}}
{{- fail "worker.traces.endpoint: missing; name the collector, such as http://otel-collector.observability:4318" -}}
{{- end -}}
{{- include "hogcast.checkSettings" . -}}
{{- $memory := dig "limits" "memory" "" (default dict .Values.resources) -}}
{{- if $memory -}}
{{- $limit := int64 (include "hogcast.bytes" (dict "value" $memory "name" "resources.limits.memory")) -}}
{{- $window := int64 (include "hogcast.windowBytes" .) -}}
{{- if gt (mul $window 5) (mul $limit 2) -}}
{{- fail (printf "worker.window: %d bytes is more than 40 %% of resources.limits.memory, %d: the worker would be killed for want of memory; lower the one or raise the other" $window $limit) -}}
{{- end -}}
{{- $least := add $window 92274688 -}}{{- /* pkg/app/memory.go: what a worker takes beside its window, 88 MiB */ -}}
{{- if gt $least $limit -}}
{{- fail (printf "resources.limits.memory: %d bytes is less than worker.window and the 88 MiB that a worker takes beside it, %d: it would be killed for want of memory; raise it, or lower the window" $limit $least) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* externalSecret of {root, component, name, spec}. */ -}}
{{- define "hogcast.externalSecret" -}}
{{- $all := .root.Values.externalSecrets -}}
{{- if not $all.secretStoreRef.name -}}
{{- fail "externalSecrets.secretStoreRef.name: missing; an ExternalSecret reads from a store" -}}
{{- end -}}
apiVersion: {{ $all.apiVersion }}
kind: ExternalSecret
metadata:
  {{- include "hogcast.metadata" . | nindent 2 }}
spec:
  refreshInterval: {{ $all.refreshInterval }}
  secretStoreRef:
    {{- toYaml $all.secretStoreRef | nindent 4 }}
  target:
    name: {{ .name }}
    creationPolicy: Owner
  {{- with .spec.data }}
  data:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .spec.dataFrom }}
  dataFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- /* destinationVolumes: destinations from files, or the keys of those in the KV bucket. */ -}}
{{- define "hogcast.destinationVolumes" -}}
{{- if eq .Values.destinations.from "configMap" }}
- name: destinations
  configMap:
    name: {{ include "hogcast.destinationsName" . }}
{{- else if ne .Values.destinations.from "kv" }}
- name: destinations
  secret:
    secretName: {{ include "hogcast.destinationsName" . }}
    defaultMode: 0440
{{- else if include "hogcast.keyRingSecret" . }}
- name: keys
  secret:
    secretName: {{ include "hogcast.keyRingSecret" . }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{- /* workerAnnotations: what is read at the start alone starts pods anew when it changes; destinations and keys are reloaded. */ -}}
{{- define "hogcast.workerAnnotations" -}}
{{- $a := dict "kubectl.kubernetes.io/default-container" "worker" "checksum/config" (include "hogcast.workerConfig" . | sha256sum) -}}
{{- if .Values.nats.auth.values -}}{{- $_ := set $a "checksum/nats" (.Values.nats.auth | toJson | sha256sum) -}}{{- end -}}
{{- merge (deepCopy (default dict .Values.podAnnotations)) $a | toYaml -}}
{{- end -}}

{{- /* strategy: Recreate takes no rollingUpdate, which the default values have. */ -}}
{{- define "hogcast.strategy" -}}
{{- $s := deepCopy (default dict .Values.strategy) -}}
{{- if eq (toString $s.type) "Recreate" -}}
{{- $s = omit $s "rollingUpdate" -}}
{{- end -}}
{{- $zero := list "0" "0%" -}}
{{- with $s.rollingUpdate -}}
{{- if and (has (toString .maxUnavailable) $zero) (has (toString .maxSurge) $zero) -}}
{{- fail "strategy.rollingUpdate: maxUnavailable and maxSurge are both 0: no pod could ever be replaced; raise one" -}}
{{- end -}}
{{- end -}}
{{- with $s }}{{- toYaml . -}}{{- end -}}
{{- end -}}
