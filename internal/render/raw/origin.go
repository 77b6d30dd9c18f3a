package raw

import (
	"github.com/assay-gitops/assay/policy"
)

// Origin says where an object and its fields are written in a File.
type Origin struct {
	file     *File
	document int
	// items lead to the object when it is in a list, one index for each list on the way.
	items   []int
	content map[string]any
}

var _ policy.Origin = (*Origin)(nil)

// Root is the file.
func (o *Origin) Root() string { return o.file.name }

// File is where the object is written.
func (o *Origin) File() *File { return o.file }

// Document is the index of the object's document in the file.
func (o *Origin) Document() int { return o.document }

// Object is the place of the object's first key.
func (o *Origin) Object() policy.Location {
	locations, _ := o.file.locate(o.document, o.full(nil))
	return locations[0]
}

// Field returns where the field is written. With a field that an alias or a merge brings in it is two places or more: where
// the alias is written, and what it stands for.
func (o *Origin) Field(path policy.Path) []policy.Location {
	resolved, _ := path.Resolve(o.content)
	locations, _ := o.Locate(resolved)
	return locations
}

// Locate is Field for a path that is understood as it is, and tells how many steps of it are present.
func (o *Origin) Locate(path policy.Path) (locations []policy.Location, present int) {
	full := o.full(path)
	locations, present = o.file.locate(o.document, full)
	return locations, max(present-(len(full)-len(path)), 0)
}

// full is the path from the root of the document.
func (o *Origin) full(path policy.Path) policy.Path {
	if len(o.items) == 0 {
		return path
	}
	full := make(policy.Path, 0, 2*len(o.items)+len(path))
	for _, item := range o.items {
		full = append(full, policy.Key("items"), policy.Index(item))
	}
	return append(full, path...)
}
