{{- define "enfilade.labels" -}}
app.kubernetes.io/name: enfilade
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
