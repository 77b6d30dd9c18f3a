// Package realdata reads real policies and manifests for tests and benchmarks of the engine, from the folder that
// ASSAY_DATA names. It reads simply, since what is tested is judging, not loading.
package realdata

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// Dir is the folder with the data; empty when there is none.
func Dir() string { return os.Getenv("ASSAY_DATA") }

// Policies are those of the old library.
func Policies(tb testing.TB) []*v2.Policy {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(Dir(), "weave-policies", "*.yaml"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no policies in %s (%v)", Dir(), err)
	}
	var all []*v2.Policy
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		p := &v2.Policy{}
		if err := yaml.Unmarshal(content, p); err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		all = append(all, p)
	}
	return all
}

// Objects are those of all manifests that parse.
func Objects(tb testing.TB) []*policy.Object {
	tb.Helper()
	var all []*policy.Object
	err := filepath.WalkDir(filepath.Join(Dir(), "manifests"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, document := range bytes.Split(content, []byte("\n---")) {
			var o map[string]any
			if yaml.Unmarshal(document, &o) == nil && o["kind"] != nil && o["apiVersion"] != nil {
				all = append(all, &policy.Object{Content: o})
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}
