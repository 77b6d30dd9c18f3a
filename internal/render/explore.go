package render

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/policy"
)

// stdinPath stands for the standard input, stdinName is what locations call it.
const (
	stdinPath = "-"
	stdinName = "stdin"
)

// explorer finds the units of a tree.
type explorer struct {
	ctx          context.Context
	options      Options
	root         string
	maxFileBytes int64

	// units by their kind and real path.
	units    map[unitKey]*unit
	problems []policy.Problem
	// walked are the real paths of folders that were walked.
	walked map[string]bool
	// links were found on the way; what they lead to is looked at when everything was found under its own name.
	links []link
	// outside are the targets that were reported.
	outside map[string]bool
}

type link struct {
	path, boundary string
	ignore         *ignore
}

// explore finds what there is at the paths. Its error names the first that does not exist, or is the context's.
func (e *explorer) explore(paths []string) error {
	for _, path := range paths {
		if err := e.path(path); err != nil {
			return err
		}
	}
	// Following a link may find others.
	for len(e.links) > 0 {
		links := e.links
		e.links = nil
		for _, l := range links {
			if err := e.follow(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// path explores one path that was asked for.
func (e *explorer) path(path string) error {
	if path == stdinPath {
		return e.stdin()
	}
	if path == "" {
		return errors.New("an empty path: name a file, a folder, or - for the standard input")
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	info, err := os.Stat(absolute)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return notFound(path)
	case errors.Is(err, fs.ErrPermission):
		e.problem(absolute, err)
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	}
	real, err := filepath.EvalSymlinks(absolute)
	if err != nil {
		e.problem(absolute, err)
		return nil
	}
	if !info.IsDir() {
		e.file(absolute, real)
		return nil
	}
	boundary := absolute
	if within(absolute, e.root) {
		boundary = e.root
	}
	return e.folder(absolute, real, boundary, ignoreAbove(absolute, boundary), true)
}

func (e *explorer) stdin() error {
	if e.options.Stdin == nil {
		return errors.New("there is no standard input to read from")
	}
	if e.units[unitKey{plain, stdinPath}] != nil {
		return nil
	}
	content, err := readAll(e.options.Stdin, 0, e.maxFileBytes)
	if err != nil {
		e.problems = append(e.problems, loadProblem(stdinName, err, false))
		return nil
	}
	e.units[unitKey{plain, stdinPath}] = &unit{kind: plain, path: stdinPath, real: stdinPath, name: stdinName, explicit: true, content: content}
	return nil
}

// file takes a file that was asked for as what its name says.
func (e *explorer) file(path, real string) {
	name := filepath.Base(path)
	switch {
	case isKustomizationName(name) && !e.isFlux(path):
		e.add(kustomization, filepath.Dir(path), filepath.Dir(real), true)
	case name == chartFile:
		e.add(chart, filepath.Dir(path), filepath.Dir(real), true)
	case strings.HasSuffix(name, ".tgz"):
		e.add(chart, path, real, true)
	default:
		e.add(plain, path, real, true)
	}
}

// folder walks a folder. Explicit says that it was asked for by name.
func (e *explorer) folder(path, real, boundary string, ignore *ignore, explicit bool) error {
	if err := e.ctx.Err(); err != nil {
		return err
	}
	if e.walked[real] {
		if explicit {
			e.markExplicit(real)
		}
		return nil
	}
	e.walked[real] = true
	entries, err := os.ReadDir(path)
	if err != nil {
		e.problem(path, err)
		return nil
	}
	ignore = ignore.enter(path, entries)
	isChart := false
	recipe := "" // the name of the kustomization
	for _, entry := range entries {
		switch name := entry.Name(); {
		case entry.IsDir():
		case name == chartFile:
			isChart = true
			e.add(chart, path, real, explicit)
		case isKustomizationName(name) && !e.isFlux(filepath.Join(path, name)):
			recipe = name
			e.add(kustomization, path, real, explicit)
		}
	}
	if isChart {
		// Everything below is the chart's business.
		return nil
	}
	for _, entry := range entries {
		name := entry.Name()
		child := filepath.Join(path, name)
		if strings.HasPrefix(name, ".") || name == "node_modules" || ignore.match(child, entry.IsDir()) {
			continue
		}
		switch {
		case entry.IsDir():
			if err := e.folder(child, filepath.Join(real, name), boundary, ignore, false); err != nil {
				return err
			}
		case entry.Type()&fs.ModeSymlink != 0:
			e.links = append(e.links, link{child, boundary, ignore})
		case entry.Type().IsRegular() && isManifestName(name) && name != recipe:
			e.add(plain, child, filepath.Join(real, name), false)
		}
	}
	return nil
}

// follow looks at what a link leads to, if that is in the tree and was not found under its own name.
func (e *explorer) follow(l link) error {
	real, err := filepath.EvalSymlinks(l.path)
	if err != nil {
		if isManifestName(filepath.Base(l.path)) {
			e.problems = append(e.problems, policy.Problem{
				Kind:     policy.LoadProblem,
				Location: policy.Location{File: relative(e.root, l.path)},
				Message:  "the link leads nowhere",
			})
		}
		return nil
	}
	info, err := os.Stat(real)
	if err != nil || !info.IsDir() && !isManifestName(filepath.Base(l.path)) {
		return nil
	}
	boundary, err := filepath.EvalSymlinks(l.boundary)
	if err != nil {
		return nil
	}
	if !within(real, boundary) {
		if !e.outside[real] {
			e.outside[real] = true
			e.problems = append(e.problems, policy.Problem{
				Kind:     policy.LoadProblem,
				Location: policy.Location{File: relative(e.root, l.path)},
				Message:  "the link leaves the tree and was not followed",
				Hint:     "check what it leads to by naming that path, too",
				Warning:  true,
			})
		}
		return nil
	}
	if info.IsDir() {
		return e.folder(l.path, real, l.boundary, l.ignore, false)
	}
	if name := filepath.Base(l.path); !isKustomizationName(name) || e.isFlux(l.path) {
		e.add(plain, l.path, real, false)
	}
	return nil
}

// add notes a unit once.
func (e *explorer) add(kind unitKind, path, real string, explicit bool) {
	key := unitKey{kind, real}
	if known := e.units[key]; known != nil {
		known.explicit = known.explicit || explicit
		return
	}
	e.units[key] = &unit{kind: kind, path: path, real: real, name: relative(e.root, path), explicit: explicit}
}

func (e *explorer) markExplicit(real string) {
	for _, kind := range []unitKind{kustomization, chart} {
		if u := e.units[unitKey{kind, real}]; u != nil {
			u.explicit = true
		}
	}
}

func (e *explorer) problem(path string, err error) {
	e.problems = append(e.problems, loadProblem(relative(e.root, path), err, false))
}

// loadProblem is why something could not be read.
func loadProblem(name string, err error, warning bool) policy.Problem {
	problem := policy.Problem{Kind: policy.LoadProblem, Location: policy.Location{File: name}, Message: err.Error(), Warning: warning}
	var tooLarge *tooLargeError
	var path *fs.PathError
	switch {
	case errors.As(err, &tooLarge):
		problem.Hint = "raise the limit if it is a manifest, or name it in " + assayIgnore
	case errors.As(err, &path):
		// The path in it is absolute; the location has it.
		problem.Message = "cannot be read: " + path.Err.Error()
	}
	return problem
}

// isFlux tells whether a file that is named like a kustomization is a manifest of Flux, whose kind has the same name.
func (e *explorer) isFlux(path string) bool {
	content, err := readFile(path, e.maxFileBytes)
	if err != nil {
		return false
	}
	var head struct {
		APIVersion string `json:"apiVersion"`
	}
	if err := yaml.Unmarshal(content, &head); err != nil {
		return false
	}
	return strings.HasPrefix(head.APIVersion, "kustomize.toolkit.fluxcd.io/")
}

// kustomizationNames make a folder a kustomization, in the order in which kustomize looks for them.
var kustomizationNames = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

func isKustomizationName(name string) bool { return slices.Contains(kustomizationNames, name) }

func isManifestName(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}
