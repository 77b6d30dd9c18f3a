package kustomize

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// errReadOnly is the answer to everything that would write.
var errReadOnly = errors.New("a build writes nothing")

// files is the disk as kustomize sees it: read-only, with bounded files, and with a top kustomization that asks for the
// annotations that tell where objects came from. It remembers what was read.
type files struct {
	filesys.FileSystem
	// top is the kustomization that is built.
	top     string
	maxSize int64

	reading sync.Mutex
	read    map[string][]byte
}

func newFiles(top string, maxSize int64) *files {
	return &files{FileSystem: filesys.MakeFsOnDisk(), top: top, maxSize: maxSize, read: map[string][]byte{}}
}

// ReadFile reads a file, and asks for annotations in the top kustomization. It refuses what kustomize would not survive.
func (f *files) ReadFile(path string) ([]byte, error) {
	content, err := f.readOriginal(path)
	if err != nil {
		return nil, err
	}
	if err := checkAliases(content); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	if filepath.Dir(path) == f.top && slices.Contains(fileNames, filepath.Base(path)) {
		return withAnnotations(content), nil
	}
	return content, nil
}

// readOriginal reads a file as it is, from memory the second time.
func (f *files) readOriginal(path string) ([]byte, error) {
	f.reading.Lock()
	defer f.reading.Unlock()
	if content, ok := f.read[path]; ok {
		return content, nil
	}
	content, err := readBounded(path, f.maxSize)
	if err != nil {
		return nil, err
	}
	f.read[path] = content
	return content, nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("is not a regular file")}
	}
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", filepath.Base(path), limit)
	}
	return content, nil
}

// paths are the absolute paths of the files that were read, sorted.
func (f *files) paths() []string {
	f.reading.Lock()
	defer f.reading.Unlock()
	all := make([]string, 0, len(f.read))
	for path := range f.read {
		all = append(all, path)
	}
	slices.Sort(all)
	return all
}

// Open refuses files that are not read through ReadFile.
func (f *files) Open(path string) (filesys.File, error) {
	return nil, fmt.Errorf("open %s: %w", path, errReadOnly)
}

// Create refuses to write, as do the functions that follow.
func (f *files) Create(string) (filesys.File, error) { return nil, errReadOnly }
func (f *files) Mkdir(string) error                  { return errReadOnly }
func (f *files) MkdirAll(string) error               { return errReadOnly }
func (f *files) RemoveAll(string) error              { return errReadOnly }
func (f *files) WriteFile(string, []byte) error      { return errReadOnly }

// withAnnotations adds to a kustomization the wish for annotations that tell where objects came from. What does not parse is
// left to kustomize to complain about.
func withAnnotations(content []byte) []byte {
	var k map[string]any
	if err := yaml.Unmarshal(content, &k); err != nil || k == nil {
		return content
	}
	wishes, _ := k["buildMetadata"].([]any)
	if slices.Contains(wishes, any(types.OriginAnnotations)) {
		return content
	}
	k["buildMetadata"] = append(wishes[:len(wishes):len(wishes)], types.OriginAnnotations)
	changed, err := yaml.Marshal(k)
	if err != nil {
		return content
	}
	return changed
}

// asksForOrigins tells whether a kustomization itself asks for the annotations.
func asksForOrigins(k *types.Kustomization) bool {
	return slices.Contains(k.BuildMetadata, types.OriginAnnotations)
}

// relative is a path as locations have it.
func relative(root, path string) string {
	if rel, err := filepath.Rel(root, path); err == nil && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return filepath.ToSlash(rel)
	}
	return filepath.ToSlash(path)
}
