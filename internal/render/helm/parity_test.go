package helm

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
)

// everything uses what Helm offers to templates.
var everything = files{
	"Chart.yaml": `apiVersion: v2
name: shop
version: 1.2.3
appVersion: "7"
dependencies:
- {name: cache, version: ">=0", alias: sessions, condition: sessions.enabled}
- {name: cache, version: ">=0", alias: pages}
- {name: off, version: ">=0", condition: off.enabled}
- {name: tagged, version: ">=0", tags: [extras]}
- {name: names, version: ">=0"}
`,
	"values.yaml": `image: {repository: shop, tag: null}
replicas: 3
labels: {team: shop, "app.kubernetes.io/part-of": shop}
list: [a, b, c]
template: "{{ .Release.Name }}-{{ include \"shop.name\" . }}"
resources:
  limits: {cpu: 100m, memory: 64Mi}
sessions: {enabled: true, size: 5}
pages: {size: 6}
off: {enabled: false}
tags: {extras: true}
global: {domain: example.com}
`,
	"files/a.txt": "one\ntwo\n", "files/b.txt": "three", "config.json": `{"a": 1}`,
	"templates/_helpers.tpl": `{{- define "shop.name" -}}{{ .Chart.Name | trunc 63 }}{{- end -}}
{{- define "shop.labels" }}
app: {{ template "shop.name" . }}
{{- range $key, $value := .Values.labels }}
{{ $key }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{ define "shop.empty" }}{{ end }}
`,
	"templates/deployment.yaml": `{{- /* a comment */ -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "shop.name" . }}
  labels: {{- include "shop.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas | default 1 }}
  missing: {{ .Values.missing }}-{{ .Values.image.tag }}
  template: {{ tpl .Values.template . }}
  {{- with .Values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- else }}
  none: true
  {{- end }}
  list:
  {{- range $i, $e := .Values.list }}
  {{- if eq $e "b" }}{{ continue }}{{ end }}
  - {{ $i }}: {{ $e }}
  {{- else }}
  []
  {{- end }}
  {{ include "shop.empty" . }}
  {{ block "shop.block" . }}block: {{ .Values.replicas }}{{ end }}
  files: {{ .Files.Get "files/a.txt" | quote }}
  config:
{{ (.Files.Glob "files/*").AsConfig | indent 4 }}
  secrets:
{{ (.Files.Glob "files/*").AsSecrets | indent 4 }}
  lines: {{ range .Files.Lines "files/a.txt" }}[{{ . }}]{{ end }}
  json: {{ .Files.Get "config.json" | fromJson | toYaml }}
  kube: {{ .Capabilities.KubeVersion }} {{ .Values.missing }}{{ .Chart.Maintainers }}{{ .Files.Get "nope" }}
  capable: {{ .Capabilities.APIVersions.Has "apps/v1" }} {{ .Capabilities.KubeVersion.Major }} {{ .Capabilities.HelmVersion.Version }}
  release: {{ .Release | toJson }}
  chart: {{ .Chart.Version }} {{ .Chart.IsRoot }} {{ .Template.Name }} {{ .Template.BasePath }}
  subchart: {{ .Subcharts.sessions.Values.size }}
  lookup: {{ lookup "v1" "Secret" "a" "b" | toJson }} {{ (lookup "v1" "Secret" "a" "b").data }}
  host: "{{ getHostByName "localhost" }}"
  {{- $_ := set .Values "changed" "yes" }}
  map: {{ .Values.labels }}
  nothing: {{ default "x" nil }}{{ "" }}{{ (.Values.nope).deeper | default "y" }}
`,
	"templates/after.yaml":            "changed: {{ .Values.changed }}\n",
	"templates/NOTES.txt":             "Thanks for {{ .Chart.Name }}\n",
	"charts/cache/Chart.yaml":         "apiVersion: v2\nname: cache\nversion: 0.1.0\n",
	"charts/cache/values.yaml":        "size: 1\nother: 2\n",
	"charts/cache/templates/a.yaml":   "chart: {{ .Chart.Name }}\nsize: {{ .Values.size }}\nother: {{ .Values.other }}\nroot: {{ .Chart.IsRoot }}\ndomain: {{ .Values.global.domain }}\nname: {{ include \"names.full\" . }}\n",
	"charts/off/Chart.yaml":           "apiVersion: v2\nname: off\nversion: 0.1.0\n",
	"charts/off/templates/a.yaml":     "off: true\n",
	"charts/tagged/Chart.yaml":        "apiVersion: v2\nname: tagged\nversion: 0.1.0\n",
	"charts/tagged/templates/a.yaml":  "tagged: {{ .Release.IsInstall }} {{ .Release.Revision }}\n",
	"charts/names/Chart.yaml":         "apiVersion: v2\nname: names\nversion: 0.1.0\ntype: library\n",
	"charts/names/templates/_all.tpl": "{{ define \"names.full\" }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}",
	"charts/names/templates/a.yaml":   "never: rendered\n",
}

// loaded is a chart with what its templates see.
func loaded(t testing.TB, f files) (*bundle, *chart.Chart, common.Values) {
	t.Helper()
	root, dir := write(t, f)
	b, err := load(dir, Options{Root: root, MaxFileBytes: DefaultMaxFileBytes})
	if err != nil {
		t.Fatal(err)
	}
	c, err := loader.LoadFiles(b.buffered())
	if err != nil {
		t.Fatal(err)
	}
	if err := chartutil.ProcessDependencies(c, nil); err != nil {
		t.Fatal(err)
	}
	values, err := util.ToRenderValues(c, nil, common.ReleaseOptions{Name: "rel", Namespace: "ns", Revision: 1, IsInstall: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b, c, values
}

// rendered is what our renderer makes of the templates of a chart.
func rendered(t testing.TB, f files) (map[string]string, error) {
	t.Helper()
	b, c, values := loaded(t, f)
	all, err := templates(t.Context(), c, values, b.byContent())
	if err != nil {
		return nil, err
	}
	r := newRenderer(t.Context(), usualLimits())
	for _, template := range all {
		if err := r.parse(template); err != nil {
			return nil, err
		}
	}
	outputs := map[string]string{}
	for _, template := range all {
		if isPartial(template.name) {
			continue
		}
		output, err := r.execute(template)
		if err != nil {
			return nil, err
		}
		outputs[template.name] = string(output.text)
	}
	return outputs, nil
}

func TestTemplatesWriteWhatHelmsEngineWrites(t *testing.T) {
	_, c, values := loaded(t, everything)
	want, err := new(engine.Engine).RenderWithContext(t.Context(), c, values)
	if err != nil {
		t.Fatal(err)
	}
	if len(want) < 6 {
		t.Fatalf("Helm renders only %v", slices.Sorted(maps.Keys(want)))
	}
	got, err := rendered(t, everything)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Helm's is -, ours is +\n%s", diff)
	}
}

// TestFunctionsReturnWhatHelmsDo calls every function that is not from sprig, which is Helm's too.
func TestFunctionsReturnWhatHelmsDo(t *testing.T) {
	calls := []string{
		`toYaml .Values`, `mustToYaml .Values`, `toYamlPretty .Values`, `fromYaml "a: [1, x]"`, `fromYaml "a: [" `, `fromYaml "- a"`,
		`fromYamlArray "- a\n- 1"`, `fromYamlArray "a: b"`, `toJson .Values`, `mustToJson .Values`, `fromJson "{\"a\": 1.5}"`, `fromJson "{"`,
		`fromJsonArray "[1, \"<\"]"`, `fromJsonArray "{}"`, `toToml .Values`, `mustToToml .Values`, `toToml (list 1)`, `toToml nil`,
		`fromToml "a = 1"`, `fromToml "a ="`, `toJson "<&>"`, `required "no" "yes"`, `required "no" 0`, `required "no" (dict)`,
		`getHostByName "localhost"`, `lookup "v1" "Pod" "" ""`, `print 1 2 "a" "b" nil`, `printf "%05d|%v|%q" 42 (list 1) "x"`,
		`println 1 "a"`, `html "<a>"`, `js "'"`, `urlquery "a b"`, `include "f" (dict "a" 1)`, `tpl "{{ .a }}{{ .b }}" (dict "a" 1)`,
		`tpl "{{ define \"g\" }}G{{ end }}{{ include \"g\" . }}{{ include \"f\" (dict \"a\" 2) }}" .`, `tpl "" .`, `tpl "{{/* c */}}" .`,
		`index .Values "a" "b"`, `slice "abc" 1`, `and 1 0`, `or 0 ""`, `not 1`, `len "abc"`, `eq 1 1 2`, `until 3`, `untilStep 0 10 3`,
		`seq 5`, `seq 1 2 9`, `repeat 3 "ab"`, `indent 2 "a\nb"`, `nindent 2 "a\nb"`, `default 1 nil`, `merge (dict "a" 1) (dict "b" 2)`,
		`ternary 1 2 true`, `kindOf .Values`, `typeOf (list 1)`, `int64 "12"`, `add 1 2`, `regexReplaceAll "a" "banana" "o"`,
	}
	for _, function := range []string{"mustToDuration", "durationSeconds", "durationMilliseconds", "durationMicroseconds", "durationNanoseconds",
		"durationMinutes", "durationHours", "durationDays", "durationWeeks"} {
		for _, value := range []string{`"1h2m3.5s"`, `"90"`, `90`, `1.5`, `""`, `"x"`, `nil`, `(list 1)`, `-3`, `9223372036854775807`, `1e300`, `(uint64 5)`} {
			calls = append(calls, function+" "+value)
		}
	}
	for _, function := range []string{"durationRoundTo", "durationTruncateTo"} {
		calls = append(calls, function+` "2h13m" "1h"`, function+` 100 60`, function+` "x" 60`, function+` 100 "x"`, function+` 100 0`)
	}
	for _, call := range calls {
		t.Run(call, func(t *testing.T) {
			f := minimal().with(files{
				"values.yaml":      "a: {b: c, d: [1, 2.5, null, true]}\ne: \"<x>\"\n",
				"templates/_f.tpl": `{{ define "f" }}<{{ .a }}{{ .missing }}>{{ end }}`,
				"templates/a.yaml": "{{ " + call + " }}",
			})
			_, c, values := loaded(t, f)
			want, wantErr := new(engine.Engine).RenderWithContext(t.Context(), c, values)
			got, err := rendered(t, f)
			if (err != nil) != (wantErr != nil) {
				t.Fatalf("ours: %v\nHelm: %v", err, wantErr)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Helm's is -, ours is +\n%s", diff)
			}
		})
	}
}

// TestTheSameFunctionsAreKnown would fail if a function of ours were not one of Helm's.
func TestTheSameFunctionsAreKnown(t *testing.T) {
	text := ""
	for name := range newRenderer(t.Context(), usualLimits()).known {
		text += fmt.Sprintf("{{ if false }}{{ %s }}{{ end }}", name)
	}
	_, c, values := loaded(t, minimal().with(files{"templates/a.yaml": text}))
	if _, err := new(engine.Engine).RenderWithContext(t.Context(), c, values); err != nil {
		t.Error(err)
	}
}
