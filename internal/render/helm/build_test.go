package helm

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/policy"
)

func TestObjectsAreThoseThatAnInstallationApplies(t *testing.T) {
	hook := func(event string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Template.Name | base | trimSuffix \".yaml\" }}\n  annotations: {helm.sh/hook: \"" + event + "\"}\n"
	}
	f := minimal().with(files{
		"crds/widgets.yaml":              "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: \"{{ not a template }}\"\n",
		"crds/README.md":                 "not a manifest",
		"templates/b.yaml":               configMap("b1", "  a: b") + "---\n# nothing\n---apiVersion: v1\nkind: Secret\nmetadata: {name: b2}\n",
		"templates/a.yaml":               "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: p1}}\n- {apiVersion: v1, kind: Pod, metadata: {name: p2}}\n",
		"templates/_partial.yaml":        configMap("partial"),
		"templates/NOTES.txt":            configMap("notes"),
		"templates/empty.yaml":           "{{ if false }}\n" + configMap("never") + "{{ end }}",
		"templates/comments.yaml":        "# only {{ .Chart.Name }}\n",
		"templates/null.yaml":            "null\n",
		"templates/hook-install.yaml":    hook("pre-install"),
		"templates/hook-two.yaml":        hook("test, post-Upgrade"),
		"templates/hook-test.yaml":       hook("test"),
		"templates/hook-success.yaml":    hook("test-success"),
		"templates/hook-none.yaml":       hook("crd-install"),
		"templates/tests/connection.txt": configMap("in-a-text-file"),
	})
	r := build(t, f, Options{})
	noProblems(t, r)
	want := []string{"customresourcedefinition/{{ not a template }}", "pod/p1", "pod/p2", "configmap/b1", "secret/b2", "configmap/hook-install", "configmap/hook-two", "configmap/in-a-text-file"}
	if got := names(r.Objects); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, o := range r.Objects {
		if o.Origin.Root() != "charts/shop" {
			t.Errorf("%s: root %s", o, o.Origin.Root())
		}
	}
	if len(r.Files) != len(f) {
		t.Errorf("%d files were read, want %d: %q", len(r.Files), len(f), r.Files)
	}
	for _, file := range r.Files {
		if !filepath.IsAbs(file) {
			t.Errorf("%s is not absolute", file)
		}
	}
}

func TestNumbersAreAsKubernetesReadsThem(t *testing.T) {
	r := build(t, minimal().with(files{
		"values.yaml":      "port: 8080\nhalf: 0.5\nbig: 4611686018427387904\nmode: 0644\n",
		"templates/a.yaml": "apiVersion: v1\nkind: X\nmetadata: {name: x}\nport: {{ .Values.port }}\nhalf: {{ .Values.half }}\nmode: {{ .Values.mode }}\nnested: {{ .Values.port | toJson }}\nyes: yes\n",
	}), Options{})
	noProblems(t, r)
	for path, want := range map[string]any{"port": int64(8080), "half": 0.5, "mode": int64(420), "nested": int64(8080), "true": true} {
		if got := value(t, r.Objects[0], path); got != want {
			t.Errorf("%s: got %v (%T), want %v", path, got, got, want)
		}
	}
}

func TestValuesComeFromWhereTheCallerSays(t *testing.T) {
	f := minimal().with(files{
		"values.yaml":         "a: chart\nb: chart\nc: chart\nd: {x: chart, z: chart}\ne: gone\n",
		"values-staging.yaml": "a: staging\nb: staging\nd: {x: staging}\ne: null\n",
		"templates/a.yaml": configMap("a", "  a: {{ .Values.a }}", "  b: {{ .Values.b }}", "  c: {{ .Values.c }}", "  d: {{ .Values.d.x }}-{{ .Values.d.z }}",
			"  e: {{ hasKey .Values \"e\" }}", "  f: {{ .Values.f }}", "  release: {{ .Release.Name }} {{ .Release.Namespace }} {{ .Release.Service }} {{ .Release.IsInstall }} {{ .Release.IsUpgrade }} {{ .Release.Revision }}",
			"  kube: {{ .Capabilities.KubeVersion }} {{ .Capabilities.APIVersions.Has \"example.com/v1\" }} {{ .Capabilities.APIVersions.Has \"apps/v1\" }}"),
	})
	root, chart := write(t, f)
	own := filepath.Join(root, "own.yaml")
	if err := os.WriteFile(own, []byte("b: own\n---\nf: second document\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := Build(t.Context(), chart, Options{
		Root: root, ValuesFiles: []string{"values-staging.yaml", own}, Set: []string{"c=set,g.h=1"},
		ReleaseName: "rel", Namespace: "ns", KubeVersion: "1.27.3", APIVersions: []string{"example.com/v1"},
	})
	noProblems(t, r)
	for path, want := range map[string]string{
		"data.a": "staging", "data.b": "own", "data.c": "set", "data.d": "staging-chart", "data.e": "false", "data.f": "second document",
		"data.release": "rel ns Helm true false 1", "data.kube": "v1.27.3 true true",
	} {
		got := value(t, r.Objects[0], path)
		if b, ok := got.(bool); ok && !b {
			got = "false"
		}
		if got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	if !slices.Contains(r.Files, own) {
		t.Errorf("%s is not among the files %q", own, r.Files)
	}
	if got, want := placesOf(t, r.Objects[0], "data.b"), "charts/shop/templates/a.yaml:7:3\nown.yaml:1:1 (the value is set here)\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, want := placesOf(t, r.Objects[0], "data.a"), "charts/shop/templates/a.yaml:6:3\ncharts/shop/values-staging.yaml:1:1 (the value is set here)\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAReleaseIsNamedLikeTheChartByDefault(t *testing.T) {
	r := build(t, minimal().with(files{"templates/a.yaml": configMap("{{ .Release.Name }}.{{ .Release.Namespace }}")}), Options{})
	noProblems(t, r)
	if got := names(r.Objects); !slices.Equal(got, []string{"configmap/shop.default"}) {
		t.Errorf("got %q", got)
	}
}

// dependent is a chart with dependencies of all kinds.
func dependent(t testing.TB) files {
	cache := files{
		"Chart.yaml":            "apiVersion: v2\nname: cache\nversion: 0.1.0\n",
		"values.yaml":           "size: 1\nlabels:\n  a: b\n",
		"crds/caches.yaml":      "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: caches}\n",
		"templates/config.yaml": configMap("{{ .Chart.Name }}", "  size: \"{{ .Values.size }}\"", "  domain: {{ .Values.global.domain }}", "  labels: {{ .Values.labels.a }}"),
	}
	f := files{
		"Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.2.3\ndependencies:\n" +
			"- {name: cache, version: 0.x, alias: sessions}\n- {name: cache, version: 0.x, alias: spare, condition: spare.enabled}\n- {name: queue, version: \">=0\", tags: [queues]}\n",
		"values.yaml":                "sessions:\n  size: 5\nspare:\n  enabled: false\nglobal:\n  domain: example.com\ntags:\n  queues: true\n",
		"templates/a.yaml":           configMap("shop"),
		"charts/queue-0.2.0.tgz":     packaged(t, files{"Chart.yaml": "apiVersion: v2\nname: queue\nversion: 0.2.0\n", "templates/q.yaml": configMap("queue", "  size: \"{{ .Values.size }}\""), "values.yaml": "size: 9\n"}),
		"charts/_left/Chart.yaml":    "name: [",
		"charts/cache-x/.helmignore": "",
	}
	for name, content := range cache {
		f["charts/cache-x/"+name] = content
	}
	return f
}

func TestDependenciesAreRendered(t *testing.T) {
	f := dependent(t)
	r := build(t, f, Options{})
	noProblems(t, r)
	want := []string{"customresourcedefinition/caches", "configmap/queue", "configmap/sessions", "configmap/shop"}
	if got := names(r.Objects); !slices.Equal(got, want) {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
	for _, test := range []struct {
		object      int
		field, want string
	}{
		{0, "metadata.name", "charts/shop/charts/cache-x/crds/caches.yaml:3:12\n"},
		{1, "data.size", "charts/shop/charts/queue-0.2.0.tgz!/templates/q.yaml:6:3\ncharts/shop/charts/queue-0.2.0.tgz!/values.yaml:1:1 (the value is set here)\n"},
		{2, "data.size", "charts/shop/charts/cache-x/templates/config.yaml:6:3\ncharts/shop/values.yaml:2:3 (the value is set here)\n"},
		{2, "data.domain", "charts/shop/charts/cache-x/templates/config.yaml:7:3\ncharts/shop/values.yaml:6:3 (the value is set here)\n"},
		{2, "data.labels", "charts/shop/charts/cache-x/templates/config.yaml:8:3\ncharts/shop/charts/cache-x/values.yaml:3:3 (the value is set here)\n"},
	} {
		if got := placesOf(t, r.Objects[test.object], test.field); got != test.want {
			t.Errorf("%s %s\ngot\n%swant\n%s", r.Objects[test.object], test.field, got, test.want)
		}
	}
	if got := value(t, r.Objects[2], "data.size"); got != "5" {
		t.Errorf("the parent's value is not used: %v", got)
	}
}

func TestAConditionOfADependencyIsSet(t *testing.T) {
	f := dependent(t)
	r := build(t, f, Options{Set: []string{"spare.enabled=true", "tags.queues=false"}})
	noProblems(t, r)
	want := []string{"customresourcedefinition/caches", "customresourcedefinition/caches", "configmap/sessions", "configmap/spare", "configmap/shop"}
	if got := names(r.Objects); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestAPackagedChartIsRendered(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "shop-1.2.3.tgz")
	archive := packaged(t, minimal().with(files{"templates/a.yaml": configMap("a", "  b: c"), "values-x.yaml": "a: b\n"}))
	if err := os.WriteFile(file, []byte(archive), 0o644); err != nil {
		t.Fatal(err)
	}
	r := Build(t.Context(), file, Options{Root: root, ValuesFiles: []string{"values-x.yaml"}})
	noProblems(t, r)
	if got, want := placesOf(t, r.Objects[0], "data.b"), "shop-1.2.3.tgz!/templates/a.yaml:6:3\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := r.Objects[0].Origin.Root(); got != "shop-1.2.3.tgz" {
		t.Errorf("root %q", got)
	}
	if !slices.Equal(r.Files, []string{file}) {
		t.Errorf("files %q", r.Files)
	}
}

func TestALibraryHasNoObjectsAndNoProblems(t *testing.T) {
	r := build(t, files{"Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.0.0\ntype: library\n", "templates/a.yaml": "{{ broken"}, Options{})
	noProblems(t, r)
	if len(r.Objects) != 0 || len(r.Files) != 2 {
		t.Errorf("got objects %q, files %q", names(r.Objects), r.Files)
	}
}

func TestWhatHelmignoreNamesIsNotRead(t *testing.T) {
	r := build(t, minimal().with(files{
		".helmignore": "ignored/\n*.bak\n", "templates/a.yaml": configMap("a"), "templates/b.yaml.bak": configMap("b"), "ignored/x": "y", ".git/HEAD": "ref",
	}), Options{})
	noProblems(t, r)
	if got := names(r.Objects); !slices.Equal(got, []string{"configmap/a"}) {
		t.Errorf("got %q", got)
	}
	for _, file := range r.Files {
		if strings.Contains(file, "ignored") || strings.HasSuffix(file, ".bak") || strings.Contains(file, ".git"+string(filepath.Separator)) {
			t.Errorf("%s was read", file)
		}
	}
}

func TestLinksAreFollowedWithinTheTree(t *testing.T) {
	root, chart := write(t, minimal().with(files{"templates/a.yaml": configMap("a")}))
	outside := filepath.Join(t.TempDir(), "outside.yaml")
	for file, content := range map[string]string{filepath.Join(root, "shared.yaml"): configMap("shared"), outside: configMap("outside")} {
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"shared.yaml": "../../../shared.yaml", "out.yaml": outside, "loop": "..", "nowhere.yaml": "nope.yaml"} {
		if err := os.Symlink(target, filepath.Join(chart, "templates", link)); err != nil {
			t.Skip(err)
		}
	}
	r := Build(t.Context(), chart, Options{Root: root})
	if got := names(r.Objects); !slices.Equal(got, []string{"configmap/a", "configmap/shared"}) {
		t.Errorf("got %q", got)
	}
	var got []string
	for _, p := range r.Problems {
		got = append(got, said(p))
	}
	want := []string{
		"charts/shop/templates/loop:0: the link leads back to a folder above it and was not followed, warning",
		"charts/shop/templates/nowhere.yaml:0: the link leads nowhere: no such file or directory",
		"charts/shop/templates/out.yaml:0: the link leaves the tree and was not followed, warning",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func BenchmarkBuild(b *testing.B) {
	f := minimal().with(files{
		"values.yaml":            "replicas: 2\nimage: {repository: shop, tag: v1}\nresources: {limits: {cpu: 1, memory: 1Gi}}\n",
		"templates/_helpers.tpl": "{{ define \"labels\" }}app: {{ .Chart.Name }}\nrelease: {{ .Release.Name }}\n{{ end }}",
	})
	for i := range 50 {
		f["templates/deployment-"+string(rune('a'+i%26))+strings.Repeat("x", i/26)+".yaml"] = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels:
    {{- include "labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  template:
    spec:
      containers:
      {{- range $i := until 3 }}
      - name: c{{ $i }}
        image: {{ $.Values.image.repository }}:{{ $.Values.image.tag }}
        resources: {{- toYaml $.Values.resources | nindent 10 }}
      {{- end }}
`
	}
	root, chart := write(b, f)
	path := policy.Path{policy.Key("spec"), policy.Key("replicas")}
	b.ReportAllocs()
	for b.Loop() {
		r := Build(b.Context(), chart, Options{Root: root})
		if len(r.Objects) != 50 || len(r.Problems) != 0 {
			b.Fatalf("%d objects, problems %v", len(r.Objects), r.Problems)
		}
		r.Objects[0].Origin.Field(path)
	}
}
