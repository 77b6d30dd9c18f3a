package tenancy

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Preset is a named set of permissions for a tenant's service account in the tenant's namespaces.
type Preset string

// The presets.
const (
	// PresetDeployer is the ClusterRole edit and all Flux objects: what a deployment needs, without roles and bindings.
	PresetDeployer Preset = "deployer"
	// PresetEdit is the ClusterRole edit.
	PresetEdit Preset = "edit"
	// PresetAdmin is the ClusterRole admin: edit, and roles and bindings.
	PresetAdmin Preset = "admin"
	// PresetClusterAdmin is the ClusterRole cluster-admin, which is what tenants had that the old tool made without
	// deploymentRBAC. It includes changing the namespaces themselves.
	PresetClusterAdmin Preset = "cluster-admin"
)

// Presets are all of them, the least powerful first.
func Presets() []Preset {
	return []Preset{PresetEdit, PresetDeployer, PresetAdmin, PresetClusterAdmin}
}

// Valid tells whether the preset exists.
func (p Preset) Valid() bool { return slices.Contains(Presets(), p) }

func presetNames() string {
	var names []string
	for _, p := range Presets() {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

// clusterRole that the preset binds.
func (p Preset) clusterRole() string {
	if p == PresetDeployer {
		return "edit"
	}
	return string(p)
}

// rules that the preset adds to the tenant's own Role: Flux's installation adds its objects to edit and admin only under
// its usual names. Subresources are left out: who writes the status of a source decides what is deployed from it.
func (p Preset) rules() []rbacv1.PolicyRule {
	if p != PresetDeployer {
		return nil
	}
	verbs := []string{"get", "list", "watch", "create", "update", "patch", "delete"}
	return []rbacv1.PolicyRule{
		{APIGroups: []string{"helm.toolkit.fluxcd.io"}, Resources: []string{"helmreleases"}, Verbs: verbs},
		{APIGroups: []string{"image.toolkit.fluxcd.io"}, Resources: []string{"imagepolicies", "imagerepositories", "imageupdateautomations"}, Verbs: verbs},
		{APIGroups: []string{"kustomize.toolkit.fluxcd.io"}, Resources: []string{"kustomizations"}, Verbs: verbs},
		{APIGroups: []string{"notification.toolkit.fluxcd.io"}, Resources: []string{"alerts", "providers", "receivers"}, Verbs: verbs},
		{APIGroups: []string{"source.toolkit.fluxcd.io"}, Resources: []string{"buckets", "gitrepositories", "helmcharts", "helmrepositories", "ocirepositories"}, Verbs: verbs},
	}
}
