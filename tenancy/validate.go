package tenancy

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	kfield "k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/assay-gitops/assay/internal/suggest"
	"github.com/assay-gitops/assay/policy"
)

// validator collects what is wrong with documents.
type validator struct {
	options  Options
	problems []policy.Problem
	warnings []policy.Problem
}

func (v *validator) add(doc *document, path, hint, format string, args ...any) {
	v.problems = append(v.problems, problemAt(doc.at(path), hint, format, args...))
}

func (v *validator) warn(at place, hint, format string, args ...any) {
	p := problemAt(at, hint, format, args...)
	p.Warning = true
	v.warnings = append(v.warnings, p)
}

func problemAt(at place, hint, format string, args ...any) policy.Problem {
	return policy.Problem{Kind: policy.LoadProblem, Location: at.location(), Message: fmt.Sprintf(format, args...), Hint: hint}
}

// document validates what is not a tenant's.
func (v *validator) document(doc *document) {
	if doc.ServiceAccount != nil {
		v.dnsName(doc, "serviceAccount.name", "service account name", doc.ServiceAccount.Name)
	}
	if doc.Defaults != nil {
		v.fields(doc, doc.Defaults, "defaults")
		v.partial(doc, doc.Defaults, "defaults")
		if doc.Defaults.Template != "" {
			v.add(doc, "defaults.template", "name the template in the tenants", "defaults cannot have a template")
		}
	}
	if len(doc.Tenants) == 0 && len(doc.Templates) == 0 {
		v.add(doc, "", "write tenants: and a list of them", "the tenants file has no tenants")
	}
}

// partial refuses what only a tenant itself can have.
func (v *validator) partial(doc *document, t *Tenant, path string) {
	if t.Name != "" {
		v.add(doc, path+".name", "remove it", "%s cannot have a name", path)
	}
	if len(t.Namespaces) > 0 {
		v.add(doc, path+".namespaces", "write the namespaces in each tenant", "%s cannot have namespaces", path)
	}
	if t.Template != "" && path != "defaults" {
		v.add(doc, path+".template", "repeat the fields instead", "a template cannot have a template")
	}
}

// fields validates the fields of a tenant, of a template or of defaults as far as each can be judged by itself.
func (v *validator) fields(doc *document, t *Tenant, path string) {
	v.enums(doc, reflect.ValueOf(t).Elem(), path)
	seen := map[string]bool{}
	for i, ns := range t.Namespaces {
		at := fmt.Sprintf("%s.namespaces[%d]", path, i)
		v.label(doc, at, "namespace name", ns.Name)
		v.labels(doc, at+".labels", ns.Labels)
		v.annotations(doc, at+".annotations", ns.Annotations)
		if slices.Contains(clusterNamespaces, ns.Name) {
			v.add(doc, at, "give the tenant a namespace of its own", "the namespace %q is the cluster's own: admission policies do not act in it", ns.Name)
		}
		if seen[ns.Name] {
			v.add(doc, at, "remove it", "the namespace %q occurs twice in the tenant", ns.Name)
		}
		seen[ns.Name] = true
	}
	v.labels(doc, path+".labels", t.Labels)
	v.labels(doc, path+".namespaceLabels", t.NamespaceLabels)
	v.annotations(doc, path+".namespaceAnnotations", t.NamespaceAnnotations)
	v.rbac(doc, t, path)
	v.allowed(doc, t, path)
	v.workspace(doc, t, path)
}

// clusterNamespaces are those that always pass admission; a tenant in one of them has no walls.
var clusterNamespaces = []string{metav1.NamespaceSystem, metav1.NamespacePublic, "kube-node-lease"}

func (v *validator) rbac(doc *document, t *Tenant, path string) {
	if team := t.TeamRBAC; team != nil {
		at := path + ".teamRBAC"
		if len(team.GroupNames) == 0 || len(team.Rules) == 0 {
			v.add(doc, at, "write both groupNames and rules", "must provide group names and team rules in team RBAC")
		}
		for i, group := range team.GroupNames {
			switch group {
			case "":
				v.add(doc, fmt.Sprintf("%s.groupNames[%d]", at, i), "write the name of a group or remove it", "a group name in team RBAC is empty")
			case "system:masters", "system:authenticated", "system:unauthenticated", "system:serviceaccounts":
				v.add(doc, fmt.Sprintf("%s.groupNames[%d]", at, i), "write the group of the team", "the group %q is not a team: it stands for %s", group, everybody[group])
			}
		}
		v.rules(doc, at+".rules", team.Rules)
	}
	d := t.DeploymentRBAC
	if d == nil {
		return
	}
	at := path + ".deploymentRBAC"
	if len(d.Rules) == 0 && len(d.BindRoles) == 0 && d.Preset == "" {
		v.add(doc, at, "write rules, bindRoles or a preset: "+presetNames(), "must provide rules or bindings in deployment RBAC")
	}
	v.rules(doc, at+".rules", d.Rules)
	for i, role := range d.BindRoles {
		each := fmt.Sprintf("%s.bindRoles[%d]", at, i)
		if role.Kind != "Role" && role.Kind != "ClusterRole" {
			v.add(doc, each+".kind", "write Role or ClusterRole", "invalid kind for deployment RBAC rule binds: %q", role.Kind)
		}
		if reasons := apivalidation.NameIsDNSSubdomain(strings.ReplaceAll(role.Name, ":", "-"), false); role.Name == "" || len(reasons) > 0 {
			v.add(doc, each+".name", "write the name of a "+orRole(role.Kind), "the name of a role in deployment RBAC is %q", role.Name)
		}
	}
}

func orRole(kind string) string {
	if kind == "" {
		return "Role or ClusterRole"
	}
	return kind
}

// everybody says whom the built-in groups stand for.
var everybody = map[string]string{
	"system:masters":         "everybody who may do everything",
	"system:authenticated":   "everybody",
	"system:unauthenticated": "everybody without a name",
	"system:serviceaccounts": "all service accounts of the cluster",
}

func (v *validator) rules(doc *document, path string, rules []rbacv1.PolicyRule) {
	for i, rule := range rules {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case len(rule.Verbs) == 0:
			v.add(doc, at, "write verbs, such as [get, list, watch]", "the rule has no verbs")
		case len(rule.NonResourceURLs) > 0:
			v.add(doc, at+".nonResourceURLs", "remove nonResourceURLs", "the rule of a Role cannot have nonResourceURLs: they belong to no namespace")
		case len(rule.APIGroups) == 0:
			v.add(doc, at, `write apiGroups, such as [apps] or [""] for the core group`, "the rule has no apiGroups")
		case len(rule.Resources) == 0:
			v.add(doc, at, "write resources, such as [deployments]", "the rule has no resources")
		}
	}
}

func (v *validator) allowed(doc *document, t *Tenant, path string) {
	for i, repository := range t.AllowedRepositories {
		at := fmt.Sprintf("%s.allowedRepositories[%d]", path, i)
		if !slices.Contains(repositoryKinds, repository.Kind) {
			hint := "kinds are " + strings.Join(repositoryKinds, ", ")
			if nearest := suggest.Nearest(repository.Kind, repositoryKinds); len(nearest) > 0 {
				hint = "did you mean " + nearest[0] + "?"
			}
			v.add(doc, at+".kind", hint, "invalid repository kind: %s", repository.Kind)
			continue
		}
		if _, err := repositoryPattern(repository); err != nil {
			v.add(doc, at+".url", urlHint(repository.Kind), "the url of an allowed %s %v", repository.Kind, err)
		}
	}
	for i, cluster := range t.AllowedClusters {
		at := fmt.Sprintf("%s.allowedClusters[%d]", path, i)
		if (cluster.KubeConfig == "") == (cluster.ConfigMap == "") {
			v.add(doc, at, "write kubeConfig: and the name of a Secret, or configMap: and the name of a ConfigMap", "an allowed cluster needs one of kubeConfig and configMap")
			continue
		}
		if name := cluster.KubeConfig + cluster.ConfigMap; name != "*" {
			v.dnsName(doc, at, "name of a kubeconfig", name)
		}
	}
	for i, registry := range t.AllowedRegistries {
		if _, err := imagePattern(registry); err != nil {
			v.add(doc, fmt.Sprintf("%s.allowedRegistries[%d]", path, i), "write the beginning of an image's name, such as ghcr.io/acme", "the allowed registry %q %v", registry, err)
		}
	}
	for i, host := range t.AllowedHostnames {
		if reasons := validation.IsDNS1123Subdomain(strings.TrimPrefix(host, "*.")); len(reasons) > 0 {
			v.add(doc, fmt.Sprintf("%s.allowedHostnames[%d]", path, i), "write a hostname, such as shop.example.com or *.shop.example.com", "the allowed hostname %q is not valid: %s", host, reasons[0])
		}
	}
	for i, class := range t.AllowedStorageClasses {
		v.dnsName(doc, fmt.Sprintf("%s.allowedStorageClasses[%d]", path, i), "storage class name", class)
	}
}

func urlHint(kind string) string {
	switch kind {
	case "Bucket":
		return "write the endpoint, such as s3.example.com"
	case "OCIRepository":
		return "write it as the source has it, such as oci://ghcr.io/acme/manifests"
	}
	return "write it as the source has it, such as https://github.com/acme/shop or https://github.com/acme/*"
}

var policyID = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)

// tenancyPrefix begins the ids of the generated policies.
const tenancyPrefix = "weave.policies.tenancy."

func (v *validator) workspace(doc *document, t *Tenant, path string) {
	for i, cluster := range t.Clusters {
		if strings.TrimSpace(cluster) == "" {
			v.add(doc, fmt.Sprintf("%s.clusters[%d]", path, i), "write the name of a cluster", "the name of a cluster is empty")
		}
	}
	for id := range maps.Keys(t.Policies) {
		switch {
		case !policyID.MatchString(id):
			v.add(doc, path+".policies."+id, "write ids such as weave.policies.containers-minimum-replica-count", "%q is no id of a policy", id)
		case strings.HasPrefix(id, tenancyPrefix):
			v.add(doc, path+".policies."+id, "change the fields of the tenant that the policy is made from", "the parameters of %s are the tenant's own and cannot be set here", id)
		}
	}
	v.exceptions(doc, t, path)
	if n := t.NetworkPolicy; n != nil && n.Mode == NetworkOpen && (len(n.Ingress) > 0 || len(n.Egress) > 0) {
		v.add(doc, path+".networkPolicy", "write mode: isolated or same-tenant, or remove ingress and egress", "an open network has no exceptions")
	}
	if s := t.PodSecurity; s != nil && s.Version != "" && s.Version != "latest" && !regexp.MustCompile(`^v1\.\d+$`).MatchString(s.Version) {
		v.add(doc, path+".podSecurity.version", "write latest or a version such as v1.37", "the version of pod security %q is not valid", s.Version)
	}
	if q := t.ResourceQuota; q != nil {
		if len(q.Hard) == 0 {
			v.add(doc, path+".resourceQuota", `write limits, such as hard: {pods: "50", requests.cpu: "10"}`, "the resource quota limits nothing")
		}
		for name, quantity := range q.Hard {
			if quantity.Sign() < 0 {
				v.add(doc, path+".resourceQuota.hard."+string(name), "write a positive quantity", "the quota of %s is negative", name)
			}
		}
	}
	if l := t.LimitRange; l != nil && len(l.Limits) == 0 {
		v.add(doc, path+".limitRange", "write limits:, a list with type: Container and what is the default, the least and the most", "the limit range limits nothing")
	}
	v.syncFields(doc, t, path)
}

func (v *validator) exceptions(doc *document, t *Tenant, path string) {
	seen := map[string]bool{}
	for i, e := range t.Exceptions {
		at := fmt.Sprintf("%s.exceptions[%d]", path, i)
		v.label(doc, at+".name", "name of an exception", e.Name)
		if seen[e.Name] {
			v.add(doc, at+".name", "rename one of them", "two exceptions are named %q", e.Name)
		}
		seen[e.Name] = true
		if len(e.Policies) == 0 || strings.TrimSpace(e.Reason) == "" {
			v.add(doc, at, "write policies: with their ids and reason: with a sentence", "an exception needs policies and a reason")
		}
		for j, id := range e.Policies {
			if strings.HasPrefix(id, tenancyPrefix) {
				v.add(doc, fmt.Sprintf("%s.policies[%d]", at, j), "change the fields of the tenant that the policy is made from", "an exception cannot take a wall of the workspace down: %s", id)
			}
		}
	}
}

func (v *validator) syncFields(doc *document, t *Tenant, path string) {
	s := t.Sync
	if s == nil {
		return
	}
	at := path + ".sync"
	if s.Name != "" {
		v.dnsName(doc, at+".name", "name of the sync", s.Name)
	}
	if _, err := repositoryPattern(Repository{Kind: s.Kind, URL: s.URL}); err != nil || strings.Contains(s.URL, "*") {
		v.add(doc, at+".url", urlHint(s.Kind), "the url of the sync %s", orPattern(err))
	}
	if s.SecretRef != "" {
		v.dnsName(doc, at+".secretRef", "name of the sync's secret", s.SecretRef)
	}
	if s.Interval != nil && s.Interval.Duration <= 0 {
		v.add(doc, at+".interval", "write a duration such as 10m", "the interval of the sync is not positive")
	}
	known := []string{"branch", "tag", "semver", "commit", "name", "digest", "semverFilter"}
	for key := range s.Ref {
		if !slices.Contains(known, key) {
			v.add(doc, at+".ref."+key, "fields are "+strings.Join(known, ", "), "the ref of the sync has no field %q", key)
		}
	}
}

func orPattern(err error) string {
	if err == nil {
		return "cannot have *: it is one repository"
	}
	return err.Error()
}

// together validates what only shows when all tenants are known and complete.
func (v *validator) together(tenants []resolved) {
	names := map[string]place{}
	owners := map[string]*resolved{}
	for i := range tenants {
		t := &tenants[i]
		v.complete(t)
		if first, twice := names[t.Name]; twice && t.Name != "" {
			v.add(t.doc, t.path+".name", "merge the two or rename one", "the tenant %q exists twice; first at %s", t.Name, first)
		} else {
			names[t.Name] = t.origin
		}
		for j, ns := range t.Namespaces {
			first, shared := owners[ns.Name]
			switch {
			case !shared:
				owners[ns.Name] = t
			case first.Name == t.Name: // told above or as a duplicate of the tenant
			case v.options.AllowSharedNamespaces:
				v.warn(t.doc.at(fmt.Sprintf("%s.namespaces[%d]", t.path, j)), "give each tenant namespaces of its own",
					"the tenants %q and %q share the namespace %q: it carries the label of the last one, and the policies of both hold in it", first.Name, t.Name, ns.Name)
			default:
				v.add(t.doc, fmt.Sprintf("%s.namespaces[%d]", t.path, j), "give each tenant namespaces of its own, or use --allow-shared-namespaces",
					"the namespace %q belongs to the tenant %q already (%s): in a shared namespace each tenant can do what the other may", ns.Name, first.Name, first.origin)
			}
		}
	}
}

// complete validates a tenant with everything worked in.
func (v *validator) complete(t *resolved) {
	if reasons := tenantName(t.Name); len(reasons) > 0 {
		v.add(t.doc, t.path+".name", nameHint(t.Name), "invalid tenant name: %v", reasons)
	}
	if len(t.Namespaces) == 0 {
		v.add(t.doc, t.path, "write namespaces: and a list of names", "must provide at least one namespace")
	}
	names := t.NamespaceNames()
	belongs := func(path, what, ns string) {
		if ns != "" && !slices.Contains(names, ns) {
			v.add(t.doc, path, "namespaces of the tenant are "+strings.Join(names, ", "), "%s is in the namespace %q, which is not the tenant's", what, ns)
		}
	}
	for i, e := range t.Exceptions {
		for j, ns := range e.Namespaces {
			belongs(fmt.Sprintf("%s.exceptions[%d].namespaces[%d]", t.path, i, j), "the exception "+e.Name, ns)
		}
	}
	if t.Sync != nil {
		belongs(t.path+".sync.namespace", "the sync", t.Sync.Namespace)
		belongs(t.path+".sync.targetNamespace", "the target of the sync", t.Sync.TargetNamespace)
		if len(t.AllowedRepositories) > 0 && !t.allows(t.Sync.Kind, t.Sync.URL) {
			v.add(t.doc, t.path+".sync.url", "add the repository to allowedRepositories", "the sync is from %s, which is not among the tenant's allowedRepositories", t.Sync.URL)
		}
	}
	if t.DeploymentRBAC == nil && v.options.DefaultRole == PresetClusterAdmin || t.DeploymentRBAC != nil && t.DeploymentRBAC.Preset == PresetClusterAdmin {
		v.warn(t.origin, "write deploymentRBAC:, such as {preset: deployer}, or use --default-role deployer",
			"the deployments of the tenant %q may do everything in its namespaces: it has no deploymentRBAC, so they are bound to cluster-admin", t.Name)
	}
	if len(t.AllowedRepositories) == 0 {
		v.warn(t.origin, "write allowedRepositories:", "the tenant %q may deploy from any repository: it has no allowedRepositories", t.Name)
	}
}

// tenantName says why a name cannot be a tenant's. It is the name of objects and the value of a label.
func tenantName(name string) []string {
	if name == "" {
		return []string{"it is empty"}
	}
	reasons := validation.IsDNS1123Subdomain(name)
	if len(name) > validation.LabelValueMaxLength {
		reasons = append(reasons, validation.MaxLenError(validation.LabelValueMaxLength))
	}
	return reasons
}

// nameHint is a name that would be valid, made of what was written.
func nameHint(name string) string {
	valid := strings.Trim(regexp.MustCompile(`[^a-z0-9-]+`).ReplaceAllString(strings.ToLower(name), "-"), "-")
	if valid == "" || len(valid) > validation.LabelValueMaxLength {
		return "write a name of lower-case letters, digits and dashes, such as team-a"
	}
	return "write " + valid
}

func (v *validator) dnsName(doc *document, path, what, name string) {
	if name == "" {
		v.add(doc, path, "write a name", "the %s is empty", what)
	} else if reasons := validation.IsDNS1123Subdomain(name); len(reasons) > 0 {
		v.add(doc, path, nameHint(name), "the %s %q is not valid: %s", what, name, reasons[0])
	}
}

func (v *validator) label(doc *document, path, what, name string) {
	if name == "" {
		v.add(doc, path, "write a name", "the %s is empty", what)
	} else if reasons := validation.IsDNS1123Label(name); len(reasons) > 0 {
		v.add(doc, path, nameHint(name), "the %s %q is not valid: %s", what, name, reasons[0])
	}
}

func (v *validator) labels(doc *document, path string, labels map[string]string) {
	for _, err := range metavalidation.ValidateLabels(labels, kfield.NewPath("")) {
		v.add(doc, path, "", "a label is not valid: %v", err.Detail)
	}
	if _, set := labels[policy.TenantLabel]; set {
		v.add(doc, path+"."+policy.TenantLabel, "remove it", "the label %s is the tenant's name and cannot be set", policy.TenantLabel)
	}
}

func (v *validator) annotations(doc *document, path string, annotations map[string]string) {
	for _, err := range apivalidation.ValidateAnnotations(annotations, kfield.NewPath("")) {
		v.add(doc, path, "", "an annotation is not valid: %v", err.Detail)
	}
}

// enums validates strings whose values the type lists in its tags, wherever they are in a value.
func (v *validator) enums(doc *document, value reflect.Value, path string) {
	switch value.Kind() {
	case reflect.Pointer:
		if !value.IsNil() {
			v.enums(doc, value.Elem(), path)
		}
		return
	case reflect.Slice:
		for i := range value.Len() {
			v.enums(doc, value.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
		return
	case reflect.Struct:
	default:
		return
	}
	for _, f := range fieldsOf(value.Type()) {
		tag := value.Type().Field(f.index).Tag.Get("enum")
		member, at := value.Field(f.index), path+"."+f.name
		if tag == "" || f.name == "kind" { // kinds have the words of the old tool
			v.enums(doc, member, at)
			continue
		}
		allowed := strings.Split(tag, ",")
		for i, text := range texts(member) {
			if text == "" || slices.Contains(allowed, text) {
				continue
			}
			each := at
			if member.Kind() == reflect.Slice {
				each = fmt.Sprintf("%s[%d]", at, i)
			}
			hint := ""
			if nearest := suggest.Nearest(text, allowed); len(nearest) > 0 {
				hint = "did you mean " + nearest[0] + "?"
			}
			v.add(doc, each, hint, "%s %q must be one of %s", f.name, text, strings.Join(allowed, ", "))
		}
	}
}

func texts(value reflect.Value) []string {
	if value.Kind() == reflect.String {
		return []string{value.String()}
	}
	list, _ := value.Interface().([]string)
	return list
}

// timeOf is when an exception ends, as the API has it.
func timeOf(t *metav1.Time) *metav1.Time {
	if t == nil {
		return nil
	}
	utc := metav1.NewTime(t.UTC())
	return &utc
}
