{{- define "language-assistant.labels" -}}
app.kubernetes.io/name: language-assistant
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: portolan
{{- end }}

{{- define "language-assistant.selector" -}}
app.kubernetes.io/name: language-assistant
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end }}

{{- define "language-assistant.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: ["ALL"]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* With a certificate the server speaks TLS and nothing else. */}}
{{- define "language-assistant.scheme" -}}
{{- if .Values.endpointSecret -}}https{{- else -}}http{{- end -}}
{{- end }}

{{- define "language-assistant.port" -}}
{{- if .Values.endpointSecret -}}8443{{- else -}}8080{{- end -}}
{{- end }}

{{/* What cannot work together, beside what the schema can say. */}}
{{- define "language-assistant.check" -}}
{{- $most := max (int .Values.replicas) (int .Values.replicasMost) -}}
{{- if and .Values.auditSecret (not .Values.state.claim) (gt $most 1) -}}
{{- fail "replicas: several share their proposals by state.claim, a claim that all can write; name one, or have one replica" -}}
{{- end -}}
{{- if and .Values.effects.url (not (and .Values.audience .Values.auditSecret)) -}}
{{- fail "effects.url: acts need audience and auditSecret, so that it is known who confirms them" -}}
{{- end -}}
{{- end }}

{{- define "language-assistant.resources" -}}
requests:
  cpu: {{ .Values.resources.cpuMillicores }}m
  memory: {{ .Values.resources.memoryMebibytes }}Mi
limits:
  memory: {{ mul 2 (int .Values.resources.memoryMebibytes) }}Mi
{{- end }}
