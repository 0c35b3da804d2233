{{- define "language-model.labels" -}}
app.kubernetes.io/name: language-model
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: portolan
{{- end }}

{{/* Quantities in the API server's canonical form: custom resources come back in it, and nothing must seem changed. */}}
{{- define "language-model.resources" -}}
{{- $millicores := int .Values.resources.cpuMillicores -}}
{{- $mebibytes := int .Values.resources.memoryMebibytes -}}
{{- $cpu := printf "%dm" $millicores -}}
{{- if eq (mod $millicores 1000) 0 -}}{{- $cpu = printf "%d" (div $millicores 1000) -}}{{- end -}}
{{- $memory := printf "%dMi" $mebibytes -}}
{{- if eq (mod $mebibytes 1024) 0 -}}{{- $memory = printf "%dGi" (div $mebibytes 1024) -}}{{- end -}}
requests:
  cpu: {{ $cpu | quote }}
  memory: {{ $memory }}
  {{ .Values.accelerator.resource }}: {{ .Values.accelerator.perReplica | quote }}
limits:
  cpu: {{ $cpu | quote }}
  memory: {{ $memory }}
  {{ .Values.accelerator.resource }}: {{ .Values.accelerator.perReplica | quote }}
{{- end }}

{{- define "language-model.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: ["ALL"]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* What vLLM is told, whichever program starts it. */}}
{{- define "language-model.arguments" -}}
- --max-model-len={{ .Values.contextTokens }}
- --tensor-parallel-size={{ .Values.accelerator.perReplica }}
{{- if .Values.toolParser }}
- --enable-auto-tool-choice
- --tool-call-parser={{ .Values.toolParser }}
{{- end }}
{{- end }}

{{/* The one folder that may be written, for caches and compiled kernels; nothing is fetched from a hub. */}}
{{- define "language-model.environment" -}}
- {name: HF_HOME, value: /scratch}
- {name: HF_HUB_OFFLINE, value: "1"}
- {name: HOME, value: /scratch}
- {name: TMPDIR, value: /scratch}
- {name: VLLM_CACHE_ROOT, value: /scratch/vllm}
- {name: VLLM_CONFIG_ROOT, value: /scratch/vllm}
- {name: VLLM_NO_USAGE_STATS, value: "1"}
- {name: TRITON_CACHE_DIR, value: /scratch/triton}
{{- end }}

{{/* Where the assistant asks it: an address with its /v1. */}}
{{- define "language-model.address" -}}
{{- if eq .Values.kind "InferenceService" -}}
http://{{ .Release.Name }}-predictor.{{ .Release.Namespace }}/openai/v1
{{- else -}}
https://{{ .Release.Name }}-kserve-workload-svc.{{ .Release.Namespace }}:8000/v1
{{- end -}}
{{- end }}

{{/* The labels that KServe gives the pods. */}}
{{- define "language-model.selector" -}}
{{- if eq .Values.kind "InferenceService" -}}
app: isvc.{{ .Release.Name }}-predictor
{{- else -}}
app.kubernetes.io/name: {{ .Release.Name }}
app.kubernetes.io/part-of: llminferenceservice
{{- end -}}
{{- end }}
