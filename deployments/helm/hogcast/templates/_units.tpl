{{- /* seconds of {value, name}: a duration such as 1m30s, rounded up. */ -}}
{{- define "hogcast.seconds" -}}
{{- $text := toString .value -}}
{{- if not (regexMatch "^(0|([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$" $text) -}}
{{- fail (printf "%s: %q is no duration; write it like 20s or 1m30s" .name $text) -}}
{{- end -}}
{{- $of := dict "h" 3600.0 "m" 60.0 "s" 1.0 "ms" 0.001 "us" 0.000001 "µs" 0.000001 "ns" 0.000000001 -}}
{{- $total := 0.0 -}}
{{- range regexFindAll "[0-9.]+(h|ms|m|s|us|µs|ns)" $text -1 -}}
{{- $unit := regexReplaceAll "^[0-9.]+" . "" -}}
{{- $total = addf $total (mulf (float64 (trimSuffix $unit .)) (get $of $unit)) -}}
{{- end -}}
{{- int64 (ceil $total) -}}
{{- end -}}

{{- /* bytes of {value, name}: a quantity of Kubernetes (512Mi, 1G, 1e9) or a size of hogcast (64MiB, 64MB), rounded down. */ -}}
{{- define "hogcast.bytes" -}}
{{- $text := toString .value -}}
{{- if kindIs "float64" .value -}}{{- $text = printf "%.0f" .value -}}{{- end -}}
{{- if not (regexMatch "^[0-9]+(\\.[0-9]+)?([eE][0-9]+)? ?([kKMGTmgt]i?[bB]?|[bB])?$" $text) -}}
{{- fail (printf "%s: %q is no number of bytes; write it like 512Mi or 64MiB" .name $text) -}}
{{- end -}}
{{- $number := regexFind "^[0-9]+(\\.[0-9]+)?([eE][0-9]+)?" $text -}}
{{- $unit := trimPrefix $number $text | trim | upper | trimSuffix "B" -}}
{{- $of := dict "" 1.0 "K" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "KI" 1024.0 "MI" 1048576.0 "GI" 1073741824.0 "TI" 1099511627776.0 -}}
{{- int64 (floor (mulf (float64 $number) (get $of $unit))) -}}
{{- end -}}

{{- /* cpus of {value, name}: a quantity of CPU (250m, 2, 1.5) in thousandths. */ -}}
{{- define "hogcast.millicpus" -}}
{{- $text := toString .value -}}
{{- if not (regexMatch "^[0-9]+(\\.[0-9]+)?m?$" $text) -}}
{{- fail (printf "%s: %q is no quantity of CPU; write it like 250m or 2" .name $text) -}}
{{- end -}}
{{- $number := float64 (trimSuffix "m" $text) -}}
{{- if not (hasSuffix "m" $text) -}}{{- $number = mulf $number 1000.0 -}}{{- end -}}
{{- int64 (ceil $number) -}}
{{- end -}}

{{- /* goEnv of {resources, percent, maxProcs, name}: GOMEMLIMIT and GOMAXPROCS from the limits. */ -}}
{{- define "hogcast.goEnv" -}}
{{- $resources := default dict .resources -}}
{{- $limits := default dict $resources.limits -}}
{{- $requests := default dict $resources.requests -}}
{{- range $what, $read := dict "memory" "hogcast.bytes" "cpu" "hogcast.millicpus" -}}
{{- $most := get $limits $what -}}
{{- $asked := get $requests $what -}}
{{- if and $most $asked -}}
{{- $path := printf "%s.requests.%s" $.name $what -}}
{{- if gt (int64 (include $read (dict "value" $asked "name" $path))) (int64 (include $read (dict "value" $most "name" (printf "%s.limits.%s" $.name $what)))) -}}
{{- fail (printf "%s: %v is more than limits.%s, %v: Kubernetes refuses such a pod; set both" $path $asked $what $most) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $limits.memory (gt (int .percent) 0) }}
{{- $bytes := include "hogcast.bytes" (dict "value" $limits.memory "name" (printf "%s.limits.memory" .name)) }}
- name: GOMEMLIMIT
  value: {{ div (mul (int64 $bytes) (int64 .percent)) 100 | quote }}
{{- end }}
{{- $procs := int64 .maxProcs -}}
{{- if eq $procs 0 -}}
{{- if $limits.cpu -}}
{{- $procs = divf (include "hogcast.millicpus" (dict "value" $limits.cpu "name" (printf "%s.limits.cpu" .name))) 1000.0 | ceil | int64 -}}
{{- else if $requests.cpu -}}
{{- $procs = divf (include "hogcast.millicpus" (dict "value" $requests.cpu "name" (printf "%s.requests.cpu" .name))) 500.0 | ceil | int64 | max 2 -}}
{{- end -}}
{{- end -}}
{{- if gt $procs 0 }}
- name: GOMAXPROCS
  value: {{ $procs | quote }}
{{- end }}
{{- end -}}

{{- define "hogcast.windowBytes" -}}
{{- $settings := include "hogcast.settings" . | fromJson -}}
{{- include "hogcast.bytes" (dict "value" $settings.window "name" "worker.window") -}}
{{- end -}}

{{- define "hogcast.drainSeconds" -}}
{{- $settings := include "hogcast.settings" . | fromJson -}}
{{- $seconds := include "hogcast.seconds" (dict "value" $settings.drain_timeout "name" "worker.drainTimeout") -}}
{{- if eq $seconds "0" -}}
{{- fail (printf "worker.drainTimeout: %v leaves no time to finish what is in hand, and the worker refuses it; give some, such as 20s" $settings.drain_timeout) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{- /* graceSeconds of the workers: never less than what stopping takes. */ -}}
{{- define "hogcast.graceSeconds" -}}
{{- $least := add (int64 .Values.preStopSleepSeconds) (int64 (include "hogcast.drainSeconds" .)) 10 -}}
{{- $given := .Values.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $given -}}
{{- $least -}}
{{- else if lt (int64 $given) $least -}}
{{- fail (printf "terminationGracePeriodSeconds: %d is less than preStopSleepSeconds + worker.drainTimeout + 10 s, %d: workers would be killed while they drain; raise it, or leave it out" (int64 $given) $least) -}}
{{- else -}}
{{- int64 $given -}}
{{- end -}}
{{- end -}}
