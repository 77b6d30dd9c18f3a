package render

import (
	"fmt"
	"io"
	"os"

	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// tooLargeError says that a file is larger than the limit, in bytes.
type tooLargeError struct{ limit int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the file is larger than %s", size(e.limit))
}

// size writes bytes for people.
func size(bytes int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if bytes >= unit.bytes {
			return fmt.Sprintf("%.4g %s", float64(bytes)/float64(unit.bytes), unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// readFile reads a file that is not larger than the limit.
func readFile(name string, limit int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() && info.Size() > limit {
		return nil, &tooLargeError{limit}
	}
	return readAll(file, info.Size(), limit)
}

// readAll reads what is expected to be of a size, and fails when it is more than the limit.
func readAll(reader io.Reader, expected, limit int64) ([]byte, error) {
	// One byte more tells the end of the file from the end of the buffer.
	content := make([]byte, 0, min(max(expected, 0), limit)+1)
	for {
		n, err := reader.Read(content[len(content):cap(content)])
		content = content[:len(content)+n]
		if int64(len(content)) > limit {
			return nil, &tooLargeError{limit}
		}
		switch {
		case err == io.EOF:
			return content, nil
		case err != nil:
			return nil, err
		case len(content) == cap(content):
			content = append(content, 0)[:len(content)]
		}
	}
}

// readPlain reads a plain file into objects. What is wrong with a file that merely lies there and is no manifest is not
// worth a word.
func (r *run) readPlain(u *unit) result {
	content, err := u.content, error(nil)
	if content == nil {
		content, err = readFile(u.path, r.maxFileBytes)
	}
	if err != nil {
		return result{problems: []policy.Problem{loadProblem(u.name, err, !u.explicit && u.isJSON())}}
	}
	objects, problems := raw.Parse(u.name, content)
	if u.isJSON() && !u.explicit {
		problems = withoutWarnings(problems)
	}
	return result{objects: objects, files: 1, problems: problems}
}

func withoutWarnings(problems []policy.Problem) []policy.Problem {
	var kept []policy.Problem
	for _, p := range problems {
		if !p.Warning {
			kept = append(kept, p)
		}
	}
	return kept
}
