package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/live"
	"github.com/assay-gitops/assay/internal/hub/store"
)

// Workspace is a tenant: the namespaces that carry its name in the label toolkit.fluxcd.io/tenant.
type Workspace struct {
	Name        string   `json:"name"`
	ClusterName string   `json:"clusterName"`
	Namespaces  []string `json:"namespaces" nullable:"false" doc:"As far as you may see them."`
	Open        *int     `json:"open,omitempty" doc:"Open violations in it; not there without the right to list violations."`
}

// Workspaces is a page of a list.
type Workspaces struct {
	Workspaces []Workspace `json:"workspaces" nullable:"false" doc:"By name."`
	Listed
}

// OneWorkspace is a workspace with how it stands.
type OneWorkspace struct {
	Workspace
	Severities []Count `json:"severities,omitempty" doc:"Open violations by severity."`
	Quotas     []Quota `json:"quotas" nullable:"false"`
	Allowed    Allowed `json:"allowed"`
}

// Quota is what may be used in a namespace, and what is.
type Quota struct {
	Namespace string            `json:"namespace"`
	Name      string            `json:"name"`
	Hard      map[string]string `json:"hard"`
	Used      map[string]string `json:"used"`
}

// WorkspaceObject is what all objects of a workspace have.
type WorkspaceObject struct {
	Name      string    `json:"name"`
	Namespace string    `json:"namespace"`
	Kind      string    `json:"kind"`
	Timestamp time.Time `json:"timestamp" doc:"When it was made."`
	Manifest  string    `json:"manifest" doc:"In YAML."`
}

// WorkspaceRole is a Role in a workspace.
type WorkspaceRole struct {
	WorkspaceObject
	Rules []WorkspaceRule `json:"rules" nullable:"false"`
}

// WorkspaceRule is what a Role allows.
type WorkspaceRule struct {
	Groups    []string `json:"groups" nullable:"false"`
	Resources []string `json:"resources" nullable:"false"`
	Verbs     []string `json:"verbs" nullable:"false"`
}

// WorkspaceRoleBinding is a RoleBinding in a workspace.
type WorkspaceRoleBinding struct {
	WorkspaceObject
	Role     WorkspaceRoleRef   `json:"role"`
	Subjects []WorkspaceSubject `json:"subjects" nullable:"false"`
}

// WorkspaceRoleRef names a role.
type WorkspaceRoleRef struct {
	APIGroup string `json:"apiGroup"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
}

// WorkspaceSubject is who a role is given to.
type WorkspaceSubject struct {
	APIGroup  string `json:"apiGroup"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// WorkspacePolicy is a policy that is about a workspace: its label or its targets say so.
type WorkspacePolicy struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Category  string    `json:"category"`
	Severity  string    `json:"severity" enum:"low,medium,high"`
	Timestamp time.Time `json:"timestamp" doc:"When it was made."`
}

// InWorkspace is a list of what a workspace has of something.
type InWorkspace[T any] struct {
	Name        string      `json:"name" doc:"Of the workspace."`
	ClusterName string      `json:"clusterName"`
	Objects     []T         `json:"objects" nullable:"false"`
	Errors      []ListError `json:"errors" nullable:"false" doc:"What could not be read."`
}

type workspacesInput struct {
	InCluster
	Paging
}

type workspaceInput struct {
	InCluster
	Name string `path:"name" maxLength:"63" doc:"Name of the workspace."`
}

type (
	workspacesOutput         struct{ Body Workspaces }
	workspaceOutput          struct{ Body OneWorkspace }
	inWorkspaceOutput[T any] struct{ Body InWorkspace[T] }
)

func (s *service) registerWorkspaces() {
	huma.Register(s.api, s.forReadersOf(auth.Workspaces, auth.List, reading("list-workspaces", "/v1/workspaces", "Workspaces", "Lists workspaces",
		"Those of the hub's own cluster, by name, as far as you have the right to list workspaces in their namespaces.")), s.listWorkspaces)
	one := func(id, path, summary, description string) huma.Operation {
		op := reading(id, "/v1/workspaces/{name}"+path, "Workspaces", summary, description)
		return s.forReadersOf(auth.Workspaces, auth.Get, op)
	}
	const seen = "In those of its namespaces that you may see."
	huma.Register(s.api, one("get-workspace", "", "Shows a workspace", "With quotas and, with the right to list violations, how it stands."), s.oneWorkspace)
	huma.Register(s.api, one("list-workspace-service-accounts", "/serviceaccounts", "Lists the ServiceAccounts of a workspace", seen), s.serviceAccounts)
	huma.Register(s.api, one("list-workspace-roles", "/roles", "Lists the Roles of a workspace", seen), s.roles)
	huma.Register(s.api, one("list-workspace-role-bindings", "/rolebindings", "Lists the RoleBindings of a workspace", seen), s.roleBindings)
	huma.Register(s.api, one("list-workspace-policies", "/policies", "Lists the policies of a workspace", "Those that carry its label, and those that target one of its namespaces by name."), s.workspacePolicies)
}

// seenNamespaces are the reader's, of all workspaces.
func (s *service) seenNamespaces(ctx context.Context, namespaces []live.Namespace) []live.Namespace {
	scope := scopeOf(ctx)
	if scope.All {
		return namespaces
	}
	may := scope.Namespaces[s.live.Name]
	var seen []live.Namespace
	for _, n := range namespaces {
		if slices.Contains(may, n.Name) {
			seen = append(seen, n)
		}
	}
	return seen
}

func (s *service) listWorkspaces(ctx context.Context, in *workspacesInput) (*workspacesOutput, error) {
	found, faults, err := readLive(ctx, s, in.ClusterName, "reading the namespaces of workspaces", s.live.Namespaces)
	if err != nil {
		return nil, err
	}
	var all []Workspace
	at := map[string]int{}
	for _, n := range s.seenNamespaces(ctx, found) {
		i, ok := at[n.Workspace]
		if !ok {
			i = len(all)
			at[n.Workspace] = i
			all = append(all, Workspace{Name: n.Workspace, ClusterName: s.live.Name})
		}
		all[i].Namespaces = append(all[i].Namespaces, n.Name)
	}
	slices.SortFunc(all, func(a, b Workspace) int { return strings.Compare(a.Name, b.Name) })
	part, next, err := page(all, in.Paging, func(w *Workspace) string { return w.Name })
	if err != nil {
		return nil, s.problem(ctx, "paging", err)
	}
	if scope, ok := s.alsoSees(ctx, auth.Violations); ok {
		names := make([]string, 0, len(part))
		for i := range part {
			names = append(names, part[i].Name)
		}
		counts, err := s.open(ctx, scope, names, store.Workspaces)
		if err != nil {
			return nil, err
		}
		for i := range part {
			open := 0
			for _, count := range counts {
				if count.Value == part[i].Name {
					open = count.Count
				}
			}
			part[i].Open = &open
		}
	}
	return &workspacesOutput{Body: Workspaces{orEmpty(part), Listed{len(all), next, faults}}}, nil
}

// open counts the open violations of workspaces.
func (s *service) open(ctx context.Context, scope store.Scope, workspaces []string, by store.Dimension) ([]store.Count, error) {
	if len(workspaces) == 0 {
		return nil, nil
	}
	query := store.Query{Scope: scope, Clusters: []string{s.live.Name}, Workspaces: workspaces, Statuses: []store.Status{store.Open}}
	found, err := s.store.Facets(ctx, query, []store.Dimension{by}, maxPage)
	if err != nil {
		return nil, s.problem(ctx, "counting violations of workspaces", err)
	}
	return found[by], nil
}

// maxPage is how many a list has at most.
const maxPage = 1000

// workspace is one that the reader sees something of.
func (s *service) workspace(ctx context.Context, in *workspaceInput) (Workspace, error) {
	w := Workspace{Name: in.Name, ClusterName: s.live.Name}
	if err := s.other(in.ClusterName); err != nil {
		return w, err
	}
	found, err := s.live.Namespaces(ctx)
	for _, n := range s.seenNamespaces(ctx, found) {
		if n.Workspace == in.Name {
			w.Namespaces = append(w.Namespaces, n.Name)
		}
	}
	if w.Namespaces == nil {
		if _, err := s.unread(ctx, "reading the namespaces of workspaces", found != nil, err); err != nil {
			return w, err
		}
		return w, huma.Error404NotFound("the workspace is not found in cluster " + s.live.Name + ", or it is not for you to see")
	}
	return w, nil
}

func (s *service) oneWorkspace(ctx context.Context, in *workspaceInput) (*workspaceOutput, error) {
	w, err := s.workspace(ctx, in)
	if err != nil {
		return nil, err
	}
	out := &workspaceOutput{Body: OneWorkspace{Workspace: w, Quotas: []Quota{}}}
	quotas, err := s.live.Quotas(ctx, w.Namespaces)
	if _, err := s.unread(ctx, "reading quotas", false, err); err != nil {
		return nil, err
	}
	for i := range quotas {
		q := &quotas[i]
		out.Body.Quotas = append(out.Body.Quotas, Quota{q.Namespace, q.Name, amounts(q.Status.Hard, q.Spec.Hard), amounts(q.Status.Used)})
	}
	policies, err := s.live.Policies(ctx)
	if _, err := s.unread(ctx, "reading policies", policies != nil, err); err != nil {
		return nil, err
	}
	out.Body.Allowed = allowed(policies, w.Name)
	if scope, ok := s.alsoSees(ctx, auth.Violations); ok {
		counts, err := s.open(ctx, scope, []string{w.Name}, store.Severities)
		if err != nil {
			return nil, err
		}
		open := 0
		for _, count := range counts {
			open += count.Count
		}
		out.Body.Open, out.Body.Severities = &open, counted(counts)
	}
	return out, nil
}

// amounts are the first that there are: the quota's controller may not have come by yet.
func amounts(lists ...corev1.ResourceList) map[string]string {
	shown := map[string]string{}
	for _, list := range lists {
		if len(list) > 0 {
			for name, quantity := range list {
				shown[string(name)] = quantity.String()
			}
			break
		}
	}
	return shown
}

// inWorkspace lists what a workspace has of something.
func inWorkspace[T, Shown any](ctx context.Context, s *service, in *workspaceInput, read func(context.Context, []string) ([]T, error), show func(*T) (Shown, error)) (*inWorkspaceOutput[Shown], error) {
	w, err := s.workspace(ctx, in)
	if err != nil {
		return nil, err
	}
	found, err := read(ctx, w.Namespaces)
	faults, err := s.unread(ctx, "reading what is in a workspace", false, err)
	if err != nil {
		return nil, err
	}
	out := &inWorkspaceOutput[Shown]{Body: InWorkspace[Shown]{Name: w.Name, ClusterName: s.live.Name, Objects: make([]Shown, 0, len(found)), Errors: faults}}
	for i := range found {
		shown, err := show(&found[i])
		if err != nil {
			return nil, s.problem(ctx, "showing what is in a workspace", err)
		}
		out.Body.Objects = append(out.Body.Objects, shown)
	}
	return out, nil
}

// workspaceObject shows an object; the manifests of lists come without their kinds.
func workspaceObject(object runtime.Object, kind schema.GroupVersionKind, name, namespace string, created time.Time) (WorkspaceObject, error) {
	object.GetObjectKind().SetGroupVersionKind(kind)
	manifest, err := yaml.Marshal(object)
	if err != nil {
		return WorkspaceObject{}, fmt.Errorf("writing %s %s/%s: %w", kind.Kind, namespace, name, err)
	}
	return WorkspaceObject{name, namespace, kind.Kind, created.UTC(), string(manifest)}, nil
}

func (s *service) serviceAccounts(ctx context.Context, in *workspaceInput) (*inWorkspaceOutput[WorkspaceObject], error) {
	return inWorkspace(ctx, s, in, s.live.ServiceAccounts, func(o *corev1.ServiceAccount) (WorkspaceObject, error) {
		return workspaceObject(o, corev1.SchemeGroupVersion.WithKind("ServiceAccount"), o.Name, o.Namespace, o.CreationTimestamp.Time)
	})
}

func (s *service) roles(ctx context.Context, in *workspaceInput) (*inWorkspaceOutput[WorkspaceRole], error) {
	return inWorkspace(ctx, s, in, s.live.Roles, func(o *rbacv1.Role) (WorkspaceRole, error) {
		object, err := workspaceObject(o, rbacv1.SchemeGroupVersion.WithKind("Role"), o.Name, o.Namespace, o.CreationTimestamp.Time)
		shown := WorkspaceRole{WorkspaceObject: object, Rules: make([]WorkspaceRule, 0, len(o.Rules))}
		for _, rule := range o.Rules {
			shown.Rules = append(shown.Rules, WorkspaceRule{orEmpty(rule.APIGroups), orEmpty(rule.Resources), orEmpty(rule.Verbs)})
		}
		return shown, err
	})
}

func (s *service) roleBindings(ctx context.Context, in *workspaceInput) (*inWorkspaceOutput[WorkspaceRoleBinding], error) {
	return inWorkspace(ctx, s, in, s.live.RoleBindings, func(o *rbacv1.RoleBinding) (WorkspaceRoleBinding, error) {
		object, err := workspaceObject(o, rbacv1.SchemeGroupVersion.WithKind("RoleBinding"), o.Name, o.Namespace, o.CreationTimestamp.Time)
		shown := WorkspaceRoleBinding{WorkspaceObject: object, Role: WorkspaceRoleRef(o.RoleRef), Subjects: make([]WorkspaceSubject, 0, len(o.Subjects))}
		for _, subject := range o.Subjects {
			shown.Subjects = append(shown.Subjects, WorkspaceSubject{subject.APIGroup, subject.Kind, subject.Name, subject.Namespace})
		}
		return shown, err
	})
}

func (s *service) workspacePolicies(ctx context.Context, in *workspaceInput) (*inWorkspaceOutput[WorkspacePolicy], error) {
	w, err := s.workspace(ctx, in)
	if err != nil {
		return nil, err
	}
	found, err := s.live.Policies(ctx)
	faults, err := s.unread(ctx, "reading policies", found != nil, err)
	if err != nil {
		return nil, err
	}
	out := &inWorkspaceOutput[WorkspacePolicy]{Body: InWorkspace[WorkspacePolicy]{Name: w.Name, ClusterName: s.live.Name, Objects: []WorkspacePolicy{}, Errors: faults}}
	for i := range found {
		if p := &found[i]; isAbout(p, &w) {
			out.Body.Objects = append(out.Body.Objects, WorkspacePolicy{p.Spec.ID, p.Spec.Name, p.Spec.Category, string(p.Spec.Severity), p.CreationTimestamp.UTC()})
		}
	}
	return out, nil
}

func isAbout(p *v2.Policy, w *Workspace) bool {
	return live.Workspace(p) == w.Name || slices.ContainsFunc(p.Spec.Targets.Namespaces, func(n string) bool { return slices.Contains(w.Namespaces, n) })
}
