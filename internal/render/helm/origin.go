package helm

import (
	"slices"

	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// maxValues bounds the values that one field is said to come from.
const maxValues = 3

// origin tells which lines of which templates an object was written by.
type origin struct {
	document *document
	// written is where the object is in the document; nil when it is all of it.
	written *raw.Origin
	content map[string]any
}

var _ policy.Origin = (*origin)(nil)

// Root is the chart's folder or archive.
func (o *origin) Root() string { return o.document.builder.name }

// Object is the line of the object's first key.
func (o *origin) Object() policy.Location { return o.locate(nil)[0] }

// Field returns the line of the template that writes the field, those that include it, and the values that they mention.
func (o *origin) Field(path policy.Path) []policy.Location {
	resolved, _ := path.Resolve(o.content)
	return o.locate(resolved)
}

func (o *origin) locate(path policy.Path) []policy.Location {
	d := o.document
	written, present := o.writtenAt(path)
	places, mentioned := d.output.origins(d.start + d.offset(written))
	locations := make([]policy.Location, 0, len(places)+1)
	for _, p := range places {
		location := wholeLine(p.source, p.line)
		location.Note = p.note
		locations = append(locations, location)
	}
	if len(locations) == 0 {
		locations = append(locations, policy.Location{File: d.template.file()})
	}
	if written.Note != "" {
		locations[0].Note = written.Note
	}
	if present == len(path) {
		locations = append(locations, o.values(mentioned, path)...)
	}
	return locations
}

// writtenAt is where the document has the field, and how many steps of the path are present.
func (o *origin) writtenAt(path policy.Path) (policy.Location, int) {
	if o.written == nil {
		return o.document.file.Locate(0, path)
	}
	locations, present := o.written.Locate(path)
	// With an alias the anchor is where the value is written.
	last := locations[len(locations)-1]
	last.Note = locations[0].Note
	return last, present
}

// values are the places of the values that a line mentions.
func (o *origin) values(mentioned []policy.Path, path policy.Path) []policy.Location {
	var locations []policy.Location
	for _, value := range mentioned {
		location, ok := find(o.document.builder.values, o.document.template.chart, value, path)
		if !ok || slices.ContainsFunc(locations, func(l policy.Location) bool { return l.File == location.File && l.Line == location.Line }) {
			continue
		}
		location.Note = "the value is set here"
		if locations = append(locations, location); len(locations) == maxValues {
			break
		}
	}
	return locations
}

// crdOrigin is the origin of an object in crds/, which Helm applies as it is written.
type crdOrigin struct {
	*raw.Origin
	root string
}

// Root is the chart's folder or archive.
func (o crdOrigin) Root() string { return o.root }
