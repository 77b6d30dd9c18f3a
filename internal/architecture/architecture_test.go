// Package architecture holds the tests that keep the code true to ARCHITECTURE.md: who may import whom, and the habits
// that can be counted.
package architecture

import (
	"bufio"
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/assay-gitops/assay"
	root   = "../.."
	// maxLines is where a file has stopped telling one step of the story.
	maxLines = 600
)

// addresses is about what an address is, and opens nothing.
const addresses = "net/netip"

// forbidden says what the rooms that are pure must not import themselves. Their Kubernetes libraries may; those do nothing
// unasked.
var forbidden = map[string][]string{
	"policy":  {"os", "net", "net/http", "io/ioutil", "k8s.io/client-go", "sigs.k8s.io/controller-runtime"},
	"engine":  {"os", "net", "net/http", "io/ioutil", "k8s.io/client-go", "sigs.k8s.io/controller-runtime"},
	"tenancy": {"os", "net", "net/http", "io/ioutil", "k8s.io/client-go", "sigs.k8s.io/controller-runtime"},
	"api":     {"os", "net", "net/http", "io/ioutil", "k8s.io/client-go"},
}

func TestRoomsImportOnlyRoomsBelowThem(t *testing.T) {
	rooms := roomsFromDocument(t)
	for file := range sourceFiles(t, rooms) {
		from := roomOf(file.dir, rooms)
		if from < 0 {
			t.Errorf("%s belongs to no room: add its room to the list in ARCHITECTURE.md, where it may import what is below", file.dir)
			continue
		}
		for _, imported := range file.imports {
			if why := fault(rooms, from, imported); why != "" {
				t.Errorf("%s: %s", file.name, why)
			}
		}
	}
}

func TestTheFaultsAreFound(t *testing.T) {
	rooms := []string{"internal/gate", "internal/report", "policy"}
	tests := map[string]struct {
		from     string
		imported string
		want     string
	}{
		"downwards is fine":               {"internal/gate", module + "/internal/report", ""},
		"within a room is fine":           {"internal/gate", module + "/internal/gate/check", ""},
		"what others wrote is fine":       {"internal/gate", "net/http", ""},
		"upwards is not":                  {"internal/report", module + "/internal/gate/check", "internal/report is below internal/gate and must not import " + module + "/internal/gate/check"},
		"nor is a room nobody knows":      {"internal/gate", module + "/internal/attic", module + "/internal/attic belongs to no room of ARCHITECTURE.md"},
		"nor a client in a pure room":     {"policy", "k8s.io/client-go/kubernetes", "policy must not import k8s.io/client-go/kubernetes: it does no input or output and knows no cluster"},
		"a longer name is another module": {"policy", "network/x", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := fault(rooms, slices.Index(rooms, test.from), test.imported); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestFilesTellOneStepOfTheStory(t *testing.T) {
	for file := range sourceFiles(t, roomsFromDocument(t)) {
		if file.lines > maxLines && !file.generated {
			t.Errorf("%s has %d lines, more than %d: split it by what happens in it", file.name, file.lines, maxLines)
		}
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc"}, path.Base(file.dir)) {
			t.Errorf("%s: the folder's name says nothing; name it after its idea", file.name)
		}
	}
}

// fault says what is wrong with an import, "" when nothing is. Rooms are in order, from is an index into them.
func fault(rooms []string, from int, imported string) string {
	for _, banned := range forbidden[rooms[from]] {
		if within(imported, banned) && imported != addresses {
			return fmt.Sprintf("%s must not import %s: it does no input or output and knows no cluster", rooms[from], imported)
		}
	}
	if !within(imported, module) {
		return ""
	}
	switch to := roomOf(strings.TrimPrefix(strings.TrimPrefix(imported, module), "/"), rooms); {
	case to < 0:
		return imported + " belongs to no room of ARCHITECTURE.md"
	case to < from:
		return fmt.Sprintf("%s is below %s and must not import %s", rooms[from], rooms[to], imported)
	}
	return ""
}

// roomOf is the index of the room that a folder belongs to, -1 when there is none.
func roomOf(dir string, rooms []string) int {
	return slices.IndexFunc(rooms, func(room string) bool { return within(dir, room) })
}

func within(name, parent string) bool {
	return name == parent || strings.HasPrefix(name, parent+"/")
}

// roomsFromDocument reads the list in ARCHITECTURE.md, highest room first, and demands that each of them is there.
func roomsFromDocument(t *testing.T) []string {
	t.Helper()
	document, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(document), "```rooms\n")
	list, _, closed := strings.Cut(list, "\n```")
	if !found || !closed {
		t.Fatal("ARCHITECTURE.md has no block ```rooms")
	}
	var rooms []string
	for line := range strings.SplitSeq(list, "\n") {
		room, _, _ := strings.Cut(line, " ")
		if info, err := os.Stat(filepath.Join(root, room)); err != nil || !info.IsDir() {
			t.Errorf("ARCHITECTURE.md lists the room %q, which is no folder", room)
		}
		rooms = append(rooms, room)
	}
	return rooms
}

type sourceFile struct {
	name, dir string
	imports   []string
	lines     int
	generated bool
}

// sourceFiles yields the Go files of the module that are not tests. Tests may import what they need to stage a story.
func sourceFiles(t *testing.T, rooms []string) func(yield func(sourceFile) bool) {
	t.Helper()
	return func(yield func(sourceFile) bool) {
		seen := 0
		err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && outsideTheModule(name):
				return fs.SkipDir
			case entry.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || path.Dir(name) == ".":
				return nil
			}
			file, err := readSource(name)
			if err != nil {
				return err
			}
			seen++
			if !yield(file) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if seen < len(rooms) {
			t.Errorf("found only %d source files for %d rooms: the search is broken", seen, len(rooms))
		}
	}
}

// outsideTheModule tells whether Go ignores a folder or gives it to another module.
func outsideTheModule(dir string) bool {
	base := path.Base(dir)
	if dir == "." {
		return false
	}
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules" {
		return true
	}
	_, err := os.Stat(filepath.Join(root, dir, "go.mod"))
	return err == nil
}

func readSource(name string) (sourceFile, error) {
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return sourceFile{}, err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), name, content, parser.ImportsOnly)
	if err != nil {
		return sourceFile{}, err
	}
	file := sourceFile{name: name, dir: path.Dir(name)}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return sourceFile{}, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		file.imports = append(file.imports, imported)
	}
	for scanner := bufio.NewScanner(bytes.NewReader(content)); scanner.Scan(); file.lines++ {
		if strings.HasPrefix(scanner.Text(), "// Code generated ") {
			file.generated = true
		}
	}
	return file, nil
}
