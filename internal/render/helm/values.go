package helm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/strvals"

	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// valuesFile is a file that sets values.
type valuesFile struct {
	// chart leads from the topmost chart to the one whose values these are.
	chart []string
	file  *raw.File
}

// userValues merges what the caller sets over the values of the chart. The files are the ones that were read, in the order of the
// options. A problem says why the chart cannot be rendered.
func (b *bundle) userValues(options Options) (values map[string]any, files []valuesFile, problem *policy.Problem) {
	values = map[string]any{}
	for _, name := range options.ValuesFiles {
		s, err := b.valuesFile(name)
		if err != nil {
			return nil, nil, &policy.Problem{
				Kind: policy.LoadProblem, Location: policy.Location{File: b.valuesName(name)}, Message: fmt.Sprintf("the values file %v", err),
				Hint: "a bare file name is looked for in the chart's folder and then in the working directory",
			}
		}
		merged, err := loader.LoadValues(bytes.NewReader(s.data))
		if err != nil {
			return nil, nil, parseProblem(s, err)
		}
		values = loader.MergeMaps(values, merged)
		files = append(files, valuesFile{file: raw.Open(s.file, s.data)})
	}
	for _, set := range options.Set {
		if err := strvals.ParseInto(set, values); err != nil {
			return nil, nil, &policy.Problem{
				Kind: policy.LoadProblem, Message: fmt.Sprintf("--set %s: %v", set, err), Hint: "write it as key=value, as in --set image.tag=1.2",
			}
		}
	}
	return values, files, nil
}

// valuesFile reads a values file: a bare name from the chart if it has one, all else relative to the working directory.
func (b *bundle) valuesFile(name string) (*source, error) {
	if isBare(name) {
		if s := b.find(name); s != nil {
			return s, nil
		}
	}
	file, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(file)
	if err == nil && info.IsDir() {
		return nil, fmt.Errorf("is a folder")
	}
	data, err := b.readFile(file)
	if err != nil {
		return nil, err
	}
	return &source{name: name, file: b.location(file), data: bytes.TrimPrefix(data, byteOrderMark)}, nil
}

// valuesName is what locations call a values file.
func (b *bundle) valuesName(name string) string {
	if file, err := filepath.Abs(name); err == nil {
		return b.location(file)
	}
	return filepath.ToSlash(name)
}

func isBare(name string) bool { return filepath.Base(name) == name }

// find returns where a value is set that the chart at some place in the tree of charts sees at a path. Where the value is a
// map or list, the place is that of the part which an object has at the end of the path to a field; that may be nil.
func find(files []valuesFile, chart []string, path, field policy.Path) (policy.Location, bool) {
	for _, f := range files {
		full := slices.Clone(path)
		if isGlobal := len(path) > 0 && path[0] == policy.Key("global"); !isGlobal {
			if len(f.chart) > len(chart) || !slices.Equal(f.chart, chart[:len(f.chart)]) {
				continue
			}
			full = full[:0]
			for _, name := range chart[len(f.chart):] {
				full = append(full, policy.Key(name))
			}
			full = append(full, path...)
		}
		for document := f.file.Documents() - 1; document >= 0; document-- {
			location, present := f.file.Locate(document, full)
			if present < len(full) {
				continue
			}
			for begin := range field {
				whole := append(slices.Clone(full), field[begin:]...)
				if inner, present := f.file.Locate(document, whole); present == len(whole) {
					return inner, true
				}
			}
			return location, true
		}
	}
	return policy.Location{}, false
}
