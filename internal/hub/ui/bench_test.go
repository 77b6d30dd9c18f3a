package ui

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/web"
)

// BenchmarkSize tells how much a browser loads: what the page names, before it shows anything, and all that there is. It has to be built: `make web`.
func BenchmarkSize(b *testing.B) {
	files, err := web.Files()
	if err != nil {
		b.Fatal(err)
	}
	page, err := fs.ReadFile(files, index)
	if err != nil {
		b.Skip("the user interface was not built")
	}
	names, err := fs.Glob(files, assets+"*.br")
	if err != nil {
		b.Fatal(err)
	}
	var first, all int
	for b.Loop() {
		first, all = len(page), len(page)
		for _, name := range names {
			text, err := fs.ReadFile(files, name)
			if err != nil {
				b.Fatal(err)
			}
			all += len(text)
			if strings.Contains(string(page), "/"+strings.TrimSuffix(name, ".br")) {
				first += len(text)
			}
		}
	}
	b.ReportMetric(float64(first), "B/first-load")
	b.ReportMetric(float64(all), "B/all")
}
