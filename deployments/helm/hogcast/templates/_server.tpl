{{- /*
server of {root, component}: publisher or console, behind a Service. Their
programs come later; until then they need args, and say so.
*/ -}}
{{- define "hogcast.server" -}}
{{- $c := get .root.Values .component -}}
{{- $v := .root.Values -}}
{{- if not $c.args -}}
{{- fail (printf "%s.enabled: hogcast %s has no such server yet; leave it off, or give its arguments in %s.args if your image has one" .component .root.Chart.AppVersion .component) -}}
{{- end -}}
{{- $it := merge (dict "name" (printf "%s-%s" (include "hogcast.fullname" .root) .component)) . -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "hogcast.metadata" $it | nindent 2 }}
spec:
  replicas: {{ int64 $c.replicaCount }}
  revisionHistoryLimit: {{ int64 $v.revisionHistoryLimit }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 25%}
  selector:
    matchLabels:
      {{- include "hogcast.selectorLabels" $it | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "hogcast.podLabels" $it | nindent 8 }}
      {{- with $c.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "hogcast.serviceAccountName" .root }}
      {{- include "hogcast.podBasics" $it | nindent 6 }}
      {{- with include "hogcast.spread" $it }}
      topologySpreadConstraints:
        {{- . | nindent 8 }}
      {{- end }}
      terminationGracePeriodSeconds: {{ add (int64 $c.preStopSleepSeconds) (int64 $c.drainSeconds) 10 }}
      containers:
        - name: {{ .component }}
          {{- include "hogcast.containerBasics" (dict "root" .root "resources" $c.resources) | nindent 10 }}
          command: [{{ ternary "hogcast" .component (eq .component "console") }}]
          args:
            {{- toYaml $c.args | nindent 12 }}
          env:
            {{- include "hogcast.env" (dict "root" .root "resources" $c.resources "maxProcs" 0 "name" (printf "%s.resources" .component) "extra" $c.extraEnvs) | nindent 12 }}
          ports:
            - name: http
              containerPort: {{ $c.port }}
              protocol: TCP
          {{- with $v.livenessProbe }}
          livenessProbe:
            httpGet: {path: /livez, port: http}
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with $v.readinessProbe }}
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            {{- toYaml . | nindent 12 }}
          {{- end }}
          lifecycle:
            preStop:
              sleep:
                seconds: {{ $c.preStopSleepSeconds }}
          {{- with include "hogcast.natsMounts" .root | trim }}
          volumeMounts:
            {{- . | nindent 12 }}
          {{- end }}
      {{- with include "hogcast.natsVolumes" .root | trim }}
      volumes:
        {{- . | nindent 8 }}
      {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  {{- $_ := include "hogcast.serviceName" $it }}
  {{- include "hogcast.metadata" (merge (dict "annotations" $c.service.annotations) $it) | nindent 2 }}
spec:
  type: {{ $c.service.type }}
  ports:
    - name: http
      port: {{ $c.service.port }}
      targetPort: http
      protocol: TCP
  selector:
    {{- include "hogcast.selectorLabels" $it | nindent 4 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "hogcast.metadata" $it | nindent 2 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "hogcast.selectorLabels" $it | nindent 6 }}
{{- if $v.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "hogcast.metadata" $it | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "hogcast.selectorLabels" $it | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports:
        - {port: http, protocol: TCP}
  egress:
    {{- include "hogcast.egressInside" .root | nindent 4 }}
{{- end }}
{{- if $c.ingress.enabled }}
---
{{ include "hogcast.ingress" $it }}
{{- end }}
{{- if $c.httpRoute.enabled }}
---
{{ include "hogcast.httpRoute" $it }}
{{- end }}
{{- end -}}

{{- define "hogcast.ingress" -}}
{{- $c := get .root.Values .component -}}
{{- if not $c.ingress.hosts -}}
{{- fail (printf "%s.ingress.hosts: missing; an Ingress without a host takes everybody's traffic" .component) -}}
{{- end -}}
{{- $name := .name -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "hogcast.metadata" (merge (dict "annotations" $c.ingress.annotations) .) | nindent 2 }}
spec:
  {{- with $c.ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with $c.ingress.tls }}
  tls:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- range $c.ingress.hosts }}
    - host: {{ .host | quote }}
      http:
        paths:
          {{- range default (list dict) .paths }}
          - path: {{ default "/" .path }}
            pathType: {{ default "Prefix" .pathType }}
            backend:
              service:
                name: {{ $name }}
                port: {name: http}
          {{- end }}
    {{- end }}
{{- end -}}

{{- define "hogcast.httpRoute" -}}
{{- $c := get .root.Values .component -}}
{{- if not $c.httpRoute.parentRefs -}}
{{- fail (printf "%s.httpRoute.parentRefs: missing; name the Gateway" .component) -}}
{{- end -}}
{{- $backends := list (dict "name" .name "port" $c.service.port) -}}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  {{- include "hogcast.metadata" (merge (dict "annotations" $c.httpRoute.annotations) .) | nindent 2 }}
spec:
  parentRefs:
    {{- toYaml $c.httpRoute.parentRefs | nindent 4 }}
  {{- with $c.httpRoute.hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- range default (list dict) $c.httpRoute.rules }}
    - {{ merge (dict "backendRefs" $backends) . | toYaml | nindent 6 | trim }}
    {{- end }}
{{- end -}}
