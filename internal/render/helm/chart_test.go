package helm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/policy"
)

// files are those of a chart, by their names in it.
type files map[string]string

// with adds files.
func (f files) with(more files) files {
	all := maps.Clone(f)
	maps.Copy(all, more)
	return all
}

// minimal is the least that a chart must have.
func minimal() files {
	return files{"Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.2.3\nappVersion: \"7\"\n"}
}

// configMap is a template that writes one, with lines below its data.
func configMap(name string, lines ...string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\ndata:\n" + strings.Join(lines, "\n") + "\n"
}

// write puts a chart into charts/shop below a new root.
func write(t testing.TB, f files) (root, chart string) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	chart = filepath.Join(root, "charts", "shop")
	for name, content := range f {
		file := filepath.Join(chart, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root, chart
}

func build(t testing.TB, f files, options Options) Result {
	t.Helper()
	root, chart := write(t, f)
	options.Root = root
	return Build(t.Context(), chart, options)
}

// packaged is an archive of a chart, as helm package makes it.
func packaged(t testing.TB, f files) string {
	t.Helper()
	var data bytes.Buffer
	zip := gzip.NewWriter(&data)
	archive := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if err := archive.WriteHeader(&tar.Header{Name: "any/" + name, Mode: 0o644, Size: int64(len(f[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(f[name])); err != nil {
			t.Fatal(err)
		}
	}
	for _, closer := range []interface{ Close() error }{archive, zip} {
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return data.String()
}

// names are kind/name of objects.
func names(objects []*policy.Object) []string {
	names := make([]string, len(objects))
	for i, o := range objects {
		names[i] = strings.ToLower(o.Kind()) + "/" + o.Name()
	}
	return names
}

// said is a problem as one line, with its place.
func said(p policy.Problem) string {
	s := fmt.Sprintf("%s:%d: %s", p.Location.File, p.Location.Line, p.Message)
	if p.Warning {
		s += ", warning"
	}
	return s
}

// noProblems fails the test when there are any.
func noProblems(t testing.TB, r Result) {
	t.Helper()
	for _, p := range r.Problems {
		t.Errorf("problem %s", said(p))
	}
}

// value is what an object has at a path.
func value(t testing.TB, o *policy.Object, path string) any {
	t.Helper()
	parsed, err := policy.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	var v any = o.Content
	for _, step := range parsed {
		if step.IsIndex {
			v = v.([]any)[step.Index]
			continue
		}
		v = v.(map[string]any)[step.Key]
	}
	return v
}

// placesOf are the places of a field, one a line.
func placesOf(t testing.TB, o *policy.Object, path string) string {
	t.Helper()
	parsed, err := policy.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, l := range o.Origin.Field(parsed) {
		fmt.Fprintf(&b, "%s:%d:%d", l.File, l.Line, l.Column)
		if l.Note != "" {
			fmt.Fprintf(&b, " (%s)", l.Note)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
