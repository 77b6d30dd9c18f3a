package engine

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/suggest"
	"github.com/assay-gitops/assay/policy"
)

// configs finds the PolicyConfigs that match an object, in the order of their precedence.
type configs struct {
	// all are sorted by name; the lookups hold positions in it, so that within a level the later name comes later.
	all []*config
	// The levels, low to high.
	workspaces, namespaces         map[string][]int
	apps, appsInNamespace          map[resourceKey][]int
	resources, resourcesInNamepace map[resourceKey][]int
}

// config is a PolicyConfig with its values decoded: by policy id and parameter.
type config struct {
	source *v2.PolicyConfig
	name   string
	values map[string]map[string]any
}

// resourceKey names a Flux object or a resource; Namespace is empty where any will do.
type resourceKey struct{ kind, name, namespace string }

func newConfigs(sources []*v2.PolicyConfig, policies map[string]*v2.Policy) (*configs, []Problem) {
	sources = slices.Clone(sources)
	slices.SortStableFunc(sources, func(a, b *v2.PolicyConfig) int { return cmp.Compare(a.Name, b.Name) })
	c := &configs{
		workspaces: map[string][]int{}, namespaces: map[string][]int{},
		apps: map[resourceKey][]int{}, appsInNamespace: map[resourceKey][]int{},
		resources: map[resourceKey][]int{}, resourcesInNamepace: map[resourceKey][]int{},
	}
	var problems []Problem
	for _, source := range sources {
		decoded, more := decodeConfig(source, policies)
		problems = append(problems, more...)
		i := len(c.all)
		c.all = append(c.all, decoded)
		problems = append(problems, c.index(i, source)...)
	}
	return c, problems
}

// index files a config under its targets and reports targets that another config has already.
func (c *configs) index(i int, source *v2.PolicyConfig) (problems []Problem) {
	match := &source.Spec.Match
	report := func(field, target string, earlier []int) {
		for _, other := range earlier {
			if id, parameter, clash := c.all[other].clash(c.all[i]); clash {
				problems = append(problems, Problem{
					Source: source, Field: field, Other: c.all[other].source,
					Message: fmt.Sprintf("policy config '%s' already targets %s and sets %s of %s too; '%s' wins, being the later name",
						c.all[other].name, target, parameter, id, source.Name),
					Hint: "merge the two, or target something more specific",
				})
			}
		}
	}
	for n, w := range match.Workspaces {
		report(fmt.Sprintf("spec.match.workspaces[%d]", n), fmt.Sprintf("workspace '%s'", w), c.workspaces[w])
		c.workspaces[w] = append(c.workspaces[w], i)
	}
	for n, ns := range match.Namespaces {
		report(fmt.Sprintf("spec.match.namespaces[%d]", n), fmt.Sprintf("namespace '%s'", ns), c.namespaces[ns])
		c.namespaces[ns] = append(c.namespaces[ns], i)
	}
	for n, app := range match.Applications {
		key, level := resourceKey{app.Kind, app.Name, app.Namespace}, c.apps
		if app.Namespace != "" {
			level = c.appsInNamespace
		}
		report(fmt.Sprintf("spec.match.apps[%d]", n), "application "+key.String(), level[key])
		level[key] = append(level[key], i)
	}
	for n, r := range match.Resources {
		key, level := resourceKey{r.Kind, r.Name, r.Namespace}, c.resources
		if r.Namespace != "" {
			level = c.resourcesInNamepace
		}
		report(fmt.Sprintf("spec.match.resources[%d]", n), "resource "+key.String(), level[key])
		level[key] = append(level[key], i)
	}
	return problems
}

func (k resourceKey) String() string { return fmt.Sprintf("'%s/%s:%s'", k.kind, k.name, k.namespace) }

// clash finds a parameter that both configs set.
func (c *config) clash(other *config) (id, parameter string, found bool) {
	for _, id := range sortedKeys(c.values) {
		for _, parameter := range sortedKeys(c.values[id]) {
			if _, both := other.values[id][parameter]; both {
				return id, parameter, true
			}
		}
	}
	return "", "", false
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// decodeConfig reads the values of a config and reports those that no policy will ever see.
func decodeConfig(source *v2.PolicyConfig, policies map[string]*v2.Policy) (*config, []Problem) {
	decoded := &config{source: source, name: source.Name, values: map[string]map[string]any{}}
	var problems []Problem
	for _, id := range sortedKeys(source.Spec.Config) {
		field := policy.Path{policy.Key("spec"), policy.Key("config"), policy.Key(id)}
		target, ok := policies[id]
		if !ok {
			known := sortedKeys(policies)
			problems = append(problems, Problem{
				Source: source, Field: field.String(),
				Message: fmt.Sprintf("there is no policy %s, or it does not compile", id),
				Hint:    suggest.Unknown("policy", id, known, "").Hint(),
			})
		}
		decoded.values[id] = map[string]any{}
		parameters := source.Spec.Config[id].Parameters
		for _, name := range sortedKeys(parameters) {
			field := append(slices.Clone(field), policy.Key("parameters"), policy.Key(name))
			value, err := decode(parameters[name].Raw)
			if err != nil {
				problems = append(problems, Problem{Source: source, Field: field.String(), Message: err.Error(), LeftOut: true})
				continue
			}
			decoded.values[id][name] = value
			if ok {
				problems = append(problems, checkParameter(source, field.String(), target, name, value)...)
			}
		}
	}
	return decoded, problems
}

func checkParameter(source *v2.PolicyConfig, field string, p *v2.Policy, name string, value any) []Problem {
	var names []string
	for _, declared := range p.Spec.Parameters {
		if declared.Name == name {
			if fits(declared.Type, value) {
				return nil
			}
			return []Problem{{
				Source: source, Field: field,
				Message: fmt.Sprintf("parameter %s of %s is of type %s, not %s", name, p.Spec.ID, declared.Type, typeOf(value)),
				Hint:    "the value is used as it is, and the policy may not understand it",
			}}
		}
		names = append(names, declared.Name)
	}
	return []Problem{{
		Source: source, Field: field,
		Message: fmt.Sprintf("policy %s has no parameter %s", p.Spec.ID, name),
		Hint:    suggest.Unknown("parameter", name, names, "").Hint(),
	}}
}

// fits tells whether a value is of a declared type. Null fits every type; unknown types fit every value.
func fits(declared string, value any) bool {
	actual := typeOf(value)
	switch declared {
	case "string", "boolean", "array", "object", "integer":
		return actual == declared || actual == "null"
	case "number":
		return actual == "number" || actual == "integer" || actual == "null"
	}
	return true
}

func typeOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case int64:
		return "integer"
	case float64:
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

// matching are the positions of the configs that match an object, low precedence first.
func (c *configs) matching(r *policy.Request) []int {
	var found []int
	c.each(r, func(_ Level, positions []int) { found = append(found, positions...) })
	return found
}

// each gives the positions of the configs that match an object, level by level, low precedence first.
func (c *configs) each(r *policy.Request, matching func(Level, []int)) {
	if len(c.all) == 0 {
		return
	}
	if len(c.workspaces) > 0 {
		if workspace := r.Workspace(); workspace != "" {
			matching(OfWorkspace, c.workspaces[workspace])
		}
	}
	namespace := r.Object.Namespace()
	if namespace != "" {
		matching(OfNamespace, c.namespaces[namespace])
	}
	if len(c.apps)+len(c.appsInNamespace) > 0 {
		if app, ok := r.Object.App(); ok {
			matching(OfApp, c.apps[resourceKey{app.Kind, app.Name, ""}])
			matching(OfAppInNamespace, c.appsInNamespace[resourceKey{app.Kind, app.Name, app.Namespace}])
		}
	}
	if len(c.resources)+len(c.resourcesInNamepace) > 0 {
		kind, name := r.Object.Kind(), r.Object.Name()
		matching(OfResource, c.resources[resourceKey{kind, name, ""}])
		if namespace != "" {
			matching(OfResourceInNamespace, c.resourcesInNamepace[resourceKey{kind, name, namespace}])
		}
	}
}

// resolution is what a combination of configs comes to: the bindings of the policies that it touches.
type resolution map[*compiled]func() (*binding, error)

// resolve finds what the configs come to for an object; nil when none matches. The first object that meets a combination
// makes it, the others find it made.
func (s *Snapshot) resolve(r *policy.Request) resolution {
	found := s.configs.matching(r)
	if len(found) == 0 {
		return nil
	}
	key := make([]byte, 0, 4*len(found))
	for _, i := range found {
		key = binary.LittleEndian.AppendUint32(key, uint32(i)) //nolint:gosec // positions in a slice
	}
	return s.resolved.find(string(key), func() resolution { return s.merge(found) })
}

// merge finds the parameters that the configs come to for the policies they touch; for each parameter the last config
// wins. A policy is bound to them when it first judges an object, once.
func (s *Snapshot) merge(found []int) resolution {
	overrides := s.configs.overrides(found)
	r := resolution{}
	for _, p := range s.policies {
		if o, ok := overrides[p.policy.Spec.ID]; ok {
			r[p] = sync.OnceValues(func() (*binding, error) {
				b, err := p.bind(o)
				if err != nil {
					return nil, fmt.Errorf("binding parameters: %w", err)
				}
				s.resolved.keep(bindingSize)
				return b, nil
			})
		}
	}
	return r
}

// overrides are the values that configs come to, by policy id and parameter: those of the last config that sets it.
func (c *configs) overrides(found []int) map[string]map[string]override {
	all := map[string]map[string]override{}
	for _, i := range found {
		for id, parameters := range c.all[i].values {
			if all[id] == nil {
				all[id] = map[string]override{}
			}
			for name, value := range parameters {
				all[id][name] = override{value: value, config: c.all[i].name}
			}
		}
	}
	return all
}
