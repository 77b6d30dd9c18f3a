// Package render turns what people keep in a Git tree (plain YAML and JSON, kustomizations, Helm charts) into objects
// that know where they were written.
package render

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/assay-gitops/assay/policy"
)

// Options of Render.
type Options struct {
	// Root is the absolute folder that all locations are relative to.
	Root string
	// Stdin is read for the path "-".
	Stdin io.Reader
	// Helm says how charts are rendered.
	Helm HelmOptions
	// AllowNetwork lets kustomizations fetch remote bases.
	AllowNetwork bool
	// MaxFileBytes bounds what is read of one file; DefaultMaxFileBytes when zero.
	MaxFileBytes int64
	// StopAtFirst ends the run at the first problem instead of going on with the rest.
	StopAtFirst bool
	// Progress is called now and then, from one goroutine at a time; may be nil.
	Progress func(Progress)
}

// DefaultMaxFileBytes is the size above which a manifest is refused: ten times what etcd would store of one object,
// times the objects that real install files bundle.
const DefaultMaxFileBytes = 32 << 20

// HelmOptions say how charts are rendered.
type HelmOptions struct {
	// ValuesFiles are merged over a chart's own values, later ones last. A bare file name that exists in the chart's folder is
	// taken from there, anything else is relative to the working directory.
	ValuesFiles []string
	// Set holds key=value pairs as helm's --set.
	Set []string
	// ReleaseName and Namespace of the release; the chart's name and "default" when empty.
	ReleaseName, Namespace string
	// KubeVersion and APIVersions make up .Capabilities; Helm's own defaults when empty.
	KubeVersion string
	APIVersions []string
}

// Progress tells how far a run got.
type Progress struct {
	// Units (files, kustomizations, charts) done and found so far.
	Done, Found int
	// Objects found so far.
	Objects int
}

// Tree is what was found.
type Tree struct {
	// Objects in the order of their units' paths and of the documents in them.
	Objects []*policy.Object
	// Files is how many files were read.
	Files int
	// Problems are why something was not read or rendered.
	Problems []policy.Problem
}

// Render finds what can be rendered at the paths and renders it: files, folders with everything below them, and "-" for the
// standard input. Nothing is read twice where paths overlap. An error means that there is no point in the run: a path
// that does not exist (*NotFoundError), or a context that ended. Whatever else goes wrong is a problem of the tree. Nothing is
// ever written.
func Render(ctx context.Context, paths []string, options Options) (*Tree, error) {
	root := options.Root
	if root == "" {
		root = "."
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find the root %s: %w", options.Root, err)
	}
	limit := options.MaxFileBytes
	if limit <= 0 {
		limit = DefaultMaxFileBytes
	}
	found := explorer{
		ctx: ctx, options: options, root: root, maxFileBytes: limit,
		units: map[unitKey]*unit{}, walked: map[string]bool{}, outside: map[string]bool{},
	}
	if err := found.explore(paths); err != nil {
		return nil, err
	}
	rendered := run{options: options, root: root, maxFileBytes: limit}
	units := sortedUnits(found.units)
	if !options.StopAtFirst || !slices.ContainsFunc(found.problems, isFault) {
		if err := rendered.all(ctx, units); err != nil {
			return nil, err
		}
	}
	return rendered.tree(units, found.problems), nil
}
