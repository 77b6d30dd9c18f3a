package helm

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	"helm.sh/helm/v4/pkg/ignore"

	"github.com/assay-gitops/assay/policy"
)

const (
	// maxChartBytes bounds all files of a chart together, as Helm does.
	maxChartBytes = 100 << 20
	// maxChartFiles bounds how many there are.
	maxChartFiles = 50_000
	// maxFolderDepth bounds folders in folders.
	maxFolderDepth = 100
	// maxArchiveDepth bounds archives in archives.
	maxArchiveDepth = 8
)

// source is one file of a chart.
type source struct {
	// name within the chart, such as charts/redis/templates/service.yaml. What lies in an archive is named as if the
	// archive were a folder.
	name string
	// file is what locations call it.
	file string
	data []byte
}

// bundle is all files of a chart and of those it depends on.
type bundle struct {
	// root is what locations are relative to, top the links-free folder that links must not leave.
	root, top    string
	maxFileBytes int64
	sources      []*source
	// read are the absolute paths of the files that were read.
	read     []string
	problems []policy.Problem
	bytes    int64
}

var byteOrderMark = []byte("\uFEFF")

// load reads a chart's folder or archive. Its problems tell what was left out.
func load(chartPath string, options Options) (*bundle, error) {
	b := &bundle{root: options.Root, maxFileBytes: options.MaxFileBytes}
	info, err := os.Stat(chartPath)
	if err != nil {
		return b, fmt.Errorf("cannot be read: %w", cause(err))
	}
	if !info.IsDir() {
		data, err := b.readFile(chartPath)
		if err != nil {
			return b, err
		}
		return b, b.unpack(data, "", b.location(chartPath)+"!/", 0)
	}
	b.top, err = filepath.EvalSymlinks(chartPath)
	if err != nil {
		return b, fmt.Errorf("cannot be read: %w", cause(err))
	}
	// A chart may share files with its neighbours by links, but not with the rest of the machine.
	if root, err := filepath.EvalSymlinks(b.root); err == nil && within(b.top, root) {
		b.top = root
	}
	rules, err := b.rules(chartPath)
	if err != nil {
		return b, err
	}
	return b, b.folder(chartPath, "", rules, nil)
}

// rules are what .helmignore says.
func (b *bundle) rules(dir string) (*ignore.Rules, error) {
	rules := ignore.Empty()
	file := filepath.Join(dir, ignore.HelmIgnore)
	content, err := readFile(file, b.maxFileBytes)
	if err == nil {
		if rules, err = ignore.Parse(bytes.NewReader(content)); err != nil {
			b.problem(b.location(file), fmt.Errorf("cannot be understood: %w", err))
			rules = ignore.Empty()
		}
	}
	rules.AddDefaults()
	return rules, nil
}

// folder reads what is below a folder. Above are the real paths of the folders on the way, so that links do not lead in circles.
func (b *bundle) folder(dir, prefix string, rules *ignore.Rules, above []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		b.problem(b.location(dir), fmt.Errorf("cannot be read: %w", cause(err)))
		return nil
	}
	if len(above) == maxFolderDepth {
		return fmt.Errorf("%s: folders are nested deeper than %d levels", b.location(dir), maxFolderDepth)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fmt.Errorf("%s: %w", b.location(dir), cause(err))
	}
	for _, passed := range above {
		if passed == real {
			b.warn(b.location(dir), "the link leads back to a folder above it and was not followed")
			return nil
		}
	}
	above = append(above[:len(above):len(above)], real)
	for _, entry := range entries {
		// Nobody ships the history with a chart; without a .helmignore it would be all of its size.
		if entry.Name() == ".git" {
			continue
		}
		if err := b.entry(filepath.Join(dir, entry.Name()), prefix+entry.Name(), rules, above); err != nil {
			return err
		}
	}
	return nil
}

func (b *bundle) entry(file, name string, rules *ignore.Rules, above []string) error {
	info, err := os.Lstat(file)
	if err != nil {
		b.problem(b.location(file), fmt.Errorf("cannot be read: %w", cause(err)))
		return nil
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		real, err := filepath.EvalSymlinks(file)
		if err != nil {
			b.problem(b.location(file), fmt.Errorf("the link leads nowhere: %w", cause(err)))
			return nil
		}
		if !within(real, b.top) {
			b.warn(b.location(file), "the link leaves the tree and was not followed")
			return nil
		}
		if info, err = os.Stat(real); err != nil {
			b.problem(b.location(file), fmt.Errorf("cannot be read: %w", cause(err)))
			return nil
		}
	}
	switch {
	case rules.Ignore(name, info):
		return nil
	case info.IsDir():
		return b.folder(file, name+"/", rules, above)
	case !info.Mode().IsRegular():
		b.problem(b.location(file), fmt.Errorf("neither a file nor a folder"))
		return nil
	}
	data, err := b.readFile(file)
	if err != nil {
		b.problem(b.location(file), err)
		return nil
	}
	return b.add(name, b.location(file), data, 0)
}

// archivePath matches the archives of charts that one depends on.
var archivePath = regexp.MustCompile(`^(?:charts/[^/]+/)*charts/[^/]+\.tgz$`)

// add takes a file into the bundle, an archive of a dependency by what is in it.
func (b *bundle) add(name, file string, data []byte, depth int) error {
	b.bytes += int64(len(data))
	if b.bytes > maxChartBytes || len(b.sources) == maxChartFiles {
		return fmt.Errorf("the chart is larger than %d MiB or %d files; name what does not belong to it in %s", maxChartBytes>>20, maxChartFiles, ignore.HelmIgnore)
	}
	if archivePath.MatchString(name) && !strings.ContainsAny(path.Base(name)[:1], "_.") {
		folder := strings.TrimSuffix(name, ".tgz")
		for b.has(folder + "/") {
			folder += "~"
		}
		if err := b.unpack(data, folder+"/", file+"!/", depth+1); err != nil {
			b.problem(file, err)
		}
		return nil
	}
	b.sources = append(b.sources, &source{name: name, file: file, data: bytes.TrimPrefix(data, byteOrderMark)})
	return nil
}

func (b *bundle) has(prefix string) bool {
	for _, s := range b.sources {
		if strings.HasPrefix(s.name, prefix) {
			return true
		}
	}
	return false
}

// unpack takes in what is in an archive.
func (b *bundle) unpack(data []byte, prefix, filePrefix string, depth int) error {
	if depth > maxArchiveDepth {
		return fmt.Errorf("archives are nested deeper than %d levels", maxArchiveDepth)
	}
	files, err := archive.LoadArchiveFiles(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("not a packaged chart: %w", err)
	}
	for _, f := range files {
		if err := b.add(prefix+f.Name, filePrefix+f.Name, f.Data, depth); err != nil {
			return err
		}
	}
	return nil
}

// buffered is the bundle as Helm's loader wants it.
func (b *bundle) buffered() []*archive.BufferedFile {
	files := make([]*archive.BufferedFile, len(b.sources))
	for i, s := range b.sources {
		files[i] = &archive.BufferedFile{Name: s.name, Data: s.data}
	}
	return files
}

// find returns the file of a name; nil when there is none.
func (b *bundle) find(name string) *source {
	for _, s := range b.sources {
		if s.name == name {
			return s
		}
	}
	return nil
}

// byContent finds a source by its content. Helm names files by the chart they belong to, which aliases give other names;
// the content stays where it was in memory.
func (b *bundle) byContent() map[*byte]*source {
	index := make(map[*byte]*source, len(b.sources))
	for _, s := range b.sources {
		if len(s.data) > 0 {
			index[&s.data[0]] = s
		}
	}
	return index
}

func (b *bundle) readFile(file string) ([]byte, error) {
	content, err := readFile(file, b.maxFileBytes)
	if err == nil {
		b.read = append(b.read, file)
	}
	return content, err
}

// location is what locations call a file.
func (b *bundle) location(file string) string { return relative(b.root, file) }

func (b *bundle) problem(file string, err error) {
	b.problems = append(b.problems, policy.Problem{Kind: policy.RenderProblem, Location: policy.Location{File: file}, Message: err.Error()})
}

func (b *bundle) warn(file, message string) {
	b.problems = append(b.problems, policy.Problem{Kind: policy.RenderProblem, Location: policy.Location{File: file}, Message: message, Warning: true})
}

// readFile reads a file that is not larger than the limit.
func readFile(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", cause(err))
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", cause(err))
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("the file is larger than %d bytes", limit)
	}
	return content, nil
}

// cause drops the absolute path from an error; the location has it.
func cause(err error) error {
	if e, ok := err.(*fs.PathError); ok {
		return e.Err
	}
	return err
}

// relative is a file as locations have it.
func relative(root, file string) string {
	if rel, err := filepath.Rel(root, file); err == nil {
		return filepath.ToSlash(rel)
	}
	return filepath.ToSlash(file)
}

// within tells whether a path is a folder or something below it.
func within(file, folder string) bool {
	rel, err := filepath.Rel(folder, file)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
