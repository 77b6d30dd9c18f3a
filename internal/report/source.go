package report

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxSource is the size of the largest file whose lines are shown.
const maxSource = 32 << 20

// sources reads the lines of files below the root for frames. It keeps one file, since findings come file by file.
type sources struct {
	root  string
	file  string
	lines []string
	// documents of the file, in its order.
	documents []document
}

// show returns a line of a file, counted from 1, without what may be a value of a Secret; ok is false when it cannot be
// shown. Secret says that it is about a Secret, whatever the file looks like.
func (s *sources) show(file string, n int, secret bool) (line string, ok bool) {
	if _, ok := s.line(file, n); !ok {
		return "", false
	}
	return masked(s.lines, n-1, s.document(n), secret), true
}

// line is a line of a file as it is.
func (s *sources) line(file string, n int) (line string, ok bool) {
	if file != s.file || s.lines == nil {
		s.file, s.lines = file, s.read(file)
		s.documents = documents(s.lines)
	}
	if n < 1 || n > len(s.lines) {
		return "", false
	}
	return s.lines[n-1], true
}

// document is the one that a line of the current file belongs to.
func (s *sources) document(n int) document {
	i, found := slices.BinarySearchFunc(s.documents, n-1, func(d document, at int) int { return d.first - at })
	if !found {
		i--
	}
	return s.documents[i]
}

// read returns an empty list when there is nothing to show: the file is outside of the root, gone, too large or no text.
func (s *sources) read(file string) []string {
	none := []string{}
	if s.root == "" || !filepath.IsLocal(filepath.FromSlash(file)) {
		return none
	}
	path := filepath.Join(s.root, filepath.FromSlash(file))
	// Opening a named pipe would wait for somebody to write.
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > maxSource {
		return none
	}
	f, err := os.Open(path)
	if err != nil {
		return none
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err != nil || len(content) > maxSource || !utf8.Valid(content) {
		return none
	}
	lines := strings.Split(string(bytes.TrimPrefix(content, []byte("\uFEFF"))), "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return lines
}
