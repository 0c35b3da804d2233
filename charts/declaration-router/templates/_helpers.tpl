{{- define "declaration-router.labels" -}}
app.kubernetes.io/name: declaration-router
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: portolan
{{- end }}

{{- define "declaration-router.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: ["ALL"]
seccompProfile:
  type: RuntimeDefault
{{- end }}
