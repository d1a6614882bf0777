{{- /*
The names are fixed, and not made of the name of the release: there is one operator in a cluster, since its SfsPlatforms
have no namespace. A second release is refused by Helm.
*/ -}}

{{- define "sfs-operator.labels" -}}
app.kubernetes.io/name: sfs-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "sfs-operator.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- define "sfs-operator.subject" -}}
kind: ServiceAccount
name: sfs-operator
namespace: {{ .Release.Namespace }}
{{- end }}

{{- /* The documents of a file that is copied from config/, as a list under the key items. */ -}}
{{- define "sfs-operator.documents" -}}
{{- $items := list }}
{{- range splitList "\n---\n" (.Files.Get .file | trimPrefix "---" | printf "\n%s") }}
{{- with fromYaml . }}{{ $items = append $items . }}{{ end }}
{{- end }}
{{- dict "items" $items | toYaml }}
{{- end }}

{{- /*
The rules of the operator's role, of which some resources have a namespace. With ofCluster those that have none.
*/ -}}
{{- define "sfs-operator.rules" -}}
{{- $ofCluster := list "namespaces" "sfsplatforms" "sfsplatforms/status" "tokenreviews" "subjectaccessreviews" }}
{{- $rules := list }}
{{- range .rules }}
{{- $resources := list }}
{{- range .resources }}{{ if eq (has . $ofCluster) $.ofCluster }}{{ $resources = append $resources . }}{{ end }}{{ end }}
{{- if $resources }}{{ $rules = append $rules (set (deepCopy .) "resources" $resources) }}{{ end }}
{{- end }}
{{- toYaml $rules }}
{{- end }}
