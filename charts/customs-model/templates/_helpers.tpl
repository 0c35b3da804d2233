{{- define "customs-model.labels" -}}
app.kubernetes.io/name: {{ .Values.module | replace "_" "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: portolan
{{- end }}

{{- define "customs-model.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: ["ALL"]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* With a certificate the server speaks TLS and nothing else. */}}
{{- define "customs-model.scheme" -}}
{{- if .Values.endpointSecret -}}https{{- else -}}http{{- end -}}
{{- end }}

{{- define "customs-model.port" -}}
{{- if .Values.endpointSecret -}}8443{{- else -}}8080{{- end -}}
{{- end }}

{{/* Quantities in the API server's canonical form: custom resources come back in it, and nothing must seem changed. */}}
{{- define "customs-model.cpu" -}}
{{- $millicores := int . -}}
{{- if eq (mod $millicores 1000) 0 -}}"{{ div $millicores 1000 }}"{{- else -}}{{ $millicores }}m{{- end -}}
{{- end }}

{{- define "customs-model.memory" -}}
{{- $mebibytes := int . -}}
{{- if eq (mod $mebibytes 1024) 0 -}}{{ div $mebibytes 1024 }}Gi{{- else -}}{{ $mebibytes }}Mi{{- end -}}
{{- end }}
