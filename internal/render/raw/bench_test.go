package raw

import (
	"strings"
	"testing"

	"github.com/assay-gitops/assay/policy"
)

// BenchmarkParse reads one file of a hundred Deployments.
func BenchmarkParse(b *testing.B) {
	content := []byte(strings.Repeat(deployment+"---\n", 100))
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		if objects, _ := Parse("f.yaml", content); len(objects) != 100 {
			b.Fatal(len(objects))
		}
	}
}

// BenchmarkField finds one field of a document that is parsed for it, and then others.
func BenchmarkField(b *testing.B) {
	path := policy.Path{policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("containers"), policy.Index(1), policy.Key("image")}
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f := Open("f.yaml", []byte(deployment))
			f.Locate(0, path)
		}
	})
	b.Run("further", func(b *testing.B) {
		objects, _ := Parse("f.yaml", []byte(deployment))
		tree, err := objects[0].Origin.(*Origin).file.treeOf(objects[0].Origin.(*Origin).file.documents[0])
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			objects[0].Origin.Field(path)
		}
		_ = tree.root.Kind // keeps the tree
	})
}
