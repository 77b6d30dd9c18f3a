package check

import (
	"github.com/assay-gitops/assay/policy"
)

// unlocated is the note of a finding whose field could not be looked up.
const unlocated = "the object; the place of the field could not be determined"

// locate finds where a person wrote the field at a violating path: first the place to edit, then those that lead there.
// Without a path, or with one that cannot be parsed, it is the object's place.
func locate(object *policy.Object, path string) (policy.Location, []policy.Location) {
	if object.Origin == nil {
		return policy.Location{}, nil
	}
	if path == "" {
		return place(object), nil
	}
	parsed, err := policy.ParsePath(path)
	if err != nil {
		return place(object), nil
	}
	locations := fieldPlaces(object.Origin, parsed)
	if len(locations) == 0 {
		at := place(object)
		at.Note = unlocated
		return at, nil
	}
	return locations[0], locations[1:]
}

// fieldPlaces asks the origin; nil when the origin fails, which must not cost the finding.
func fieldPlaces(origin policy.Origin, path policy.Path) (locations []policy.Location) {
	defer func() {
		if recover() != nil {
			locations = nil
		}
	}()
	return origin.Field(path)
}

// place is where an object begins; the zero Location when nobody can say.
func place(object *policy.Object) (at policy.Location) {
	if object == nil || object.Origin == nil {
		return policy.Location{}
	}
	defer func() {
		if recover() != nil {
			at = policy.Location{}
		}
	}()
	return object.Origin.Object()
}
