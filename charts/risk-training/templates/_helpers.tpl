{{- define "risk-training.labels" -}}
app.kubernetes.io/name: risk-training
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: portolan
{{- end }}

{{- define "risk-training.securityContext" -}}
allowPrivilegeEscalation: false
runAsNonRoot: true
capabilities:
  drop: ["ALL"]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "risk-training.environment" -}}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef:
      name: {{ .Values.credentialsSecret }}
      key: AWS_ACCESS_KEY_ID
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.credentialsSecret }}
      key: AWS_SECRET_ACCESS_KEY
- name: AWS_ENDPOINT_URL
  value: {{ .Values.objectStore.url }}
- name: AWS_REGION
  value: {{ .Values.objectStore.region }}
# The model card tells on which nodes the tasks ran.
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
# What lies in the image is enough: no process of Ray looks for a newer one, or tells anybody that it runs.
- name: RAY_USAGE_STATS_ENABLED
  value: "0"
{{- end }}

{{/* Quantities in the API server's canonical form: custom resources come back in it, and nothing must seem changed. */}}
{{- define "risk-training.cpu" -}}
{{- $millicores := int . -}}
{{- if eq (mod $millicores 1000) 0 -}}"{{ div $millicores 1000 }}"{{- else -}}{{ $millicores }}m{{- end -}}
{{- end }}

{{- define "risk-training.memory" -}}
{{- $mebibytes := int . -}}
{{- if eq (mod $mebibytes 1024) 0 -}}{{ div $mebibytes 1024 }}Gi{{- else -}}{{ $mebibytes }}Mi{{- end -}}
{{- end }}

{{- /* Where the pods may be; nothing where the values do not say. */ -}}
{{- define "risk-training.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
