package tenancy

import (
	"embed"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// wall is a policy that keeps a tenant in, by the name of its file. The id of a tenant's policy is
// weave.policies.tenancy.<tenant>-<id>; those of the first three are the old tool's.
type wall string

const (
	wallApplications   wall = "application-deploy"
	wallRepositories   wall = "repositories"
	wallClusters       wall = "clusters"
	wallFluxObjects    wall = "flux-objects"
	wallFluxStatus     wall = "flux-status"
	wallRBAC           wall = "rbac"
	wallObjects        wall = "workspace-objects"
	wallClusterObjects wall = "cluster-objects"
	wallNamespaces     wall = "namespace-labels"
	wallRegistries     wall = "registries"
	wallHostnames      wall = "hostnames"
	wallStorage        wall = "storage-classes"
	wallServices       wall = "service-types"
)

// id of the tenant's policy.
func (w wall) id(tenant string) string {
	switch w {
	case wallFluxObjects, wallFluxStatus, wallRBAC, wallObjects, wallClusterObjects, wallNamespaces:
		return tenancyPrefix + tenant + "-" + string(w)
	}
	return tenancyPrefix + tenant + "-allowed-" + string(w)
}

// RepositoriesPolicy is the id of the policy that says where a tenant may deploy from, ClustersPolicy of the one that says to which clusters. A
// tenant that may do either without limits has no such policy.
func RepositoriesPolicy(tenant string) string { return wallRepositories.id(tenant) }

// ClustersPolicy is described with RepositoriesPolicy.
func ClustersPolicy(tenant string) string { return wallClusters.id(tenant) }

//go:embed walls/*.yaml
var wallFiles embed.FS

// wallFile is a wall as it is written, without what is the tenant's.
type wallFile struct {
	Name            string                 `json:"name"`
	Description     string                 `json:"description"`
	HowToSolve      string                 `json:"how_to_solve"`
	Kinds           []string               `json:"kinds"`
	APIGroups       []string               `json:"apiGroups"`
	Operations      []string               `json:"operations"`
	Subresources    []string               `json:"subresources"`
	Parameters      []v2.PolicyParameter   `json:"parameters"`
	MatchConditions []v2.CELMatchCondition `json:"matchConditions"`
	Variables       []v2.CELVariable       `json:"variables"`
	Validations     []v2.CELValidation     `json:"validations"`
	// TenantOnly walls are about what the tenant itself does: see fromTenant.
	TenantOnly bool `json:"tenantOnly"`
	// ClusterScoped walls are not limited to the tenant's namespaces.
	ClusterScoped bool `json:"clusterScoped"`
}

// fromTenant tells whether a request is made by an account in the tenant's namespaces or by somebody of the team.
// Whoever else may change things is the platform; Flux is, unless it impersonates the tenant.
const fromTenant = `request.userInfo.groups.exists(g, g in params.tenant_groups)`

// unlessPlatform is fromTenant where nobody knows who asks, as in a repository or an audit: then what the platform has
// generated or deploys with Flux is told by its labels.
const unlessPlatform = fromTenant + ` || request.userInfo.username == "" && object != null &&
object.metadata.?labels[?"toolkit.fluxcd.io/tenant"].orValue("") == "" &&
object.metadata.?labels[?"kustomize.toolkit.fluxcd.io/namespace"].orValue(params.namespaces[0]) in params.namespaces
`

// readWalls reads the walls into policies, without ids and parameters' values.
func readWalls() (map[wall]*unstructured.Unstructured, error) {
	entries, err := wallFiles.ReadDir("walls")
	if err != nil {
		return nil, fmt.Errorf("read the walls: %w", err)
	}
	walls := map[wall]*unstructured.Unstructured{}
	for _, entry := range entries {
		content, err := wallFiles.ReadFile(path.Join("walls", entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the walls: %w", err)
		}
		var file wallFile
		if err := yaml.UnmarshalStrict(content, &file); err != nil {
			return nil, fmt.Errorf("read the wall %s: %w", entry.Name(), err)
		}
		name := wall(strings.TrimSuffix(entry.Name(), ".yaml"))
		if walls[name], err = file.policy(name); err != nil {
			return nil, fmt.Errorf("read the wall %s: %w", entry.Name(), err)
		}
	}
	return walls, nil
}

// policy is the wall as a policy, as far as it is not the tenant's.
func (f *wallFile) policy(name wall) (*unstructured.Unstructured, error) {
	rule := &v2.CELRule{Variables: f.Variables, Validations: f.Validations}
	usesTenant := f.TenantOnly
	switch {
	case name == wallRBAC:
		rule.MatchConditions = append(rule.MatchConditions, v2.CELMatchCondition{Name: "not-by-the-platform", Expression: unlessPlatform})
	case f.TenantOnly:
		rule.MatchConditions = append(rule.MatchConditions, v2.CELMatchCondition{Name: "by-the-tenant", Expression: fromTenant})
	}
	// Match conditions see no variables: those of the walls name the tenant all the same.
	for _, c := range f.MatchConditions {
		if strings.Contains(c.Expression, "variables.isTenant") {
			usesTenant = true
			c.Expression = strings.ReplaceAll(c.Expression, "variables.isTenant", fromTenant)
		}
		rule.MatchConditions = append(rule.MatchConditions, c)
	}
	parameters := f.Parameters
	if usesTenant {
		parameters = append(parameters, v2.PolicyParameter{Name: "tenant_groups", Type: "array", Description: "Groups of the tenant's service accounts and of its team."})
		rule.Variables = append([]v2.CELVariable{{Name: "isTenant", Expression: fromTenant}}, rule.Variables...)
	}
	enforce := true
	spec, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&v2.PolicySpec{
		Description: f.Description, HowToSolve: f.HowToSolve,
		Category: "weave.categories.tenancy", Severity: v2.SeverityHigh, Tags: []string{v2.TenancyTag},
		Provider: v2.ProviderKubernetes, Enforce: &enforce, FailurePolicy: v2.FailurePolicyFail,
		Targets:    v2.PolicyTargets{Kinds: f.Kinds, APIGroups: f.APIGroups, Operations: f.Operations, Subresources: f.Subresources},
		Parameters: parameters,
		CEL:        rule,
	})
	if err != nil {
		return nil, err
	}
	spec["mutate"] = false // the API server's default, so that a diff has nothing to say
	delete(spec, "exclude")
	spec["name"] = f.Name
	return &unstructured.Unstructured{Object: map[string]any{"spec": spec, "clusterScoped": f.ClusterScoped}}, nil
}

// wallOf adds a wall with the tenant's parameters, and returns its spec.
func (g *generator) wallOf(name wall, parameters map[string]any) map[string]any {
	t := g.tenant
	id := name.id(t.Name)
	wall := g.walls[name].Object
	// What is the same for all tenants is shared: the objects of hundreds of tenants would be copies of it otherwise.
	spec := maps.Clone(wall["spec"].(map[string]any))
	spec["id"] = id
	spec["name"] = t.Name + " " + spec["name"].(string)
	targets := maps.Clone(spec["targets"].(map[string]any))
	spec["targets"] = targets
	if wall["clusterScoped"] == false {
		targets["namespaces"] = list(t.NamespaceNames())
	}
	declared, _ := spec["parameters"].([]any)
	declared = slices.Clone(declared)
	spec["parameters"] = declared
	for i, each := range declared {
		parameter := maps.Clone(each.(map[string]any))
		declared[i] = parameter
		name := parameter["name"].(string)
		switch name {
		case "namespaces":
			parameter["value"] = list(t.NamespaceNames())
		case "service_account_name":
			parameter["value"] = t.Account()
		case "tenant_groups":
			parameter["value"] = list(t.groups())
		default:
			value, known := parameters[name]
			if !known && g.err == nil {
				g.err = fmt.Errorf("the wall %s has a parameter %s without a value", id, name)
			}
			parameter["value"] = value
		}
	}
	g.add(gvk(v2.GroupVersion.String(), "Policy"), "", id, nil).Object["spec"] = spec
	return spec
}

// groups of the tenant's service accounts, as the API server has them, and of the team.
func (t *Tenant) groups() []string {
	var groups []string
	for _, ns := range t.NamespaceNames() {
		groups = append(groups, "system:serviceaccounts:"+ns)
	}
	if t.TeamRBAC != nil {
		groups = append(groups, t.TeamRBAC.GroupNames...)
	}
	return groups
}

// policies adds the walls: first those of the old tool in its order.
func (g *generator) policies() {
	t := g.tenant
	g.wallOf(wallApplications, map[string]any{
		"flux_default_service_account": t.fluxDefault,
		"allow_controller_identity":    t.AllowControllerIdentity,
		"reserved_secrets":             list(t.reservedSecrets()),
	})
	if len(t.AllowedRepositories) > 0 {
		g.repositories()
	}
	secrets, configMaps := []string{}, []string{}
	for _, c := range t.AllowedClusters {
		if c.KubeConfig != "" {
			secrets = append(secrets, c.KubeConfig)
		} else {
			configMaps = append(configMaps, c.ConfigMap)
		}
	}
	g.wallOf(wallClusters, map[string]any{"cluster_secrets": list(secrets), "cluster_config_maps": list(configMaps)})
	g.wallOf(wallFluxObjects, map[string]any{"allow_controller_identity": t.AllowControllerIdentity})
	g.wallOf(wallFluxStatus, nil)
	g.wallOf(wallRBAC, map[string]any{"cluster_roles": list(g.clusterRoles()), "groups": list(t.teamGroups())})
	g.objectsOfThePlatform()
	g.wallOf(wallClusterObjects, nil)
	g.wallOf(wallNamespaces, map[string]any{"tenant": t.Name})
	g.lists()
}

// repositories allows the tenant's. A kind without any has null, as the old tool wrote it.
func (g *generator) repositories() {
	names := map[string]string{"GitRepository": "git_urls", "Bucket": "bucket_endpoints", "HelmRepository": "helm_urls", "OCIRepository": "oci_urls"}
	parameters, patterns := map[string]any{"git_urls": nil, "bucket_endpoints": nil, "helm_urls": nil, "oci_urls": nil}, map[string]any{}
	for _, r := range g.tenant.AllowedRepositories {
		pattern, err := repositoryPattern(r)
		if err != nil && g.err == nil {
			g.err = fmt.Errorf("the url of an allowed %s %w", r.Kind, err)
		}
		urls, _ := parameters[names[r.Kind]].([]any)
		parameters[names[r.Kind]] = append(urls, r.URL)
		known, _ := patterns[r.Kind].([]any)
		patterns[r.Kind] = append(known, pattern)
	}
	parameters["patterns"] = patterns
	g.wallOf(wallRepositories, parameters)
}

// clusterRoles that the tenant may bind: those that its own account is bound to and the ones for users of Kubernetes,
// which give no more than the namespace has.
func (g *generator) clusterRoles() []string {
	roles := []string{"view", "edit", "admin"}
	for _, role := range g.deployment.BindRoles {
		if role.Kind == "ClusterRole" && !slices.Contains(roles, role.Name) && role.Name != string(PresetClusterAdmin) {
			roles = append(roles, role.Name)
		}
	}
	return roles
}

func (t *Tenant) teamGroups() []string {
	if t.TeamRBAC == nil {
		return nil
	}
	return t.TeamRBAC.GroupNames
}

// reservedSecrets are in the tenant's namespaces and the platform's all the same.
func (t *Tenant) reservedSecrets() []string {
	var names []string
	for _, c := range t.AllowedClusters {
		if c.KubeConfig != "" && c.KubeConfig != "*" {
			names = append(names, c.KubeConfig)
		}
	}
	if t.Sync != nil && t.Sync.SecretRef != "" && !slices.Contains(names, t.Sync.SecretRef) {
		names = append(names, t.Sync.SecretRef)
	}
	return names
}

// objectsOfThePlatform guards what the tenant must not change in its namespaces.
func (g *generator) objectsOfThePlatform() {
	t := g.tenant
	guarded := slices.Clone(g.guarded)
	for _, secret := range t.reservedSecrets() {
		guarded = append(guarded, "Secret/"+secret)
	}
	for _, c := range t.AllowedClusters {
		if c.ConfigMap != "" && c.ConfigMap != "*" {
			guarded = append(guarded, "ConfigMap/"+c.ConfigMap)
		}
	}
	isolated := t.NetworkPolicy != nil && t.NetworkPolicy.Mode != NetworkOpen
	kinds := []string{}
	for _, each := range guarded {
		if kind, _, _ := strings.Cut(each, "/"); !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	if isolated {
		kinds = append(kinds, "CiliumNetworkPolicy")
	}
	slices.Sort(guarded)
	slices.Sort(kinds)
	spec := g.wallOf(wallObjects, map[string]any{"objects": list(guarded), "network": isolated})
	spec["targets"].(map[string]any)["kinds"] = list(kinds)
}

// lists adds the walls of the tenant's other lists.
func (g *generator) lists() {
	t := g.tenant
	if len(t.AllowedRegistries) > 0 {
		var patterns []string
		for _, registry := range t.AllowedRegistries {
			pattern, err := imagePattern(registry)
			if err != nil && g.err == nil {
				g.err = fmt.Errorf("the allowed registry %q %w", registry, err)
			}
			patterns = append(patterns, pattern)
		}
		g.wallOf(wallRegistries, map[string]any{"registries": list(t.AllowedRegistries), "patterns": list(patterns)})
	}
	if len(t.AllowedHostnames) > 0 {
		var patterns []string
		for _, host := range t.AllowedHostnames {
			patterns = append(patterns, hostnamePattern(host))
		}
		g.wallOf(wallHostnames, map[string]any{"hostnames": list(t.AllowedHostnames), "patterns": list(patterns)})
	}
	if len(t.AllowedStorageClasses) > 0 {
		g.wallOf(wallStorage, map[string]any{"storage_classes": list(t.AllowedStorageClasses)})
	}
	if len(t.AllowedServiceTypes) > 0 {
		g.wallOf(wallServices, map[string]any{"types": list(t.AllowedServiceTypes)})
	}
}

// list is a list of strings as JSON values.
func list(names []string) []any {
	values := make([]any, len(names))
	for i, name := range names {
		values[i] = name
	}
	return values
}
