package tenancy

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/assay-gitops/assay/policy"
)

const (
	rbacGroup   = "rbac.authorization.k8s.io"
	rbacVersion = rbacGroup + "/v1"
)

// namespace makes a Namespace and, unless the tenants of the file share one that exists, its ServiceAccount.
func (g *generator) namespace(ns *Namespace) {
	t := g.tenant
	o := g.add(gvk("v1", "Namespace"), "", ns.Name, nil)
	labels := o.GetLabels()
	for _, more := range []map[string]string{t.podSecurityLabels(), t.NamespaceLabels, ns.Labels} {
		for key, value := range more {
			labels[key] = value
		}
	}
	o.SetLabels(labels)
	annotations := map[string]string{}
	for _, more := range []map[string]string{t.NamespaceAnnotations, ns.Annotations} {
		for key, value := range more {
			annotations[key] = value
		}
	}
	if len(annotations) > 0 {
		o.SetAnnotations(annotations)
	}
	if t.account == "" {
		g.add(gvk("v1", "ServiceAccount"), ns.Name, t.Account(), nil)
	}
}

func (t *Tenant) podSecurityLabels() map[string]string {
	s := t.PodSecurity
	if s == nil {
		return nil
	}
	labels := map[string]string{}
	for mode, level := range map[string]string{"enforce": s.Enforce, "audit": s.Audit, "warn": s.Warn} {
		if level == "" {
			continue
		}
		labels["pod-security.kubernetes.io/"+mode] = level
		if s.Version != "" {
			labels["pod-security.kubernetes.io/"+mode+"-version"] = s.Version
		}
	}
	return labels
}

// roles makes what the service account and the team may do in a namespace.
func (g *generator) roles(ns string) {
	t, d := g.tenant, g.deployment
	account := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: t.Account(), Namespace: ns}}
	name := t.Name + "-service-account"
	if rules := slices.Concat(d.Rules, d.Preset.rules()); len(rules) > 0 {
		g.role(ns, name, rules)
		g.bind(ns, name, "Role", name, account)
	}
	bound := map[string]bool{}
	binds := d.BindRoles
	if role := d.Preset.clusterRole(); role != "" {
		binds = append(slices.Clone(binds), BindRole{Kind: "ClusterRole", Name: role})
	}
	for _, role := range binds {
		// Two roles of one name but different kinds need bindings of different names; the old tool made one of them.
		binding := name + "-" + role.Name
		if bound[binding] {
			binding += "-" + map[string]string{"Role": "role", "ClusterRole": "clusterrole"}[role.Kind]
		}
		if !bound[binding] {
			g.bind(ns, binding, role.Kind, role.Name, account)
		}
		bound[binding] = true
	}
	if team := t.TeamRBAC; team != nil {
		g.role(ns, t.Name+"-team", team.Rules)
		var groups []rbacv1.Subject
		for _, group := range team.GroupNames {
			groups = append(groups, rbacv1.Subject{APIGroup: rbacGroup, Kind: rbacv1.GroupKind, Name: group})
		}
		g.bind(ns, t.Name+"-team", "Role", t.Name+"-team", groups)
	}
}

func (g *generator) role(ns, name string, rules []rbacv1.PolicyRule) {
	g.guard(gvk(rbacVersion, "Role"), ns, name, map[string]any{"rules": rules})
}

func (g *generator) bind(ns, name, kind, role string, subjects []rbacv1.Subject) {
	g.guard(gvk(rbacVersion, "RoleBinding"), ns, name, map[string]any{
		"roleRef":  rbacv1.RoleRef{APIGroup: rbacGroup, Kind: kind, Name: role},
		"subjects": subjects,
	})
}

// limits makes quota and limit range, both named like the tenant.
func (g *generator) limits(ns string) {
	t := g.tenant
	if t.ResourceQuota != nil {
		g.guard(gvk("v1", "ResourceQuota"), ns, t.Name, map[string]any{"spec": corev1.ResourceQuotaSpec(*t.ResourceQuota)})
	}
	if t.LimitRange != nil {
		g.guard(gvk("v1", "LimitRange"), ns, t.Name, map[string]any{"spec": corev1.LimitRangeSpec(*t.LimitRange)})
	}
}

// namespaceNameLabel is on every Namespace, set by the API server.
const namespaceNameLabel = "kubernetes.io/metadata.name"

// network makes the NetworkPolicies of a namespace: one that closes it and opens it to its peers, one for DNS, one with the
// exceptions. NetworkPolicies add up.
func (g *generator) network(ns string) {
	n := g.tenant.NetworkPolicy
	if n == nil || n.Mode == NetworkOpen {
		return
	}
	within := networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{}}
	if n.Mode == NetworkSameTenant {
		within.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{policy.TenantLabel: g.tenant.Name}}
	}
	peers := []networkingv1.NetworkPolicyPeer{within}
	both := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	g.networkPolicy(ns, g.tenant.Name+"-"+n.Mode, networkingv1.NetworkPolicySpec{
		PolicyTypes: both,
		Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: peers}},
		Egress:      []networkingv1.NetworkPolicyEgressRule{{To: peers}},
	})
	if n.DNS == nil || *n.DNS {
		g.networkPolicy(ns, g.tenant.Name+"-dns", networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
			Egress: []networkingv1.NetworkPolicyEgressRule{{
				To:    []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{namespaceNameLabel: metav1.NamespaceSystem}}}},
				Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolUDP, 53), port(corev1.ProtocolTCP, 53)},
			}},
		})
	}
	if len(n.Ingress) > 0 || len(n.Egress) > 0 {
		exceptions := networkingv1.NetworkPolicySpec{Ingress: n.Ingress, Egress: n.Egress}
		if len(n.Ingress) > 0 {
			exceptions.PolicyTypes = append(exceptions.PolicyTypes, networkingv1.PolicyTypeIngress)
		}
		if len(n.Egress) > 0 {
			exceptions.PolicyTypes = append(exceptions.PolicyTypes, networkingv1.PolicyTypeEgress)
		}
		g.networkPolicy(ns, g.tenant.Name+"-exceptions", exceptions)
	}
}

func (g *generator) networkPolicy(ns, name string, spec networkingv1.NetworkPolicySpec) {
	for _, rule := range spec.Ingress {
		defaultProtocol(rule.Ports)
	}
	for _, rule := range spec.Egress {
		defaultProtocol(rule.Ports)
	}
	g.guard(gvk("networking.k8s.io/v1", "NetworkPolicy"), ns, name, map[string]any{"spec": spec})
}

func port(protocol corev1.Protocol, number int32) networkingv1.NetworkPolicyPort {
	p := intstr.FromInt32(number)
	return networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: &p}
}

// defaultProtocol writes what the API server would, so that a diff has nothing to say.
func defaultProtocol(ports []networkingv1.NetworkPolicyPort) {
	tcp := corev1.ProtocolTCP
	for i := range ports {
		if ports[i].Protocol == nil {
			ports[i].Protocol = &tcp
		}
	}
}
