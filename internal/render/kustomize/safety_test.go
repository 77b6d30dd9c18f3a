package kustomize

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/policy"
)

const plainConfigMap = "-- a.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"

// TestTheNetworkIsNotUsed refers to a server in every field that kustomize would download a file for.
func TestTheNetworkIsNotUsed(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		http.NotFound(w, nil)
	}))
	defer server.Close()
	for _, entry := range []string{
		"components: [URL]", "bases: [URL]", "crds: [URL]", "configurations: [URL]", "openapi: {path: URL}",
		"generators: [URL]", "transformers: [URL]", "validators: [URL]",
		"patches: [{path: URL}]", "patchesStrategicMerge: [URL]", "patchesStrategicMerge: ['URL/{x']", "replacements: [{path: URL}]",
		"patchesJson6902: [{path: URL, target: {kind: ConfigMap, version: v1, name: a}}]",
		"configMapGenerator: [{name: x, files: [a=URL]}]", "configMapGenerator: [{name: x, envs: [URL]}]", "configMapGenerator: [{name: x, env: URL}]",
		"secretGenerator: [{name: x, files: [URL]}]", "transformers: [plugin.yaml]", "transformers: [plugins]",
		"transformers: ['{apiVersion: builtin, kind: PatchTransformer, metadata: {name: x}, path: URL}']",
		"generators: ['{apiVersion: builtin, kind: ConfigMapGenerator, metadata: {name: x}, files: [a=URL]}']",
	} {
		t.Run(entry, func(t *testing.T) {
			archive := "-- kustomization.yaml --\nresources: [a.yaml]\n" + entry + "\n" + plainConfigMap +
				"-- plugin.yaml --\napiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: x}\npath: URL\n" +
				"-- plugins/kustomization.yaml --\nresources: [URL]\n"
			dir := unpack(t, strings.ReplaceAll(archive, "URL", server.URL+"/x.yaml"))
			r := build(t, dir, ".")
			if requests > 0 {
				t.Errorf("%d requests were made", requests)
				requests = 0
			}
			if len(r.Objects) != 0 || len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, "is on another machine") || r.Problems[0].Location.Line == 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestFoldersWithTheNameOfARemote are cloned by kustomize in place of those that are there.
func TestFoldersWithTheNameOfARemote(t *testing.T) {
	for _, name := range []string{"github.com/org/repo", "git@host/org/repo", "https:/example.com/org/repo"} {
		dir := unpack(t, "-- kustomization.yaml --\nresources: ['"+strings.Replace(name, ":/", "://", 1)+"']\n-- "+name+"/kustomization.yaml --\nresources: [a.yaml]\n"+
			strings.Replace(plainConfigMap, "-- ", "-- "+name+"/", 1))
		if r := build(t, dir, "."); len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, "is on another machine") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestBombsAreRefused builds what would end the process or never end.
func TestBombsAreRefused(t *testing.T) {
	laughs := "x0: &x0 [a,a,a,a,a,a,a,a,a,a]\n"
	for i := range 9 {
		laughs += fmt.Sprintf("x%d: &x%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d,", i), 10), ","))
	}
	const knot = "data: &x\n  a: *x\n"
	doubling := "-- 0a/kustomization.yaml --\nresources: []\n-- 0b/kustomization.yaml --\nresources: []\n"
	for i := range 30 {
		for _, side := range []string{"a", "b"} {
			doubling += fmt.Sprintf("-- %d%s/kustomization.yaml --\nresources: [../%da, ../%db]\n", i+1, side, i, i)
		}
	}
	indented := func(text string) string { return strings.ReplaceAll("\n"+text, "\n", "\n    ") }
	patched := func(text string) string {
		return "-- kustomization.yaml --\nresources: [a.yaml]\npatches:\n- patch: |" + indented("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"+text) + "\n" + plainConfigMap
	}
	resource := func(text string) string {
		return "-- kustomization.yaml --\nresources: [a.yaml]\n" + plainConfigMap + text
	}
	for name, c := range map[string]struct{ archive, file, message string }{
		"an anchor in itself":                 {resource(knot), "a.yaml", "an anchor contains itself"},
		"an anchor in itself, in a patch":     {patched(knot), "kustomization.yaml", "an anchor contains itself"},
		"an anchor in itself, merged":         {resource("data: &x\n  <<: *x\n"), "a.yaml", "an anchor contains itself"},
		"aliases of aliases":                  {resource(laughs), "a.yaml", "its aliases stand for more than"},
		"aliases of aliases, in a patch":      {patched(laughs), "kustomization.yaml", "its aliases stand for more than"},
		"aliases in a kustomization":          {"-- kustomization.yaml --\n" + laughs, "kustomization.yaml", "its aliases stand for more than"},
		"an anchor in itself, in its entries": {"-- kustomization.yaml --\nresources: &x [*x]\n", "kustomization.yaml", "an anchor contains itself"},
		"two that include the same two":       {doubling + "-- kustomization.yaml --\nresources: [30a]\n", "13b/kustomization.yaml", "more than 10000 times"},
	} {
		t.Run(name, func(t *testing.T) {
			r := build(t, unpack(t, c.archive), ".")
			if len(r.Objects) != 0 || len(r.Problems) == 0 {
				t.Fatalf("%+v", r)
			}
			p := r.Problems[0]
			if p.Warning || !strings.Contains(p.Message, c.message) {
				t.Errorf("%+v", p)
			}
			if c.file != "13b/kustomization.yaml" && p.Location.File != c.file {
				t.Errorf("in %s, want %s", p.Location.File, c.file)
			}
		})
	}
}

func TestAliasesOfAUsualSizeAreBuilt(t *testing.T) {
	dir := unpack(t, "-- kustomization.yaml --\nresources: [a.yaml]\n"+plainConfigMap+"data: &d {a: b}\nmore: {x: *d, y: *d}\n")
	if diff := cmp.Diff(plainly(t, dir), contents(build(t, dir, ".").Objects)); diff != "" {
		t.Error(diff)
	}
}

// TestWhatIsNotBuiltIsNoWarning has a file that would be a warning to those who look for objects, beside the true cause.
func TestWhatIsNotBuiltIsNoWarning(t *testing.T) {
	for name, archive := range map[string]string{
		"data that does not parse": "-- kustomization.yaml --\nresources: [a.yaml]\nconfigMapGenerator: [{name: x, files: [data.yaml]}]\npatches: [{path: p.yaml}]\n-- data.yaml --\na: {{ x }}\n" +
			"-- p.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n" + plainConfigMap,
		"a resource that is no object":        "-- kustomization.yaml --\nresources: [b.yaml]\n-- b.yaml --\na: {{ x }}\n",
		"a key that is twice":                 "-- kustomization.yaml --\nresources: [a.yaml]\nnamespace: a\nnamespace: b\n" + plainConfigMap,
		"a kustomization that does not parse": "-- kustomization.yaml --\nresources: [a.yaml\n" + plainConfigMap,
	} {
		r := build(t, unpack(t, archive), ".")
		if len(r.Objects) != 0 || len(r.Problems) == 0 || r.Problems[0].Warning {
			t.Errorf("%s: %+v", name, r)
		}
		for _, p := range r.Problems {
			if p.Location.File == "data.yaml" {
				t.Errorf("%s: data was taken for a manifest: %+v", name, p)
			}
		}
	}
}

// TestSchemasDoNotOutliveTheirKustomization builds one with a broken schema, and then another.
func TestSchemasDoNotOutliveTheirKustomization(t *testing.T) {
	merged := "-- kustomization.yaml --\nresources: [a.yaml]\npatches: [{path: p.yaml}]\n-- a.yaml --\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: x}]}\n" +
		"-- p.yaml --\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, tty: true}]}\n"
	before := contents(build(t, unpack(t, merged), ".").Objects)
	for _, schema := range []string{"{\n", `{"definitions": {}}`} {
		build(t, unpack(t, merged+"-- schema.json --\n"+schema+"\n-- kustomization.yaml --\nresources: [a.yaml]\nopenapi: {path: schema.json}\npatches: [{path: p.yaml}]\n"), ".")
		if diff := cmp.Diff(before, contents(build(t, unpack(t, merged), ".").Objects)); diff != "" {
			t.Errorf("after the schema %q: %s", schema, diff)
		}
	}
}

func TestTreesBehindLinksAreBuilt(t *testing.T) {
	dir := unpack(t, shop)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip(err)
	}
	r := Build(t.Context(), filepath.Join(link, "top"), Options{Root: link})
	if len(r.Objects) == 0 || len(r.Problems) > 0 {
		t.Fatalf("%+v", r)
	}
	at := r.Objects[0].Origin.Field(policy.Path{policy.Key("spec"), policy.Key("replicas")})[0]
	if at.File != "top/kustomization.yaml" || lineOf(t, dir, at.File, at.Line) != "count: 5" || r.Objects[0].Origin.Root() != "top" {
		t.Errorf("%+v, root %s", at, r.Objects[0].Origin.Root())
	}
}
