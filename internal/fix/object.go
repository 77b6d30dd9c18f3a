package fix

import (
	"cmp"
	"fmt"
	"slices"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// MutatedLabel is set, with an empty value, on every object that was changed, as the Weave Policy Agent did.
const MutatedLabel = "pac.weave.works/mutated"

// What a policy can make others write is bounded: an object of the API has 1.5 MiB at most.
const (
	maxChanges = 1000
	maxSteps   = 64
	// maxValue and maxValues are bytes, of one recommended value and of all of them.
	maxValue  = 1 << 20
	maxValues = 4 << 20
)

// Applied is a value that was written. Old and New may be secrets: they are for the object, not for logs.
type Applied struct {
	Policy *v2.Policy
	// Path is where the value was written: the path that the policy gave, resolved in the object.
	Path policy.Path
	// Old is what was there before, nil when there was nothing; New is what the policy recommends.
	Old, New any
}

// Skipped is a recommended value that was not written.
type Skipped struct {
	Policy *v2.Policy
	// Path as the policy gave it.
	Path string
	// Reason says in part of a sentence why; it never holds a value.
	Reason string
}

// Object writes what policies recommend into an object: of the results that are violations of policies with spec.mutate,
// each occurrence that has a path and a recommended value other than null. The content is never changed; what is returned
// is the content itself when nothing was applied, else a deep copy of it with the changes and with MutatedLabel.
//
// Missing maps on the way are made. An element is appended to a list when the path ends in the index after its last
// element; any other index that does not exist, a path through a number or text, and fields that say which object it is
// or that are not its owner's to write (apiVersion, kind, status, and all of metadata but labels, annotations and
// finalizers) are skipped. A value that is there already is neither applied nor skipped.
//
// Where policies want different values at one place, the first by id gets its way and the others are skipped. What a policy
// recommends for a whole map comes before what another recommends for a field in it, which is then added. Both lists are in
// the order of policy ids and then of occurrences. Doing the same again to what is returned changes nothing.
func Object(content map[string]any, results []policy.Result) (changed map[string]any, applied []Applied, skipped []Skipped) {
	recommended, refused := recommendations(results)
	w := writer{root: content, skipped: refused, kind: kindOf(content)}
	for _, r := range recommended {
		w.write(r)
	}
	if len(w.applied) > 0 {
		w.label()
	}
	slices.SortFunc(w.applied, func(a, b numbered[Applied]) int { return cmp.Compare(a.number, b.number) })
	slices.SortFunc(w.skipped, func(a, b numbered[Skipped]) int { return cmp.Compare(a.number, b.number) })
	for _, a := range w.applied {
		applied = append(applied, a.what)
	}
	for _, s := range w.skipped {
		skipped = append(skipped, s.what)
	}
	return w.root, applied, skipped
}

// recommendation is a value that a policy recommends for a place.
type recommendation struct {
	// number orders recommendations by policy id, then as the policy made them: the lower goes first where two disagree.
	number int
	policy *v2.Policy
	text   string
	path   policy.Path
	value  any
}

type numbered[T any] struct {
	number int
	what   T
}

func (r *recommendation) skip(format string, args ...any) numbered[Skipped] {
	return numbered[Skipped]{r.number, Skipped{r.policy, r.text, fmt.Sprintf(format, args...)}}
}

// recommendations are what is to be written, in the order in which to write it: what is above before what is below it and
// lower indexes before higher ones, so that the order of policies does not decide whether a place exists.
func recommendations(results []policy.Result) (all []recommendation, refused []numbered[Skipped]) {
	var mutating []*policy.Result
	for i := range results {
		if r := &results[i]; r.Status == policy.Violation && r.Policy.Spec.Mutate {
			mutating = append(mutating, r)
		}
	}
	slices.SortStableFunc(mutating, func(a, b *policy.Result) int { return cmp.Compare(a.Policy.Spec.ID, b.Policy.Spec.ID) })
	number := 0
	for _, result := range mutating {
		for _, o := range result.Occurrences {
			if o.Path == "" || o.RecommendedValue == nil {
				continue
			}
			number++
			r := recommendation{number: number, policy: result.Policy, text: o.Path, value: o.RecommendedValue}
			if number > maxChanges {
				refused = append(refused, r.skip("more than %d values are recommended for the object", maxChanges))
				continue
			}
			var err error
			switch r.path, err = policy.ParsePath(o.Path); {
			case err != nil:
				refused = append(refused, r.skip("%v", err))
			case slices.Contains(r.path, policy.Key("")):
				// No field has that name, and libraries do not agree on how a JSON patch writes it.
				refused = append(refused, r.skip("the path %s has an empty key", r.path))
			case len(r.path) > maxSteps:
				refused = append(refused, r.skip("the path has %d steps, more than %d", len(r.path), maxSteps))
			default:
				all = append(all, r)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b recommendation) int { return slices.CompareFunc(a.path, b.path, compareSteps) })
	return all, refused
}

func compareSteps(a, b policy.Step) int {
	return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Index, b.Index))
}

// writer writes recommended values into an object, which it copies before the first one.
type writer struct {
	root   map[string]any
	kind   string
	copied bool
	// read is how many bytes of recommended values have been looked at.
	read    int
	claims  claim
	applied []numbered[Applied]
	skipped []numbered[Skipped]
}

func (w *writer) write(r recommendation) {
	path, err := place(w.root, r.path, w.kind)
	if err != nil {
		w.skipped = append(w.skipped, r.skip("%v", err))
		return
	}
	value, size, err := normalise(r.value, min(maxValue, maxValues-w.read))
	w.read += size
	if err != nil {
		w.skipped = append(w.skipped, r.skip("the recommended value %v", err))
		return
	}
	if err := fits(path, value, w.kind); err != nil {
		w.skipped = append(w.skipped, r.skip("%v", err))
		return
	}
	old, exists := lookup(w.root, path)
	if exists && equal(old, value) {
		w.claims.add(path, &r)
		return
	}
	if other := w.claims.before(path, exists, r.number); other != nil {
		w.skipped = append(w.skipped, r.skip("%s recommends another value for it", other.policy.Spec.ID))
		return
	}
	if !w.copied {
		w.root, w.copied = deepCopy(w.root).(map[string]any), true
	}
	if _, err := set(w.root, path, 0, value); err != nil {
		w.skipped = append(w.skipped, r.skip("%v", err))
		return
	}
	w.claims.add(path, &r)
	w.applied = append(w.applied, numbered[Applied]{r.number, Applied{r.policy, path, old, deepCopy(value)}})
}

// label marks the object. Nothing that was written is in its way (see fits); an object that came with labels that are no
// map is refused by the API server in any case.
func (w *writer) label() {
	path := policy.Path{policy.Key("metadata"), policy.Key("labels"), policy.Key(MutatedLabel)}
	if _, exists := lookup(w.root, path); !exists {
		_, _ = set(w.root, path, 0, "")
	}
}

// claim is a node of the tree of places for which values were recommended: those that were written, and those that were
// there already.
type claim struct {
	by    *recommendation
	below map[policy.Step]*claim
}

func (c *claim) add(path policy.Path, by *recommendation) {
	for _, step := range path {
		next := c.below[step]
		if next == nil {
			next = &claim{}
			if c.below == nil {
				c.below = map[policy.Step]*claim{}
			}
			c.below[step] = next
		}
		c = next
	}
	if c.by == nil || by.number < c.by.number {
		c.by = by
	}
}

// before is who has recommended what is at the path and goes before number; nil when nobody has. Where nothing is at the
// path, only a recommendation for exactly this place counts: adding a field to a recommended map takes nothing from it.
func (c *claim) before(path policy.Path, exists bool, number int) *recommendation {
	for i, step := range path {
		if c = c.below[step]; c == nil {
			return nil
		}
		if c.by != nil && (exists || i == len(path)-1) && c.by.number < number {
			return c.by
		}
	}
	return nil
}
