package helm

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWhatIsWrongIsPointedAt(t *testing.T) {
	ok := files{"templates/ok.yaml": configMap("ok")}
	with := func(template string) files { return minimal().with(ok).with(files{"templates/x.yaml": template}) }
	deep := "{{ define \"deep\" }}\n{{ .Values.a.b.c }}\n{{ end }}{{ define \"demand\" }}\n\n{{ required \"set the host\" .Values.host }}{{ end }}"
	for _, test := range []struct {
		name    string
		files   files
		options Options
		want    []string
		hint    string // part of the first hint
	}{
		{"an action that is not closed", with("a: b\nc: {{ .Values.x\n\n"), Options{},
			[]string{"templates/x.yaml:2: unclosed action"}, "not closed"},
		{"an if without an end", with("a: b\n{{ if .Values.x }}\n"), Options{},
			[]string{"templates/x.yaml:3: unexpected EOF"}, "has no `end`"},
		{"a function that does not exist", with("a: b\nc: {{ nope . }}\n"), Options{},
			[]string{`templates/x.yaml:2: function "nope" not defined`}, "misspelt"},
		{"a function of sprig that Helm takes away", with("a: {{ env \"HOME\" }}\n"), Options{},
			[]string{`templates/x.yaml:1: function "env" not defined`}, "misspelt"},
		{"a value that is not set", with("a: b\nc: {{ .Values.a.b.c }}\n"), Options{},
			[]string{"templates/x.yaml:2: .Values.a.b.c: nil pointer evaluating interface {}.b"}, "not set"},
		{"a value of another type", with("a: {{ .Values.a.b }}\n").with(files{"values.yaml": "a: text\n"}), Options{},
			[]string{"templates/x.yaml:1: .Values.a.b: can't evaluate field b in type interface {}"}, "another type"},
		{"a value that is not set, in a helper", with("\n\n{{ include \"deep\" . }}\n").with(files{"templates/_h.tpl": deep}), Options{},
			[]string{"templates/_h.tpl:2: .Values.a.b.c: nil pointer evaluating interface {}.b, included from charts/shop/templates/x.yaml"}, "not set"},
		{"a value that the chart demands", with("{{ include \"demand\" . }}\n").with(files{"templates/_h.tpl": deep}), Options{},
			[]string{"templates/_h.tpl:5: set the host, included from charts/shop/templates/x.yaml"}, "--set"},
		{"what the chart refuses", with("a: b\n{{ fail \"no: not: so\" }}\n"), Options{},
			[]string{"templates/x.yaml:2: no: not: so"}, "--set"},
		{"a template that nobody defines", with("a: b\n\nc: {{ include \"nope\" . }}\n"), Options{},
			[]string{`templates/x.yaml:3: no template is named "nope"`}, "misspelt"},
		{"a fault in text that tpl executes", with("a: b\nc: {{ tpl .Values.t . }}\n").with(files{"values.yaml": "t: \"{{ .Values.x.y }}\"\n"}), Options{},
			[]string{"templates/x.yaml:2: .Values.x.y: nil pointer evaluating interface {}.y"}, "not set"},
		{"text for tpl that is no template", with("a: b\nc: {{ tpl \"{{ if }}\" . }}\n"), Options{},
			[]string{"templates/x.yaml:2: missing value for if"}, ""},
		{"a helper that does not parse", with("a: {{ include \"h\" . }}\n").with(files{"templates/_h.tpl": "{{ define \"h\" }}\n{{ end\n"}), Options{},
			[]string{"templates/_h.tpl:2: unclosed action"}, "not closed"},
		{"YAML that is wrong", with("apiVersion: v1\nkind: X\nmetadata:\n  name: x\n{{ range until 2 }}\n  a: {{ \"b: c\" }}\n{{ end }}"), Options{},
			[]string{"templates/x.yaml:6: the YAML that the template writes is wrong: a second key or colon where a value ends"}, "helm template"},
		{"a key twice", with("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  name: y\n"), Options{},
			[]string{`templates/x.yaml:5: the YAML that the template writes is wrong: key "name" is already set in line 4, warning`}, ""},
		{"a document that is no object", with("apiVersion: v1\nkind: X\nmetadata: {name: x}\n---\n\na: b\n---\nkind: Z\n---\n- a\n"), Options{}, []string{
			"templates/x.yaml:6: the template writes a document that has neither apiVersion nor kind",
			"templates/x.yaml:8: the template writes a document that has no apiVersion",
			"templates/x.yaml:10: the template writes a document that has neither apiVersion nor kind",
		}, "install"},
		{"dependencies that are not there", with("").with(files{"Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.2.3\ndependencies:\n- name: cache\n  version: 1.x\n- name: queue\n  version: 1.x\n"}), Options{}, []string{
			"Chart.yaml:5: the dependency cache is not in charts/", "Chart.yaml:7: the dependency queue is not in charts/",
		}, "helm dependency build charts/shop"},
		{"a dependency that is not there, of a chart of old", with("").with(files{"Chart.yaml": "apiVersion: v1\nname: shop\nversion: 1.2.3\n", "requirements.yaml": "dependencies:\n- name: cache\n  version: 1.x\n"}), Options{},
			[]string{"requirements.yaml:2: the dependency cache is not in charts/"}, "helm dependency build"},
		{"a Kubernetes that the chart does not support", minimal().with(files{"Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.2.3\nkubeVersion: \">=1.30.0\"\n"}), Options{KubeVersion: "1.29.0"},
			[]string{"Chart.yaml:4: the chart requires Kubernetes >=1.30.0 and is rendered for v1.29.0"}, "--kube-version"},
		{"a Kubernetes version that is none", minimal(), Options{KubeVersion: "new"},
			[]string{`Chart.yaml:0: the Kubernetes version "new": could not parse "new" as version`}, ""},
		{"a Chart.yaml that does not parse", files{"Chart.yaml": "apiVersion: v2\nname: [\n"}, Options{},
			[]string{"Chart.yaml:2: did not find expected node content"}, ""},
		{"values that do not parse", with("").with(files{"values.yaml": "a: b\nc: d: e\n"}), Options{},
			[]string{"values.yaml:2: a second key or colon where a value ends"}, ""},
		{"values that do not parse, in a dependency", with("").with(files{"charts/c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n", "charts/c/values.yaml": "a: b\nc: d: e\n"}), Options{},
			[]string{"charts/c/values.yaml:2: a second key or colon where a value ends"}, ""},
		{"values that are a list", with("").with(files{"values.yaml": "- a\n"}), Options{},
			[]string{"values.yaml:0: cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}"}, ""},
		{"a chart without a name", files{"Chart.yaml": "apiVersion: v2\nversion: 1.2.3\n"}, Options{},
			[]string{"Chart.yaml:0: validation: chart.metadata.name is required"}, ""},
		{"a file among the dependencies", with("").with(files{"charts/README.md": "x"}), Options{},
			[]string{"Chart.yaml:0: error unpacking subchart README.md in shop: Chart.yaml file is missing"}, ""},
		{"an archive that is none", with("").with(files{"charts/c-1.0.0.tgz": "x"}), Options{},
			[]string{"charts/c-1.0.0.tgz:0: not a packaged chart: unexpected EOF"}, ""},
		{"a --set that is none", with(""), Options{Set: []string{"a"}},
			[]string{`:0: --set a: key "a" has no value`}, "key=value"},
		{"values that the schema does not allow", with("").with(files{
			"values.yaml":        "replicas: many\nimage:\n  tag: 1\n",
			"values.schema.json": `{"type": "object", "required": ["host"], "properties": {"replicas": {"type": "integer"}, "image": {"properties": {"tag": {"type": "string"}}}}}`,
		}), Options{}, []string{
			"values.yaml:1: replicas: got string, want integer",
			"values.yaml:1: the values: missing property 'host'",
			"values.yaml:3: image.tag: got number, want string",
		}, "Helm refuses"},
		{"values of a dependency that its schema does not allow", with("").with(files{
			"values.yaml": "c:\n  size: big\n", "charts/c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n", "charts/c/values.schema.json": `{"properties": {"size": {"type": "integer"}}}`,
		}), Options{}, []string{"values.yaml:2: c.size: got string, want integer"}, "charts/c/values.schema.json"},
		{"a schema that lies elsewhere", with("").with(files{"values.schema.json": `{"$ref": "https://127.0.0.1:1/schema.json"}`}), Options{},
			[]string{"values.schema.json:0: the values were not held against the schema: it refers to https://127.0.0.1:1/schema.json, which is not fetched, warning"}, ""},
		{"a schema that is in another file", with("").with(files{"values.schema.json": `{"$ref": "file:///etc/passwd"}`}), Options{},
			[]string{"values.schema.json:0: the values were not held against the schema: it refers to file:///etc/passwd, which is not fetched, warning"}, ""},
		{"a schema that is none", with("").with(files{"values.schema.json": "{"}), Options{},
			[]string{"values.schema.json:0: the schema cannot be used: unexpected EOF"}, ""},
		{"a schema that is a circle", with("").with(files{"values.schema.json": `{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}`}), Options{},
			[]string{`values.schema.json:0: the values: both /$ref/$ref and /$ref resolve to "file:///values.schema.json#/$defs/a" causing reference cycle`}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := build(t, test.files, test.options)
			var got []string
			for _, p := range r.Problems {
				got = append(got, strings.TrimPrefix(said(p), "charts/shop/"))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("\ngot  %q\nwant %q", got, test.want)
			}
			if len(r.Problems) > 0 && !strings.Contains(r.Problems[0].Hint, test.hint) {
				t.Errorf("hint %q has no %q", r.Problems[0].Hint, test.hint)
			}
			if test.files["templates/ok.yaml"] != "" && test.files["templates/x.yaml"] != "" && !slices.Contains(names(r.Objects), "configmap/ok") {
				t.Errorf("the other templates are not rendered: %q", names(r.Objects))
			}
		})
	}
}

func TestAValuesFileThatIsNotThereIsNamed(t *testing.T) {
	r := build(t, minimal().with(files{"templates/a.yaml": configMap("a")}), Options{ValuesFiles: []string{"nope/values.yaml"}})
	if len(r.Problems) != 1 || len(r.Objects) != 0 {
		t.Fatalf("got problems %v and objects %q", r.Problems, names(r.Objects))
	}
	p := r.Problems[0]
	if !strings.HasSuffix(p.Location.File, "helm/nope/values.yaml") || p.Message != "the values file cannot be read: no such file or directory" {
		t.Errorf("got %s", said(p))
	}
}

func TestWhatATemplateWritesWronglyIsShown(t *testing.T) {
	r := build(t, minimal().with(files{"templates/x.yaml": "apiVersion: v1\nkind: X\nmetadata:\n  {{ \"a: b: c\" }}\n"}), Options{})
	if len(r.Problems) != 1 {
		t.Fatalf("got %v", r.Problems)
	}
	if got, want := r.Problems[0].Excerpt, "metadata:\n  a: b: c\n      ^"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTheLastOfTwoKeysWinsAsWithHelm(t *testing.T) {
	r := build(t, minimal().with(files{"templates/x.yaml": "apiVersion: v1\nkind: X\nmetadata:\n  name: x\n  name: z\nport: 80\n"}), Options{})
	if got := names(r.Objects); !slices.Equal(got, []string{"x/z"}) {
		t.Fatalf("got %q", got)
	}
	if got := value(t, r.Objects[0], "port"); got != int64(80) {
		t.Errorf("the port is %v (%T)", got, got)
	}
	if got, want := placesOf(t, r.Objects[0], "metadata.name"), "charts/shop/templates/x.yaml:5:3\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatCannotBeReadIsAProblem(t *testing.T) {
	root, chart := write(t, minimal().with(files{"templates/a.yaml": configMap("a"), "docs/README.md": "x", "templates/big.yaml": strings.Repeat("x", 3000)}))
	for _, test := range []struct{ name, path, want string }{
		{"nothing", filepath.Join(root, "nope"), "nope:0: cannot be read: no such file or directory"},
		{"no archive", filepath.Join(chart, "Chart.yaml"), "charts/shop/Chart.yaml:0: not a packaged chart: gzip: invalid header"},
		{"no chart", filepath.Join(chart, "docs"), "charts/shop/docs:0: Chart.yaml file is missing"},
		{"a file that is too large", chart, "charts/shop/templates/big.yaml:0: the file is larger than 2048 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := Build(t.Context(), test.path, Options{Root: root, MaxFileBytes: 2048})
			if len(r.Problems) != 1 || said(r.Problems[0]) != test.want {
				t.Errorf("got %v, want %s", r.Problems, test.want)
			}
		})
	}
	if os.Getuid() == 0 {
		return
	}
	if err := os.Chmod(filepath.Join(chart, "templates", "a.yaml"), 0); err != nil {
		t.Fatal(err)
	}
	if r := Build(t.Context(), chart, Options{Root: root}); len(r.Problems) == 0 {
		t.Error("a file that nobody may read is no problem")
	}
}
