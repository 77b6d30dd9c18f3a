package render

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/assay-gitops/assay/internal/suggest"
)

// NotFoundError says that a path that was asked for does not exist.
type NotFoundError struct {
	// Path as it was given.
	Path string
	// Nearest are existing paths that may have been meant, the likeliest first; may be empty.
	Nearest []string
}

// Error names the path.
func (e *NotFoundError) Error() string { return fmt.Sprintf("%s: no such file or folder", e.Path) }

// Hint says what may have been meant; may be empty.
func (e *NotFoundError) Hint() string {
	if len(e.Nearest) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(e.Nearest, " or ") + "?"
}

// notFound looks for what may have been meant.
func notFound(path string) *NotFoundError {
	e := &NotFoundError{Path: path}
	if filepath.Separator != '\\' && strings.Contains(path, `\`) {
		slashed := strings.ReplaceAll(path, `\`, "/")
		if exists(slashed) {
			e.Nearest = []string{slashed}
			return e
		}
	}
	// The first part of the path that does not exist is the one that is misspelt.
	parent, name := filepath.Split(filepath.Clean(path))
	rest := ""
	for parent != "" && parent != string(filepath.Separator) {
		if exists(parent) {
			break
		}
		rest = filepath.Join(name, rest)
		parent, name = filepath.Split(filepath.Clean(parent))
	}
	folder := parent
	if folder == "" {
		folder = "."
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return e
	}
	// Endings are left out of the comparison, all names would resemble each other by them.
	var stems []string
	names := map[string][]string{}
	for _, entry := range entries {
		stem := stemOf(entry.Name())
		if names[stem] == nil {
			stems = append(stems, stem)
		}
		names[stem] = append(names[stem], entry.Name())
	}
	for _, stem := range suggest.Nearest(stemOf(name), stems) {
		for _, near := range names[stem] {
			near = parent + near
			if whole := filepath.Join(near, rest); exists(whole) {
				near = whole
			}
			e.Nearest = append(e.Nearest, near)
		}
	}
	return e
}

func stemOf(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// relative is a path as locations have it: relative to the root, with forward slashes.
func relative(root, path string) string {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		// Another drive of Windows.
		rel = path
	}
	return filepath.ToSlash(rel)
}

// within tells whether a path is the folder or below it. Both are absolute and clean.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, string(filepath.Separator))+string(filepath.Separator))
}
