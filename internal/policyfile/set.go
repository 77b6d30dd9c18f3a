package policyfile

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/api/v2/crds"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/suggest"
	"github.com/assay-gitops/assay/policy"
)

// Set is what the objects of some files mean to an engine.
type Set struct {
	// Sources in the order of the objects.
	Sources engine.Sources
	// Namespaces are the core/v1 Namespace objects by name. Of several with one name, the first counts.
	Namespaces map[string]map[string]any

	// objects from which the sources were decoded, by pointer of the source.
	objects map[any]*policy.Object
}

// FromObjects decodes the objects of group pac.weave.works, remembers the Namespaces and ignores all others. An object
// with problems is left out; there is one problem for each thing that is wrong with it.
func FromObjects(objects []*policy.Object) (*Set, []policy.Problem) {
	set := &Set{Namespaces: map[string]map[string]any{}, objects: map[any]*policy.Object{}}
	var problems []policy.Problem
	named := map[objectKey]*policy.Object{}
	for _, object := range objects {
		switch {
		case object.Group() == v2.Group:
			problems = append(problems, set.add(object, named)...)
		case object.APIVersion() == "v1" && object.Kind() == "Namespace":
			if _, ok := set.Namespaces[object.Name()]; !ok {
				set.Namespaces[object.Name()] = object.Content
			}
		}
	}
	return set, problems
}

// objectKey is what makes two objects one in a cluster.
type objectKey struct{ kind, name string }

func (s *Set) add(object *policy.Object, named map[objectKey]*policy.Object) []policy.Problem {
	if problem := unserved(object); problem != nil {
		return []policy.Problem{*problem}
	}
	source := newSource(object.Kind())
	if problems := decode(object, source); len(problems) > 0 {
		return problems
	}
	key := objectKey{object.Kind(), object.Name()}
	if first, ok := named[key]; ok && key.name != "" {
		if reflect.DeepEqual(first.Content, object.Content) {
			return nil
		}
		if problem := duplicate(first, object); problem != nil {
			return []policy.Problem{*problem}
		}
	} else {
		named[key] = object
	}
	s.objects[source] = object
	switch source := source.(type) {
	case *v2.Policy:
		s.Sources.Policies = append(s.Sources.Policies, source)
	case *v2.PolicySet:
		s.Sources.Sets = append(s.Sources.Sets, source)
	case *v2.PolicyConfig:
		s.Sources.Configs = append(s.Sources.Configs, source)
	case *v2.PolicyException:
		s.Sources.Exceptions = append(s.Sources.Exceptions, source)
	}
	return nil
}

func newSource(kind string) any {
	switch kind {
	case v2.PolicyKind:
		return &v2.Policy{}
	case v2.PolicySetKind:
		return &v2.PolicySet{}
	case v2.PolicyConfigKind:
		return &v2.PolicyConfig{}
	default:
		return &v2.PolicyException{}
	}
}

// unserved says what is wrong when the API server would serve no such kind or version.
func unserved(object *policy.Object) *policy.Problem {
	switch kind, version := object.Kind(), object.Version(); {
	case !slices.Contains(crds.Kinds(), kind):
		problem := problemAt(object, policy.Path{policy.Key("kind")},
			fmt.Sprintf("group %s has no kind %q", v2.Group, kind))
		if problem.Hint = suggest.Unknown("kind", kind, crds.Kinds(), "").Hint(); problem.Hint == "" {
			problem.Hint = "its kinds are " + list(crds.Kinds(), "and")
		}
		return &problem
	case !slices.Contains(v2.Versions(), version):
		problem := problemAt(object, policy.Path{policy.Key("apiVersion")},
			fmt.Sprintf("%s: version %s of group %s is not served", title(object), version, v2.Group))
		problem.Hint = fmt.Sprintf("write apiVersion: %s", v2.GroupVersion)
		if version == "v1" {
			problem.Hint += " and remove the fields that only v1 had: enable (it decided nothing; enforce does)" +
				" and controls (they are standards[].controls now)"
		}
		return &problem
	}
	return nil
}

// duplicate says what is wrong with a second object of the same kind and name, which in a cluster would overwrite the
// first or be overwritten by it. Two Policies with one id are left to the engine, which compares ids.
func duplicate(first, second *policy.Object) *policy.Problem {
	if second.Kind() == v2.PolicyKind && id(first) == id(second) {
		return nil
	}
	problem := problemAt(second, policy.Path{policy.Key("metadata"), policy.Key("name")},
		fmt.Sprintf("%s is defined twice; this second one is left out", title(second)))
	problem.Hint = "in a cluster one would overwrite the other: rename or remove one of them"
	if place := locate(first, nil); place.File != "" {
		problem.Hint = fmt.Sprintf("the first one is in %s, line %d; %s", place.File, place.Line, problem.Hint)
	}
	return &problem
}

func id(object *policy.Object) any {
	spec, _ := object.Content["spec"].(map[string]any)
	return spec["id"]
}

// title names an object in a message, such as "PolicyConfig strict-shop".
func title(object *policy.Object) string {
	if object.Name() == "" {
		return object.Kind() + " without a name"
	}
	return object.Kind() + " " + object.Name()
}

// list joins words as people write them: "a, b or c".
func list(words []string, conjunction string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + conjunction + " " + words[len(words)-1]
}

// Origin tells where a source was written, by its pointer; nil for what is not a source of this set and where nobody
// can say.
func (s *Set) Origin(source any) policy.Origin {
	if object, ok := s.objects[source]; ok {
		return object.Origin
	}
	return nil
}
