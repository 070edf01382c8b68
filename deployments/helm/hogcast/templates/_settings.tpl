{{- /* flat of {values, prefix}: settings by their joined names, as the worker takes them: `drain: {timeout: 1s}` and `drain-timeout: 1s` are drain_timeout. JSON. */ -}}
{{- define "hogcast.flat" -}}
{{- $out := dict -}}
{{- $prefix := .prefix -}}
{{- range $key, $value := .values -}}
{{- $name := printf "%s%s" $prefix (replace "-" "_" $key) -}}
{{- if kindIs "map" $value -}}
{{- $out = merge $out (include "hogcast.flat" (dict "values" $value "prefix" (printf "%s_" $name)) | fromJson) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $out $name $value -}}
{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- /* ownSettings: the worker's settings as the chart's values have them, by their flat names. JSON. */ -}}
{{- define "hogcast.ownSettings" -}}
{{- $w := .Values.worker -}}
{{- $c := dict "listen" (printf ":%d" (int .Values.port)) "window" $w.window "main_lane_max" $w.mainLaneMax "hold_max" $w.holdMax "request_timeout" $w.requestTimeout "drain_timeout" $w.drainTimeout "metrics_tenants" (int $w.metricsTenants) "log_level" $w.log.level "log_format" $w.log.format -}}
{{- with $w.egressAllow }}{{- $_ := set $c "egress_allow" . -}}{{- end -}}
{{- if ne .Values.destinations.from "kv" -}}
{{- $_ := set $c "destinations" "/etc/hogcast/destinations" -}}
{{- else if include "hogcast.keyRingSecret" . -}}
{{- $_ := set $c "secrets_key_file" (printf "/etc/hogcast/keys/%s" .Values.keyRing.key) -}}
{{- end -}}
{{- if $w.profiling.enabled -}}
{{- $_ := set $c "admin_listen" (printf "127.0.0.1:%d" (int $w.profiling.port)) -}}
{{- end -}}
{{- if $w.traces.enabled -}}
{{- $_ := set $c "otlp_endpoint" $w.traces.endpoint -}}
{{- $_ := set $c "trace_sample" $w.traces.sample -}}
{{- end -}}
{{- toJson $c -}}
{{- end -}}

{{- /* settings that are in force: the chart's own, and worker.config, which comes before them. JSON. */ -}}
{{- define "hogcast.settings" -}}
{{- $given := include "hogcast.flat" (dict "values" .Values.worker.config "prefix" "") | fromJson -}}
{{- merge $given (include "hogcast.ownSettings" . | fromJson) | toJson -}}
{{- end -}}

{{- /* workerConfig: the worker's YAML file. What worker.config sets, in whatever spelling, is set by it alone: a setting that comes twice is an error. */ -}}
{{- define "hogcast.workerConfig" -}}
{{- $c := include "hogcast.ownSettings" . | fromJson -}}
{{- range $name, $_ := include "hogcast.flat" (dict "values" .Values.worker.config "prefix" "") | fromJson -}}
{{- $_ := unset $c $name -}}
{{- end -}}
{{- range $key, $value := .Values.worker.config -}}
{{- if not (kindIs "invalid" $value) -}}{{- $_ := set $c $key $value -}}{{- end -}}
{{- end -}}
{{- toYaml $c -}}
{{- end -}}

{{- /* checkSettings: what the chart computes from a setting has to be computed from the one in force. */ -}}
{{- define "hogcast.checkSettings" -}}
{{- $instead := dict "config" "worker.config" "drain_timeout" "worker.drainTimeout" "egress_allow" "worker.egressAllow" "listen" "port" "window" "worker.window" -}}
{{- range .Values.extraEnvs -}}
{{- $name := .name -}}
{{- if hasPrefix "HOGCAST_" $name -}}
{{- with get $instead (trimPrefix "HOGCAST_" $name | lower) -}}
{{- fail (printf "extraEnvs: %s would be overlooked by what the chart computes from it; set %s" $name .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraArgs -}}
{{- $flag := regexFind "^--[^=]+" . -}}
{{- with get $instead (trimPrefix "--" $flag | replace "-" "_") -}}
{{- fail (printf "extraArgs: %s would be overlooked by what the chart computes from it; set %s" $flag .) -}}
{{- end -}}
{{- end -}}
{{- $settings := include "hogcast.settings" . | fromJson -}}
{{- range $name, $_ := $settings -}}
{{- if hasPrefix "nats_" $name -}}
{{- fail (printf "worker.config: %s: set-up and doctor connect, too; set it in the chart's `nats`" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* port where the workers listen: worker.config's, or the chart's. */ -}}
{{- define "hogcast.port" -}}
{{- $listen := (include "hogcast.settings" . | fromJson).listen | toString -}}
{{- $port := regexFind ":[0-9]+$" $listen | trimPrefix ":" -}}
{{- if or (not $port) (regexMatch "^(localhost|127\\..*|\\[::1\\]):" $listen) -}}
{{- fail (printf "worker.config: listen: %s is not where probes and Prometheus ask, a port of the pod's address; write it like :8080, or leave it to `port`" $listen) -}}
{{- end -}}
{{- $port -}}
{{- end -}}
