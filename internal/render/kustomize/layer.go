package kustomize

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// fileNames are those that make a folder a kustomization.
var fileNames = konfig.RecognizedKustomizationFileNames()

// layer is one kustomization of a build: the top one, a base, or a component.
type layer struct {
	dir string
	// path of its file, absolute; source is the same for positions.
	path   string
	source *raw.File
	spec   types.Kustomization
	// patches and replacements are read once, when they are first asked for.
	patches      func() []patch
	replacements func() []replacement
}

// components are the layers that the kustomization takes in, as far as they are in the tree.
func (l *layer) components(t *tree) []*layer {
	var all []*layer
	for _, name := range l.spec.Components {
		if component, ok := t.layers[l.abs(name)]; ok {
			all = append(all, component)
		}
	}
	return all
}

// at is the place of a field of the kustomization's file.
func (l *layer) at(note string, path ...policy.Step) policy.Location {
	location, _ := l.source.Locate(0, path)
	location.Note = note
	return location
}

// tree holds the layers of a build by their folders.
type tree struct {
	root   string // of the run
	files  *files
	layers map[string]*layer
}

// problemAt is an error with a place.
type problemAt struct {
	policy.Problem
}

func (p *problemAt) Error() string { return p.Message }

func problem(at policy.Location, hint, format string, args ...any) *problemAt {
	return &problemAt{policy.Problem{Kind: policy.RenderProblem, Location: at, Message: fmt.Sprintf(format, args...), Hint: hint}}
}

// layer reads the kustomization in a folder.
func (t *tree) layer(dir string) (*layer, error) {
	if l, ok := t.layers[dir]; ok {
		return l, nil
	}
	var found []string
	for _, name := range fileNames {
		if path := filepath.Join(dir, name); t.files.Exists(path) && !t.files.IsDir(path) {
			found = append(found, path)
		}
	}
	switch len(found) {
	case 0:
		return nil, problem(policy.Location{File: relative(t.root, dir)}, "add a kustomization.yaml", "the folder has no kustomization file")
	case 1:
	default:
		return nil, problem(policy.Location{File: relative(t.root, found[1])}, "keep one of them", "the folder has several kustomization files")
	}
	l := &layer{dir: dir, path: found[0]}
	name := relative(t.root, l.path)
	content, err := t.files.readOriginal(l.path)
	if err != nil {
		return nil, problem(policy.Location{File: name}, "", "reading the kustomization: %v", withoutPath(err))
	}
	l.source = raw.Open(name, content)
	if _, problems := l.source.Objects(); len(problems) > 0 {
		// Even what is a warning elsewhere keeps a kustomization from being built as it was meant.
		first := problems[0]
		first.Kind, first.Warning = policy.RenderProblem, false
		return nil, &problemAt{first}
	}
	if err := l.spec.Unmarshal(content); err != nil {
		return nil, problem(l.source.LocateLine(1), "", "reading the kustomization: %s", oneLine(err.Error()))
	}
	l.patches = sync.OnceValue(func() []patch { return t.readPatches(l) })
	l.replacements = sync.OnceValue(func() []replacement { return t.readReplacements(l) })
	t.layers[dir] = l
	return l, nil
}

// withoutPath is a file error without the path, which is said elsewhere, and not absolute.
func withoutPath(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// abs is where a reference leads.
func (l *layer) abs(value string) string {
	if filepath.IsAbs(value) {
		return filepath.Clean(value)
	}
	return filepath.Join(l.dir, value)
}
