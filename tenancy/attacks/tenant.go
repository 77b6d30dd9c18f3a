package attacks

import (
	"reflect"
	"slices"
	"strings"

	"github.com/assay-gitops/assay/tenancy"
)

// For is what manifests are made for when a tenant of a file is tried: in its first namespace, against a namespace of
// somebody else.
func For(t *tenancy.Tenant, foreign string) Tenant {
	filled := Tenant{
		Name: t.Name, Namespace: t.NamespaceNames()[0], Account: t.Account(), Foreign: foreign,
		Repository: "https://git.example.com/app", Image: "registry.example.com/app:1", Hostname: "app.example.com",
	}
	some := strings.NewReplacer("**", "app", "*", "app")
	for _, r := range t.AllowedRepositories {
		if r.Kind == "GitRepository" {
			filled.Repository = strings.TrimSuffix(some.Replace(r.URL), ".git")
			break
		}
	}
	if len(t.AllowedRegistries) > 0 {
		filled.Image = some.Replace(strings.TrimSuffix(t.AllowedRegistries[0], "/")) + "/app:1"
	}
	if len(t.AllowedHostnames) > 0 {
		filled.Hostname = some.Replace(t.AllowedHostnames[0])
	}
	for _, c := range t.AllowedClusters {
		if c.KubeConfig != "" && c.KubeConfig != "*" {
			filled.Secret = c.KubeConfig
			break
		}
	}
	return filled
}

// OpenBecause says why the wall against the attack does not stand for a tenant, because of what the tenants file says or
// leaves out; "" when it stands.
func (c *Case) OpenBecause(t *tenancy.Tenant) string {
	if c.Needs != "" && !has(t, c.Needs) {
		return "the tenant has no " + c.Needs
	}
	if strings.Contains(c.Manifest+c.Before, "{{.Secret}}") && For(t, "").Secret == "" {
		return "allowedClusters names no secret"
	}
	if c.Needs == "networkPolicy" && t.NetworkPolicy.Mode == tenancy.NetworkOpen {
		return "the tenant's network is open"
	}
	if c.Wall == "allowed-clusters" && slices.ContainsFunc(t.AllowedClusters, func(c tenancy.Cluster) bool { return c.KubeConfig == "*" || c.ConfigMap == "*" }) {
		return "allowedClusters allows any"
	}
	if c.ControllerIdentity && t.AllowControllerIdentity {
		return "allowControllerIdentity is true"
	}
	if c.DefaultAccount && t.FluxDefault() {
		return "Flux itself is said to use the tenant's account"
	}
	return ""
}

// has tells whether a tenant sets the field of that name in the file.
func has(t *tenancy.Tenant, name string) bool {
	value := reflect.ValueOf(t).Elem()
	for i := range value.NumField() {
		if tag, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ","); tag == name {
			return !value.Field(i).IsZero()
		}
	}
	return false
}
