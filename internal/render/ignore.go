package render

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// The files that name what is not looked at, in the syntax of Git. What the second says wins.
const (
	gitIgnore   = ".gitignore"
	assayIgnore = ".assayignore"
)

// ignore knows what the ignore files from a base folder down to the current one say.
type ignore struct {
	// base is the absolute folder that the patterns' paths begin at.
	base     string
	patterns []gitignore.Pattern
	matcher  gitignore.Matcher
}

// ignoreAbove gathers what the folders above a folder say: those up to the top of its Git repository, or up to the boundary
// when it is in none.
func ignoreAbove(folder, boundary string) *ignore {
	top := repositoryTop(folder)
	if top == "" {
		top = folder
		if within(folder, boundary) {
			top = boundary
		}
	}
	i := &ignore{base: top}
	i.add(filepath.Join(top, ".git", "info", "exclude"), nil)
	steps := split(top, folder)
	for n := range steps {
		above := filepath.Join(append([]string{top}, steps[:n]...)...)
		i.add(filepath.Join(above, gitIgnore), steps[:n])
		i.add(filepath.Join(above, assayIgnore), steps[:n])
	}
	// A folder that was asked for by name is looked into even if it is ignored itself.
	i.patterns = slices.DeleteFunc(i.patterns, func(p gitignore.Pattern) bool {
		return p.Match(steps, true) == gitignore.Exclude
	})
	i.matcher = gitignore.NewMatcher(i.patterns)
	return i
}

// repositoryTop is the nearest folder at or above a folder that has .git; "" when there is none.
func repositoryTop(folder string) string {
	for {
		if _, err := os.Lstat(filepath.Join(folder, ".git")); err == nil {
			return folder
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return ""
		}
		folder = parent
	}
}

// enter adds what a folder's own files say.
func (i *ignore) enter(folder string, entries []os.DirEntry) *ignore {
	var files []string
	for _, name := range []string{gitIgnore, assayIgnore} {
		if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == name }) {
			files = append(files, filepath.Join(folder, name))
		}
	}
	if len(files) == 0 {
		return i
	}
	inner := &ignore{base: i.base, patterns: slices.Clip(i.patterns)}
	for _, file := range files {
		inner.add(file, split(i.base, folder))
	}
	inner.matcher = gitignore.NewMatcher(inner.patterns)
	return inner
}

// match tells whether an entry of a folder that is not ignored itself is.
func (i *ignore) match(path string, isDir bool) bool {
	return len(i.patterns) > 0 && i.matcher.Match(split(i.base, path), isDir)
}

// maxIgnoreBytes bounds what is read of one ignore file.
const maxIgnoreBytes = 1 << 20

// add reads the patterns of a file. One that does not exist or cannot be read says nothing.
func (i *ignore) add(file string, domain []string) {
	content, err := readFile(file, maxIgnoreBytes)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		i.patterns = append(i.patterns, gitignore.ParsePattern(line, domain))
	}
}

// split takes the path from a base folder to something below it apart.
func split(base, path string) []string {
	rel, err := filepath.Rel(base, path)
	if err != nil || rel == "." {
		return nil
	}
	return strings.Split(rel, string(filepath.Separator))
}
