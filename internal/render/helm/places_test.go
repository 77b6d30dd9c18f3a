package helm

import (
	"strings"
	"testing"

	"github.com/assay-gitops/assay/policy"
)

func TestFieldsAreFoundInTheirTemplates(t *testing.T) {
	const template = `{{- /* a comment
of two lines */ -}}
{{- if .Values.enabled }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "shop.name" . }}
  labels:
    {{- include "shop.labels" . | nindent 4 }}
    own: label
spec:
  replicas: {{ .Values.replicas }}
  {{- with .Values.strategy }}
  strategy:
    type: {{ .type }}
    rolling: {{ toJson .rolling }}
  {{- end }}
  missing: "{{ .Values.missing }}{{ .Values.alsoMissing }}"
  template:
    metadata: {labels: {{ include "shop.labels" . | fromYaml | toJson }}}
    spec:
      containers:
      {{- range $name, $c := .Values.containers }}
      - name: {{ $name }}
        image: "{{ $.Values.image.repository }}:{{ $c.tag }}"
        {{- if $c.debug }}
        debug: true
        {{- end }}
      {{- end }}
      - name: last
        resources: {{- toYaml .Values.resources | nindent 10 }}
{{ tpl .Values.extra . | indent 6 }}
{{- template "shop.footer" . }}
{{- end }}
---
apiVersion: v1
kind: Service
metadata: {name: web}
`
	r := build(t, minimal().with(files{
		"values.yaml": `enabled: true
replicas: 3
strategy:
  type: Rolling
  rolling: {max: 1}
image:
  repository: shop
containers:
  a: {tag: 1, debug: true}
  b: {tag: 2, debug: true}
resources:
  limits:
    cpu: 1
    memory: 1Gi
extra: |
  restart: {{ .Values.restart }}
restart: Always
`,
		"templates/_helpers.tpl": "{{- define \"shop.name\" -}}\n{{ .Chart.Name }}-{{ .Values.restart }}\n{{- end }}\n" +
			"{{- define \"shop.base\" -}}\nbase: label\n{{- end }}\n{{- define \"shop.labels\" -}}\napp: shop\n{{ include \"shop.base\" . }}\n{{- end }}\n" +
			"{{- define \"shop.footer\" }}\nfooter: {{ .Values.replicas }}\n{{- end }}\n",
		"templates/web.yaml": template,
	}), Options{})
	noProblems(t, r)
	if len(r.Objects) != 2 {
		t.Fatalf("got %q", names(r.Objects))
	}
	helper := func(n string) string { return "_helpers.tpl:" + n }
	for _, test := range []struct{ name, path, want string }{
		{"text", "kind", "web.yaml:5:1"},
		{"text behind a value", "metadata.labels.own", "web.yaml:10:5"},
		{"a value", "spec.replicas", "web.yaml:12:3|values.yaml:2:1 (the value is set here)"},
		{"a value that a helper makes", "metadata.name", "web.yaml:7:3|" + helper("2:1 (the value is made here)") + "|values.yaml:17:1 (the value is set here)"},
		{"a line that a helper writes", "metadata.labels.app", helper("8:1") + "|web.yaml:9:5 (included here)"},
		{"a line that a helper of a helper writes", "metadata.labels.base", helper("5:1") + "|" + helper("9:1 (included here)") + "|web.yaml:9:5 (included here)"},
		{"a value below with", "spec.strategy.type", "web.yaml:15:5|values.yaml:4:3 (the value is set here)"},
		{"a part of a value below with", "spec.strategy.rolling.max", "web.yaml:16:5|values.yaml:5:13 (the value is set here)"},
		{"values that are absent", "spec.missing", "web.yaml:18:3"},
		{"behind values that are absent", "spec.template", "web.yaml:19:3"},
		{"the first turn of a loop", "spec.template.spec.containers[0].image", "web.yaml:25:9|values.yaml:7:3 (the value is set here)"},
		{"the second turn of a loop", "spec.template.spec.containers[1].debug", "web.yaml:27:9"},
		{"an item", "spec.template.spec.containers[1]", "web.yaml:24:7"},
		{"a part of a value", "spec.template.spec.containers[2].resources.limits.cpu", "web.yaml:31:9|values.yaml:13:5 (the value is set here)"},
		{"a map that a value is", "spec.template.spec.containers[2].resources", "web.yaml:31:9|values.yaml:11:1 (the value is set here)"},
		{"text that tpl makes", "spec.template.spec.restart", "web.yaml:32:1|values.yaml:17:1 (the value is set here)|values.yaml:15:1 (the value is set here)"},
		{"a template without include", "footer", helper("12:1") + "|values.yaml:2:1 (the value is set here)"},
		{"a field that is absent", "spec.template.spec.hostNetwork", `web.yaml:21:5 ("hostNetwork" is missing here)`},
		{"an old path without the template", "spec.nope", `web.yaml:11:1 ("nope" is missing here)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := placesOf(t, r.Objects[0], test.path)
			got = strings.ReplaceAll(strings.ReplaceAll(strings.TrimSuffix(got, "\n"), "charts/shop/templates/", ""), "charts/shop/", "")
			if got = strings.ReplaceAll(got, "\n", "|"); got != test.want {
				t.Errorf("\ngot  %s\nwant %s", got, test.want)
			}
		})
	}
	if got := r.Objects[0].Origin.Object(); got.Line != 4 || got.File != "charts/shop/templates/web.yaml" {
		t.Errorf("the first object begins at %+v", got)
	}
	if got := r.Objects[1].Origin.Object(); got.Line != 36 {
		t.Errorf("the second object begins at %+v", got)
	}
}

func TestEveryFieldHasAPlace(t *testing.T) {
	f := everything.with(files{"templates/list.yaml": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: &m {name: p}\n- apiVersion: v1\n  kind: Pod\n  metadata: *m\n"})
	r := build(t, f, Options{})
	if len(r.Objects) == 0 {
		t.Fatal("there are no objects")
	}
	for _, o := range r.Objects {
		everyField(o.Content, nil, func(path policy.Path) {
			locations := o.Origin.Field(path)
			if len(locations) == 0 {
				t.Fatalf("%s %s has no place", o, path)
			}
			for _, l := range locations {
				if l.File == "" || l.Line < 1 || l.Column < 1 || l.EndLine != l.Line || l.EndColumn < l.Column {
					t.Errorf("%s %s: %+v", o, path, l)
				}
			}
		})
	}
}

func everyField(v any, path policy.Path, visit func(policy.Path)) {
	visit(path)
	switch v := v.(type) {
	case map[string]any:
		for key, child := range v {
			everyField(child, append(path[:len(path):len(path)], policy.Key(key)), visit)
		}
	case []any:
		for i, child := range v {
			everyField(child, append(path[:len(path):len(path)], policy.Index(i)), visit)
		}
	}
}
