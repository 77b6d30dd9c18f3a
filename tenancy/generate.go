package tenancy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/assay-gitops/assay/policy"
)

// Workspace is everything that one tenant is made of.
type Workspace struct {
	Tenant *Tenant
	// Objects in the order in which they are applied: for each namespace the Namespace and what is in it, then what
	// belongs to no namespace. Their labels have the tenant's name, and nothing but the tenant decides what they are.
	// Nobody changes them: tenants share what is the same for all.
	Objects []*unstructured.Unstructured
}

// Generate makes the workspaces. The same tenants give the same objects in the same order, always.
func Generate(tenants *Tenants) ([]Workspace, error) {
	g, err := NewGenerator(tenants)
	if err != nil {
		return nil, err
	}
	workspaces := make([]Workspace, len(tenants.All))
	for i := range tenants.All {
		if workspaces[i], err = g.Workspace(&tenants.All[i]); err != nil {
			return nil, err
		}
	}
	return workspaces, nil
}

// Generator makes workspaces one by one, for those who do not need all of them at once. It is safe for concurrent use.
type Generator struct {
	defaultRole Preset
	walls       map[wall]*unstructured.Unstructured
}

// NewGenerator prepares what the workspaces of the tenants have in common.
func NewGenerator(tenants *Tenants) (*Generator, error) {
	walls, err := readWalls()
	if err != nil {
		return nil, err
	}
	return &Generator{tenants.defaultRole, walls}, nil
}

// Workspace makes the workspace of a tenant.
func (g *Generator) Workspace(t *Tenant) (Workspace, error) {
	one := generator{tenant: t, deployment: t.deployment(g.defaultRole), walls: g.walls}
	if err := one.generate(); err != nil {
		return Workspace{}, fmt.Errorf("generate the workspace of the tenant %s: %w", t.Name, err)
	}
	return Workspace{Tenant: t, Objects: one.objects}, nil
}

// deployment is what the service account of the tenant may do.
func (t *Tenant) deployment(defaultRole Preset) DeploymentRBAC {
	if t.DeploymentRBAC != nil {
		return *t.DeploymentRBAC
	}
	return DeploymentRBAC{Preset: defaultRole}
}

// generator makes the objects of one tenant.
type generator struct {
	tenant     *Tenant
	deployment DeploymentRBAC
	walls      map[wall]*unstructured.Unstructured
	objects    []*unstructured.Unstructured
	// guarded are kind/name of the objects in the namespaces that the tenant must not change.
	guarded []string
	err     error
}

func (g *generator) generate() error {
	for i := range g.tenant.Namespaces {
		ns := &g.tenant.Namespaces[i]
		g.namespace(ns)
		g.roles(ns.Name)
		g.limits(ns.Name)
		g.network(ns.Name)
		g.sync(ns.Name)
	}
	g.policies()
	g.settings()
	return g.err
}

// gvk names a kind of objects.
func gvk(apiVersion, kind string) schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(apiVersion, kind)
}

// add appends an object. Its spec is whatever fields are given beside apiVersion, kind and metadata.
func (g *generator) add(id schema.GroupVersionKind, namespace, name string, fields map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{}}
	for key, value := range fields {
		plain, err := toJSON(value)
		if err != nil && g.err == nil {
			g.err = fmt.Errorf("%s %s: %w", id.Kind, name, err)
		}
		o.Object[key] = plain
	}
	o.SetGroupVersionKind(id)
	o.SetName(name)
	if namespace != "" {
		o.SetNamespace(namespace)
	}
	labels := map[string]string{}
	for key, value := range g.tenant.Labels {
		labels[key] = value
	}
	labels[policy.TenantLabel] = g.tenant.Name
	o.SetLabels(labels)
	g.objects = append(g.objects, o)
	return o
}

// guard adds an object that the tenant must not change.
func (g *generator) guard(id schema.GroupVersionKind, namespace, name string, fields map[string]any) {
	g.add(id, namespace, name, fields)
	if key := id.Kind + "/" + name; !slices.Contains(g.guarded, key) {
		g.guarded = append(g.guarded, key)
	}
}

// toJSON is a value as JSON values, as the API server has it.
func toJSON(value any) (any, error) {
	switch value := value.(type) {
	case nil, string, bool, int64:
		return value, nil
	case map[string]any:
		return toJSONMap(value)
	}
	content, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var plain any
	if err := json.Unmarshal(content, &plain); err != nil {
		return nil, err
	}
	return integers(plain), nil
}

func toJSONMap(m map[string]any) (any, error) {
	plain := make(map[string]any, len(m))
	for key, value := range m {
		var err error
		if plain[key], err = toJSON(value); err != nil {
			return nil, err
		}
	}
	return plain, nil
}

// integers makes whole numbers int64, as objects have them.
func integers(value any) any {
	switch value := value.(type) {
	case float64:
		if whole := int64(value); float64(whole) == value {
			return whole
		}
	case []any:
		for i := range value {
			value[i] = integers(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = integers(value[key])
		}
	}
	return value
}

// YAML writes an object as files have it: keys sorted, lists not indented.
func YAML(o *unstructured.Unstructured) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(o.Object); err != nil {
		return nil, fmt.Errorf("write the %s %s as YAML: %w", o.GetKind(), o.GetName(), err)
	}
	return out.Bytes(), encoder.Close()
}
