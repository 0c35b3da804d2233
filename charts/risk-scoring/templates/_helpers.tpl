{{- define "risk-scoring.labels" -}}
app.kubernetes.io/name: risk-scoring
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: portolan
{{- end }}

{{/* Quantities in the API server's canonical form: custom resources come back in it, and nothing must seem changed. */}}
{{- define "risk-scoring.cpu" -}}
{{- $millicores := int . -}}
{{- if eq (mod $millicores 1000) 0 -}}"{{ div $millicores 1000 }}"{{- else -}}{{ $millicores }}m{{- end -}}
{{- end }}

{{- define "risk-scoring.memory" -}}
{{- $mebibytes := int . -}}
{{- if eq (mod $mebibytes 1024) 0 -}}{{ div $mebibytes 1024 }}Gi{{- else -}}{{ $mebibytes }}Mi{{- end -}}
{{- end }}

{{/* With a certificate the server speaks TLS and nothing else. */}}
{{- define "risk-scoring.scheme" -}}
{{- if .Values.endpointSecret -}}https{{- else -}}http{{- end -}}
{{- end }}

{{- define "risk-scoring.port" -}}
{{- if .Values.endpointSecret -}}8443{{- else -}}8080{{- end -}}
{{- end }}
