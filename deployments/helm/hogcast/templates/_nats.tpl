{{- define "hogcast.natsURL" -}}
{{- $url := .Values.nats.url -}}
{{- if kindIs "slice" $url -}}{{- join "," $url -}}{{- else -}}{{- $url -}}{{- end -}}
{{- end -}}

{{- /* ownsNATSSecret: this release makes the Secret to connect with, so there is none before it is installed. */ -}}
{{- define "hogcast.ownsNATSSecret" -}}
{{- $auth := .Values.nats.auth -}}
{{- if and (ne $auth.type "none") (not $auth.existingSecret) -}}true{{- end -}}
{{- end -}}

{{- define "hogcast.natsSecret" -}}
{{- default (printf "%s-nats" (include "hogcast.fullname" .)) .Values.nats.auth.existingSecret -}}
{{- end -}}

{{- define "hogcast.external" -}}
{{- if or .data .dataFrom -}}true{{- end -}}
{{- end -}}

{{- /* checkNATS says what is missing or contradicts itself. */ -}}
{{- define "hogcast.checkNATS" -}}
{{- $auth := .Values.nats.auth -}}
{{- $external := include "hogcast.external" $auth.externalSecret -}}
{{- $ways := 0 -}}
{{- range list $auth.existingSecret $auth.values $external -}}{{- if . -}}{{- $ways = add1 $ways -}}{{- end -}}{{- end -}}
{{- if not (include "hogcast.natsURL" .) -}}
{{- fail "nats.url: missing; name the NATS servers, such as nats://nats.nats.svc:4222" -}}
{{- end -}}
{{- if and (eq $auth.type "none") (gt $ways 0) -}}
{{- fail "nats.auth.type: none, and yet there is a Secret to log in with; set it to creds, nkey, userPassword or token" -}}
{{- end -}}
{{- if and (ne $auth.type "none") (ne $ways 1) -}}
{{- fail (printf "nats.auth: type %s takes exactly one of existingSecret, values and externalSecret; %d are given" $auth.type $ways) -}}
{{- end -}}
{{- if $auth.values -}}
{{- range $name := get (dict "creds" (list "creds") "nkey" (list "nkey") "token" (list "token") "userPassword" (list "user" "password")) $auth.type -}}
{{- if not (get $auth.values $name) -}}
{{- fail (printf "nats.auth.values.%s: missing; type %s needs it" $name $auth.type) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.nats.tls.ca.configMap .Values.nats.tls.ca.secret -}}
{{- fail "nats.tls.ca: configMap and secret are both given; one of them is meant" -}}
{{- end -}}
{{- end -}}

{{- /* natsEnv: the connection, as every program reads it. */ -}}
{{- define "hogcast.natsEnv" -}}
{{- $nats := .Values.nats -}}
{{- $auth := $nats.auth -}}
{{- $secret := include "hogcast.natsSecret" . -}}
- name: HOGCAST_NATS_URL
  value: {{ include "hogcast.natsURL" . | quote }}
{{- with $nats.domain }}
- name: HOGCAST_NATS_DOMAIN
  value: {{ . | quote }}
{{- end }}
{{- with $nats.inboxPrefix }}
- name: HOGCAST_NATS_INBOX_PREFIX
  value: {{ . | quote }}
{{- end }}
{{- if eq $auth.type "creds" }}
- name: HOGCAST_NATS_CREDS
  value: /etc/hogcast/nats/auth/{{ $auth.keys.creds }}
{{- else if eq $auth.type "nkey" }}
- name: HOGCAST_NATS_NKEY
  value: /etc/hogcast/nats/auth/{{ $auth.keys.nkey }}
{{- else if eq $auth.type "userPassword" }}
- name: HOGCAST_NATS_USER
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ $auth.keys.user }}}
- name: HOGCAST_NATS_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ $auth.keys.password }}}
{{- else if eq $auth.type "token" }}
- name: HOGCAST_NATS_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ $auth.keys.token }}}
{{- end }}
{{- if or $nats.tls.ca.configMap $nats.tls.ca.secret }}
- name: HOGCAST_NATS_TLS_CA
  value: /etc/hogcast/nats/ca/{{ $nats.tls.ca.key }}
{{- end }}
{{- if $nats.tls.client.secret }}
- name: HOGCAST_NATS_TLS_CERT
  value: /etc/hogcast/nats/client/{{ $nats.tls.client.certKey }}
- name: HOGCAST_NATS_TLS_KEY
  value: /etc/hogcast/nats/client/{{ $nats.tls.client.keyKey }}
{{- end }}
{{- end -}}

{{- define "hogcast.natsMounts" -}}
{{- $nats := .Values.nats -}}
{{- if has $nats.auth.type (list "creds" "nkey") }}
- {name: nats-auth, mountPath: /etc/hogcast/nats/auth, readOnly: true}
{{- end }}
{{- if or $nats.tls.ca.configMap $nats.tls.ca.secret }}
- {name: nats-ca, mountPath: /etc/hogcast/nats/ca, readOnly: true}
{{- end }}
{{- if $nats.tls.client.secret }}
- {name: nats-client, mountPath: /etc/hogcast/nats/client, readOnly: true}
{{- end }}
{{- end -}}

{{- define "hogcast.natsVolumes" -}}
{{- $nats := .Values.nats -}}
{{- if has $nats.auth.type (list "creds" "nkey") }}
- name: nats-auth
  secret:
    secretName: {{ include "hogcast.natsSecret" . }}
    defaultMode: 0440
{{- end }}
{{- if $nats.tls.ca.configMap }}
- name: nats-ca
  configMap:
    name: {{ $nats.tls.ca.configMap }}
{{- else if $nats.tls.ca.secret }}
- name: nats-ca
  secret:
    secretName: {{ $nats.tls.ca.secret }}
    defaultMode: 0440
{{- end }}
{{- if $nats.tls.client.secret }}
- name: nats-client
  secret:
    secretName: {{ $nats.tls.client.secret }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{- /* natsPorts: of the policy, or of the URLs; a JSON list of numbers. */ -}}
{{- define "hogcast.natsPorts" -}}
{{- $ports := default list .Values.networkPolicy.nats.ports -}}
{{- if not $ports -}}
{{- range splitList "," (include "hogcast.natsURL" .) -}}
{{- $port := regexFind ":[0-9]+(/.*)?$" (trim .) | trimPrefix ":" | regexFind "^[0-9]+" -}}
{{- $usual := get (dict "ws" "80" "wss" "443") (regexFind "^[a-z]+" (trim .)) -}}
{{- $ports = append $ports (int (coalesce $port $usual "4222")) -}}
{{- end -}}
{{- end -}}
{{- uniq $ports | toJson -}}
{{- end -}}
