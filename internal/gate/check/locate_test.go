package check

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/policy"
)

// fixedOrigin answers every question about a field with the same places.
type fixedOrigin struct{ places []policy.Location }

func (fixedOrigin) Root() string { return "a.yaml" }
func (fixedOrigin) Object() policy.Location {
	return policy.Location{File: "a.yaml", Line: 1, Column: 1}
}
func (o fixedOrigin) Field(policy.Path) []policy.Location { return o.places }

// brokenOrigin stands for a defect in a renderer.
type brokenOrigin struct{ fixedOrigin }

func (brokenOrigin) Field(policy.Path) []policy.Location { panic("index out of range") }

type whollyBrokenOrigin struct{ brokenOrigin }

func (whollyBrokenOrigin) Object() policy.Location { panic("nil pointer") }

func TestLocate(t *testing.T) {
	field := policy.Location{File: "patch.yaml", Line: 7, Column: 5}
	base := policy.Location{File: "base.yaml", Line: 9, Column: 5, Note: "base"}
	object := policy.Location{File: "a.yaml", Line: 1, Column: 1}
	unknown := object
	unknown.Note = unlocated
	for _, test := range []struct {
		name, path string
		origin     policy.Origin
		want       policy.Location
		related    []policy.Location
	}{
		{"the place to edit comes first", "spec.x", fixedOrigin{[]policy.Location{field, base}}, field, []policy.Location{base}},
		{"without a path it is the object", "", fixedOrigin{[]policy.Location{field}}, object, nil},
		{"a path that cannot be parsed is as good as none", "spec[", fixedOrigin{[]policy.Location{field}}, object, nil},
		{"an origin that breaks its promise costs only the place", "spec.x", fixedOrigin{}, unknown, nil},
		{"an origin that panics costs only the place", "spec.x", brokenOrigin{}, unknown, nil},
		{"even when it panics about the object", "spec.x", whollyBrokenOrigin{}, policy.Location{Note: unlocated}, nil},
		{"an object from nowhere has no place", "spec.x", nil, policy.Location{}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, related := locate(named("Service", "s", test.origin), test.path)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("place (-want +got):\n%s", diff)
			}
			if len(test.related)+len(related) > 0 {
				if diff := cmp.Diff(test.related, related); diff != "" {
					t.Errorf("related (-want +got):\n%s", diff)
				}
			}
		})
	}
}
