package render

import (
	"path/filepath"
	"strings"

	"github.com/assay-gitops/assay/policy"
)

// chartFile makes a folder a chart.
const chartFile = "Chart.yaml"

// unit is what is rendered in one go.
type unit struct {
	kind unitKind
	// path is absolute: a file, or the folder of a kustomization or chart. Real is the same without links.
	path, real string
	// name is the path as locations have it.
	name string
	// explicit says that it was asked for by name, rather than found.
	explicit bool
	// content of what is not a file.
	content []byte
}

type unitKind int

const (
	kustomization unitKind = iota
	chart
	plain
)

type unitKey struct {
	kind unitKind
	real string
}

func (u *unit) isJSON() bool { return strings.EqualFold(filepath.Ext(u.path), ".json") }

// result is what came of a unit.
type result struct {
	objects  []*policy.Object
	problems []policy.Problem
	// files is how many files were read; read are their absolute paths where others must know them.
	files int
	read  []string
}
