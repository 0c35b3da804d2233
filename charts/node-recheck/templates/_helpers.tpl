{{- define "node-recheck.labels" -}}
app.kubernetes.io/name: node-recheck
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: portolan
{{- end }}

{{- define "node-recheck.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "node-recheck.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: ["ALL"]
{{- end }}

{{- define "node-recheck.volumes" -}}
- name: program
  configMap:
    name: {{ .Release.Name }}-program
- name: work
  emptyDir:
    sizeLimit: 256Mi
{{- end }}

{{- define "node-recheck.mounts" -}}
- name: program
  mountPath: /program
  readOnly: true
- name: work
  mountPath: /tmp
{{- end }}
