{{- /* streams that hold what comes in, never what is held: work that waits for a broken PostHog must not scale the fleet. */ -}}
{{- define "hogcast.streams" -}}
{{- $streams := list "HOGCAST_GENERATIONS" -}}
{{- if gt (int .Values.setup.shards) 1 -}}
{{- range $i := until (int .Values.setup.shards) -}}
{{- $streams = append $streams (printf "HOGCAST_GENERATIONS_%d" $i) -}}
{{- end -}}
{{- end -}}
{{- $streams | toJson -}}
{{- end -}}

{{- /*
lagThreshold: KEDA counts what waits and what is in hand. A record in hand takes
at least 1.125 × its size + 1.5 KiB of the window, so that a worker has at most
window / (1.125 × recordBytes + 1.5 KiB) in hand: with a threshold of that many or
more, N workers whose windows are full for want of an answer ask for N.
*/ -}}
{{- define "hogcast.lagThreshold" -}}
{{- $k := .Values.autoscaling.keda -}}
{{- $each := add 1536 (div (mul (int64 $k.recordBytes) 9) 8) -}}
{{- $inHand := add1 (div (int64 (include "hogcast.windowBytes" .)) $each) -}}
{{- $given := int64 $k.lagThreshold -}}
{{- if eq $given 0 -}}
{{- $inHand -}}
{{- else if lt $given $inHand -}}
{{- fail (printf "autoscaling.keda.lagThreshold: %d is less than what one worker may have in hand, %d: an outage of PostHog would scale the fleet up; raise it, or set recordBytes to the size of your smaller records" $given $inHand) -}}
{{- else -}}
{{- $given -}}
{{- end -}}
{{- end -}}

{{- define "hogcast.triggers" -}}
{{- $k := .Values.autoscaling.keda -}}
{{- $m := .Values.nats.monitoring -}}
{{- if eq $k.trigger "prometheus" -}}
{{- if not $k.prometheus.serverAddress -}}
{{- fail "autoscaling.keda.prometheus.serverAddress: missing; name Prometheus, such as http://prometheus.monitoring:9090" -}}
{{- end -}}
- type: prometheus
  name: pending
  metricType: AverageValue
  metadata:
    serverAddress: {{ $k.prometheus.serverAddress | quote }}
    query: {{ default (include "hogcast.pendingQuery" .) $k.prometheus.query | quote }}
    threshold: {{ $k.prometheus.threshold | int64 | quote }}
    # No figures are an error, not a zero: the fallback decides.
    ignoreNullValues: "false"
  {{- with $k.prometheus.authenticationRef }}
  authenticationRef:
    name: {{ . }}
  {{- end }}
{{- else -}}
{{- range $i, $stream := include "hogcast.streams" . | fromJsonArray }}
- type: nats-jetstream
  name: s{{ $i }}
  metricType: AverageValue
  metadata:
    natsServerMonitoringEndpoint: {{ $m.endpoint | quote }}
    account: {{ $m.account | quote }}
    useHttps: {{ $m.https | quote }}
    stream: {{ $stream }}
    consumer: workers
    lagThreshold: {{ include "hogcast.lagThreshold" $ | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* pendingQuery: one worker tells the figures of the fleet; between two that do, the larger counts. What is in hand is not counted. */ -}}
{{- define "hogcast.pendingQuery" -}}
sum(max by (stream) (hogcast_consumer_pending_records{namespace="{{ include "hogcast.namespace" . }}",stream=~"HOGCAST_GENERATIONS(_[0-9]+)?"}))
{{- end -}}
