package kustomize

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/assay-gitops/assay/policy"
)

// plainly is what kustomize builds without us.
func plainly(t testing.TB, dir string) []map[string]any {
	t.Helper()
	kustomizing.Lock()
	defer kustomizing.Unlock()
	defer quiet()()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for _, r := range built.Resources() {
		content, err := contentOf(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, content)
	}
	return all
}

func contents(objects []*policy.Object) []map[string]any {
	var all []map[string]any
	for _, o := range objects {
		all = append(all, o.Content)
	}
	return all
}

func TestObjectsAreWhatKustomizeBuilds(t *testing.T) {
	dir := unpack(t, shop)
	for _, top := range []string{"base", "mid", "top"} {
		if diff := cmp.Diff(plainly(t, filepath.Join(dir, top)), contents(build(t, dir, top).Objects)); diff != "" {
			t.Errorf("%s: %s", top, diff)
		}
	}
}

// TestAnnotationsThatWereAskedForStay builds a kustomization that itself wants to know where objects came from.
func TestAnnotationsThatWereAskedForStay(t *testing.T) {
	for _, wishes := range []string{"[originAnnotations]", "[managedByLabel]", "[transformerAnnotations, originAnnotations]"} {
		dir := unpack(t, shop+"-- wish/kustomization.yaml --\nresources: [../base]\nbuildMetadata: "+wishes+"\n")
		if diff := cmp.Diff(plainly(t, filepath.Join(dir, "wish")), contents(build(t, dir, "wish").Objects)); diff != "" {
			t.Errorf("%s: %s", wishes, diff)
		}
	}
}

func TestAllNamesOfKustomizationFiles(t *testing.T) {
	for _, name := range fileNames {
		dir := unpack(t, "-- "+name+" --\nresources: [a.yaml]\n-- a.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
		if r := build(t, dir, "."); len(r.Objects) != 1 || len(r.Problems) != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestProblemsNameTheLine(t *testing.T) {
	configMap := "-- a.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
	for name, c := range map[string]struct {
		archive    string
		file, line string
		message    string
	}{
		"a missing resource": {"-- kustomization.yaml --\nresources:\n- a.yaml\n- missing.yaml\n" + configMap, "kustomization.yaml", "- missing.yaml", "missing.yaml does not exist"},
		"a missing patch": {"-- kustomization.yaml --\nresources: [a.yaml]\npatches:\n- path: missing.yaml\n" + configMap,
			"kustomization.yaml", "- path: missing.yaml", "missing.yaml does not exist"},
		"a remote base": {"-- kustomization.yaml --\nresources:\n- https://example.com/org/repo//base?ref=v1\n",
			"kustomization.yaml", "- https://example.com/org/repo//base?ref=v1", "is on another machine and was not fetched"},
		"a remote base of a base": {"-- kustomization.yaml --\nresources: [base]\n-- base/kustomization.yaml --\nresources:\n- github.com/org/repo\n",
			"base/kustomization.yaml", "- github.com/org/repo", "is on another machine"},
		"one that includes itself":       {"-- kustomization.yaml --\nresources:\n- .\n", "kustomization.yaml", "- .", "includes itself"},
		"a circle of two":                {"-- kustomization.yaml --\nresources: [b]\n-- b/kustomization.yaml --\nresources:\n- ..\n", "b/kustomization.yaml", "- ..", "includes itself"},
		"a folder that is none":          {"-- kustomization.yaml --\nresources: [b]\n-- b/other.yaml --\n", "b", "", "no kustomization file"},
		"two files":                      {"-- kustomization.yaml --\nresources: [a.yaml]\n-- Kustomization --\nresources: [a.yaml]\n" + configMap, "Kustomization", "", "several kustomization files"},
		"YAML that does not parse":       {"-- kustomization.yaml --\nresources: [a.yaml]\nnamespace: [\n" + configMap, "kustomization.yaml", "", ""},
		"an unknown field":               {"-- kustomization.yaml --\nresources: [a.yaml]\nnamspace: x\n" + configMap, "kustomization.yaml", "", "namspace"},
		"a resource that does not parse": {"-- kustomization.yaml --\nresources: [b.yaml]\n-- b.yaml --\napiVersion: v1\nkind: [\n", "b.yaml", "", ""},
		"a patch without an object": {"-- kustomization.yaml --\nresources: [a.yaml]\npatches:\n- path: p.yaml\n-- p.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n" + configMap,
			"p.yaml", "apiVersion: v1", "the kustomization does not build"},
		"a chart": {"-- kustomization.yaml --\nhelmCharts:\n- name: shop\n  repo: https://charts.example\n", "kustomization.yaml", "- name: shop", "chart shop is inflated by running helm"},
		"the same object twice": {"-- kustomization.yaml --\nresources: [a.yaml, b]\n-- b/kustomization.yaml --\nresources: [a.yaml]\n-- b/a.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n" + configMap,
			"kustomization.yaml", "", "does not build"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := unpack(t, c.archive)
			r := build(t, dir, ".")
			if len(r.Objects) != 0 || len(r.Problems) == 0 {
				t.Fatalf("%+v", r)
			}
			p := r.Problems[0]
			if p.Location.File != c.file || !strings.Contains(p.Message, c.message) {
				t.Errorf("%s: %s, want %s: %s", p.Location.File, p.Message, c.file, c.message)
			}
			if c.line != "" {
				if line := lineOf(t, dir, p.Location.File, p.Location.Line); line != c.line {
					t.Errorf("line %q, want %q", line, c.line)
				}
			}
			if strings.Contains(p.Message, dir) {
				t.Errorf("the message has an absolute path: %s", p.Message)
			}
		})
	}
}

func TestNothingIsWrittenIntoTheTree(t *testing.T) {
	dir := unpack(t, shop)
	before := snapshot(t, dir)
	for _, top := range []string{"base", "mid", "top"} {
		for _, o := range build(t, dir, top).Objects {
			o.Origin.Object()
		}
	}
	if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, path))
		all[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFilesThatAreTooLargeAreRefused(t *testing.T) {
	dir := unpack(t, "-- kustomization.yaml --\nresources: [a.yaml]\n-- a.yaml --\n"+strings.Repeat("# large\n", 1000))
	r := Build(context.Background(), dir, Options{Root: dir, MaxFileBytes: 100})
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, "is larger than 100 bytes") {
		t.Errorf("%+v", r.Problems)
	}
}

func TestFilesThatWereReadAreNamed(t *testing.T) {
	dir := unpack(t, shop)
	var names []string
	for _, path := range build(t, dir, "mid").Files {
		names = append(names, relative(dir, path))
	}
	want := []string{
		"base/app.conf", "base/app.env", "base/deployment.yaml", "base/kustomization.yaml", "base/service.yaml",
		"component/kustomization.yaml", "mid/kustomization.yaml", "mid/privileged.yaml",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func TestReferences(t *testing.T) {
	dir := unpack(t, shop)
	got, err := References(filepath.Join(dir, "mid"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{filepath.Join(dir, "base"), filepath.Join(dir, "component")}, got); diff != "" {
		t.Error(diff)
	}
}

func TestBuildsAreSafeSideBySide(t *testing.T) {
	dir := unpack(t, shop)
	want := contents(build(t, dir, "top").Objects)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			r := build(t, dir, "top")
			for _, o := range r.Objects {
				o.Origin.Field(policy.Path{policy.Key("metadata"), policy.Key("name")})
			}
			if diff := cmp.Diff(want, contents(r.Objects)); diff != "" {
				t.Error(diff)
			}
		})
	}
	group.Wait()
}

func TestNumbersStayWhole(t *testing.T) {
	dir := unpack(t, "-- kustomization.yaml --\nresources: [a.yaml]\n-- a.yaml --\napiVersion: x/v1\nkind: A\nmetadata: {name: a}\nspec: {n: 9007199254740993, f: 1.5}\n")
	spec := build(t, dir, ".").Objects[0].Content["spec"].(map[string]any)
	if spec["n"] != int64(9007199254740993) || spec["f"] != 1.5 {
		t.Errorf("%v", spec)
	}
}

func FuzzBuild(f *testing.F) {
	for _, k := range []string{
		"resources: [a.yaml]\nnamePrefix: x-\n",
		"resources: [a.yaml]\npatches:\n- patch: |-\n    - op: replace\n      path: /data/a\n      value: c\n  target: {kind: ConfigMap}\n",
		"resources: [a.yaml]\nreplacements:\n- source: {kind: ConfigMap}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.a]}]\n",
		"configMapGenerator: [{name: a, literals: [a=b]}]\nimages: [{name: x, newTag: y}]\n",
		"resources: [.]\n",
	} {
		f.Add(k)
	}
	f.Fuzz(func(t *testing.T, kustomization string) {
		if strings.Contains(kustomization, "://") || strings.Contains(kustomization, "git") || strings.Contains(kustomization, "..") || strings.Contains(kustomization, "/") {
			return // nothing outside of the folder
		}
		dir := t.TempDir()
		for name, content := range map[string]string{
			"kustomization.yaml": kustomization, "a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, o := range build(t, dir, ".").Objects {
			if locations := o.Origin.Field(policy.Path{policy.Key("data"), policy.Key("a")}); len(locations) == 0 {
				t.Error("no location")
			}
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	dir := unpack(b, shop)
	for _, top := range []string{"base", "top"} {
		b.Run(top, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r := build(b, dir, top); len(r.Problems) > 0 {
					b.Fatal(r.Problems)
				}
			}
		})
	}
	b.Run("locate", func(b *testing.B) {
		o := find(b, dir, "top", "Deployment")
		for b.Loop() {
			o.Origin.Field(policy.Path{policy.Key("spec"), policy.Key("replicas")})
		}
	})
}
