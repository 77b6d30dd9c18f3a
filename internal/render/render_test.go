package render

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what is found into the cases as what is wanted")

// TestCases renders the trees of testdata. The comment of a case says what it shows and may have lines
//
//	paths: a b       what is rendered, . when there is none
//	root: dir        what locations are relative to
//	link: a -> b     a symbolic link of this name to that target
//
// and the file "want" has the objects and problems. Files are in the folder that is the working directory.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			wd, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			got := runCase(t, archive)
			for i := range archive.Files {
				if archive.Files[i].Name != "want" {
					continue
				}
				if want := string(archive.Files[i].Data); got == want {
					return
				} else if !*update {
					t.Errorf("got\n%s\nwant\n%s", got, want)
					return
				}
				archive.Files[i].Data = []byte(got)
				if err := os.WriteFile(filepath.Join(wd, file), txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Errorf("the case does not say what it wants; got\n%s", got)
		})
	}
}

func runCase(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	dir := t.TempDir()
	written := map[string]string{}
	for _, file := range archive.Files {
		if file.Name != "want" {
			content := strings.ReplaceAll(string(file.Data), "«NUL»", "\x00")
			write(t, filepath.Join(dir, file.Name), content)
			written[filepath.Join(dir, file.Name)] = content
		}
	}
	paths, options := []string{"."}, Options{Stdin: strings.NewReader(written[filepath.Join(dir, "stdin")])}
	for line := range strings.Lines(string(archive.Comment)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "paths":
			paths = strings.Fields(value)
		case "root":
			options.Root = filepath.Join(dir, value)
		case "link":
			name, target, _ := strings.Cut(value, " -> ")
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Skip("symbolic links cannot be made here:", err)
			}
		}
	}
	t.Chdir(dir)
	tree, err := Render(context.Background(), paths, options)
	if err != nil {
		var hinted interface{ Hint() string }
		if errors.As(err, &hinted) {
			return fmt.Sprintf("error: %v (%s)\n", err, hinted.Hint())
		}
		return fmt.Sprintf("error: %v\n", err)
	}
	var got strings.Builder
	for _, object := range tree.Objects {
		at := object.Origin.Object()
		fmt.Fprintf(&got, "%s:%d %s\n", at.File, at.Line, object)
	}
	for _, p := range tree.Problems {
		severity := "problem"
		if p.Warning {
			severity = "warning"
		}
		fmt.Fprintf(&got, "%s: %s:%d: %s\n", severity, p.Location.File, p.Location.Line, p.Message)
	}
	fmt.Fprintf(&got, "%d files\n", tree.Files)
	unchanged(t, dir, written)
	return got.String()
}

// unchanged proves that nothing was written into the tree.
func unchanged(t *testing.T, dir string, written map[string]string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if before, ok := written[path]; !ok || before != string(content) {
			t.Errorf("%s was changed or created", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}
