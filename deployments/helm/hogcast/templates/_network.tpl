{{- /* egressInside: DNS and NATS. */ -}}
{{- define "hogcast.egressInside" -}}
{{- $np := .Values.networkPolicy -}}
{{- with $np.dns.ports }}
- ports:
    {{- range . }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with $np.dns.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
- ports:
    {{- range include "hogcast.natsPorts" . | fromJsonArray }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with $np.nats.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- /* cidr of a network or of an address, which stands for itself. */ -}}
{{- define "hogcast.cidr" -}}
{{- if contains "/" . -}}{{- . -}}{{- else if contains ":" . -}}{{- printf "%s/128" . -}}{{- else -}}{{- printf "%s/32" . -}}{{- end -}}
{{- end -}}

{{- define "hogcast.urlPort" -}}
{{- $port := regexFind ":[0-9]+(/.*)?$" . | trimPrefix ":" | regexFind "^[0-9]+" -}}
{{- default (ternary "443" "80" (hasPrefix "https://" .)) $port -}}
{{- end -}}
