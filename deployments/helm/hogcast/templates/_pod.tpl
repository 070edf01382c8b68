{{- /* podBasics of {root, component}: what pods of every component have. */ -}}
{{- define "hogcast.podBasics" -}}
{{- $v := .root.Values -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $v.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $v.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $v.schedulerName }}
schedulerName: {{ . }}
{{- end }}
{{- with $v.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with $v.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* podLabels of {root, component}: without the chart's version, which alone is no reason for a rollout. */ -}}
{{- define "hogcast.podLabels" -}}
{{- merge (include "hogcast.selectorLabels" . | fromYaml) (deepCopy (default dict .root.Values.podLabels)) (deepCopy (default dict .root.Values.commonLabels)) | toYaml -}}
{{- end -}}

{{- /* spread of {root, component}: constraints that name no pods mean the component's own, of one rollout. */ -}}
{{- define "hogcast.spread" -}}
{{- $selector := include "hogcast.selectorLabels" . | fromYaml -}}
{{- $constraints := list -}}
{{- range .root.Values.topologySpreadConstraints -}}
{{- $c := deepCopy . -}}
{{- if not (hasKey $c "labelSelector") -}}
{{- $c = merge $c (dict "labelSelector" (dict "matchLabels" $selector)) -}}
{{- if not (hasKey $c "matchLabelKeys") -}}{{- $_ := set $c "matchLabelKeys" (list "pod-template-hash") -}}{{- end -}}
{{- end -}}
{{- $constraints = append $constraints $c -}}
{{- end -}}
{{- if $constraints -}}{{- toYaml $constraints -}}{{- end -}}
{{- end -}}

{{- /* container of {root, resources}: what every container has. */ -}}
{{- define "hogcast.containerBasics" -}}
{{- range default dict .resources -}}
{{- if and (kindIs "map" .) (hasSuffix "m" (toString .memory)) -}}
{{- fail (printf "resources: memory: %v is thousandths of a byte; write M or Mi" .memory) -}}
{{- end -}}
{{- end -}}
image: {{ include "hogcast.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- with .root.Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* oneShotPod of {root, component, args, resources, serviceAccount}: a pod of the operator's command, for Jobs. */ -}}
{{- define "hogcast.oneShotPod" -}}
{{- $v := .root.Values -}}
{{- /* The user's limits are the workers'. */ -}}
{{- $extra := list -}}
{{- range $v.extraEnvs -}}
{{- if not (has .name (list "GOMEMLIMIT" "GOMAXPROCS")) -}}{{- $extra = append $extra . -}}{{- end -}}
{{- end -}}
restartPolicy: Never
serviceAccountName: {{ .serviceAccount }}
{{ include "hogcast.podBasics" . }}
containers:
  - name: {{ .component }}
    {{- include "hogcast.containerBasics" . | nindent 4 }}
    command: [hogcast]
    args:
      {{- toYaml .args | nindent 6 }}
    env:
      {{- include "hogcast.env" (dict "root" .root "resources" .resources "maxProcs" 0 "name" (printf "%s.resources" (ternary "test" .component (eq .component "doctor"))) "extra" $extra) | nindent 6 }}
    {{- with $v.extraEnvsFrom }}
    envFrom:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- $mounts := include "hogcast.natsMounts" .root | trim }}
    {{- if or $mounts $v.extraVolumeMounts .mounts }}
    volumeMounts:
      {{- with $mounts }}{{ . | nindent 6 }}{{ end }}
      {{- with .mounts }}{{ . | nindent 6 }}{{ end }}
      {{- with $v.extraVolumeMounts }}{{ toYaml . | nindent 6 }}{{ end }}
    {{- end }}
{{- $volumes := include "hogcast.natsVolumes" .root | trim }}
{{- if or $volumes $v.extraVolumes .volumes }}
volumes:
  {{- with $volumes }}{{ . | nindent 2 }}{{ end }}
  {{- with .volumes }}{{ . | nindent 2 }}{{ end }}
  {{- with $v.extraVolumes }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}
{{- end -}}

{{- /* env of {root, own, resources, maxProcs, name, extra}: the connection, the limits, and what the user adds, whose word is the last: one name twice is refused by server-side apply. */ -}}
{{- define "hogcast.env" -}}
{{- $own := printf "%s\n%s\n%s" (default "" .own) (include "hogcast.natsEnv" .root) (include "hogcast.goEnv" (dict "resources" .resources "percent" .root.Values.goMemLimitPercent "maxProcs" .maxProcs "name" .name)) | fromYamlArray -}}
{{- $names := dict -}}
{{- range .extra -}}{{- $_ := set $names .name true -}}{{- end -}}
{{- $env := list -}}
{{- range $own -}}
{{- if not (hasKey $names .name) -}}{{- $env = append $env . -}}{{- end -}}
{{- end -}}
{{- concat $env (default list .extra) | toYaml -}}
{{- end -}}

{{- /* ownEnv: a worker is named after its pod. */ -}}
{{- define "hogcast.ownEnv" -}}
- name: HOGCAST_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- end -}}
