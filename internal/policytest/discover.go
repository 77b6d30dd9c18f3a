package policytest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/policyfile"
	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// testsFolder holds the tests of the policies in the folder above it.
const testsFolder = "tests"

// folder is one folder with policies and the files that test them.
type folder struct {
	path     string
	policies []*v2.Policy
	// file of each policy.
	file map[*v2.Policy]string
	// yaml and rego are the test files below tests/ and beside the policies; module is policy.rego, "" when there is none.
	yaml, rego []string
	module     string
	problems   []string
}

// discover finds the folders with policies below the paths.
func discover(paths []string) ([]*folder, error) {
	var folders []*folder
	seen := map[string]bool{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("find policies to test: %w", err)
		}
		if !info.IsDir() {
			path = filepath.Dir(path)
		}
		// The tests of a policy may be named by their own folder.
		if filepath.Base(path) == testsFolder {
			path = filepath.Dir(path)
		}
		err = filepath.WalkDir(path, func(dir string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if !entry.IsDir() {
				return nil
			}
			name := entry.Name()
			if dir != path && (name == testsFolder || name == "testdata" || strings.HasPrefix(name, ".")) {
				return fs.SkipDir
			}
			if seen[filepath.Clean(dir)] {
				return nil
			}
			seen[filepath.Clean(dir)] = true
			found, err := readFolder(dir)
			if err != nil {
				return err
			}
			if found != nil {
				folders = append(folders, found)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("find policies to test below %s: %w", path, err)
		}
	}
	slices.SortStableFunc(folders, func(a, b *folder) int { return strings.Compare(a.path, b.path) })
	return folders, nil
}

// readFolder reads the policies that lie directly in a folder; nil when there are none.
func readFolder(dir string) (*folder, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	f := &folder{path: dir, file: map[*v2.Policy]string{}}
	for _, entry := range entries {
		name := filepath.Join(dir, entry.Name())
		if entry.IsDir() {
			continue
		}
		switch extension := filepath.Ext(name); {
		case strings.HasSuffix(name, "_test.rego"):
			f.rego = append(f.rego, name)
		case entry.Name() == "policy.rego":
			f.module = name
		case entry.Name() == "tests.yaml":
			f.yaml = append(f.yaml, name)
		case extension == ".yaml" || extension == ".yml" || extension == ".json":
			if err := f.readPolicies(name); err != nil {
				return nil, err
			}
		}
	}
	if len(f.policies) == 0 && len(f.problems) == 0 {
		return nil, nil
	}
	return f, f.findTests(filepath.Join(dir, testsFolder))
}

func (f *folder) readPolicies(name string) error {
	content, err := readBounded(name)
	if err != nil {
		return err
	}
	objects, problems := raw.Parse(filepath.ToSlash(name), content)
	objects = slices.DeleteFunc(objects, func(o *policy.Object) bool { return o.Group() != v2.Group || o.Kind() != v2.PolicyKind })
	if len(objects) == 0 && !strings.Contains(string(content), v2.Group) {
		return nil // manifests of others
	}
	set, more := policyfile.FromObjects(objects)
	for _, p := range append(problems, more...) {
		text := fmt.Sprintf("%s:%d: %s", p.Location.File, p.Location.Line, p.Message)
		if p.Hint != "" {
			text += " (" + p.Hint + ")"
		}
		f.problems = append(f.problems, text)
	}
	for _, p := range set.Sources.Policies {
		f.policies = append(f.policies, p)
		f.file[p] = name
	}
	return nil
}

func (f *folder) findTests(dir string) error {
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		switch filepath.Ext(name) {
		case ".yaml", ".yml", ".json":
			f.yaml = append(f.yaml, name)
		case ".rego":
			f.rego = append(f.rego, name)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// readBounded reads a file that is no larger than a test file may be.
func readBounded(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxTestFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, maxTestFile>>20)
	}
	return os.ReadFile(name)
}
