package auth

import (
	"reflect"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/kube/kubetest"
)

// TestClusterDecides asks a real API server: its tokens, its audiences, its RBAC.
func TestClusterDecides(t *testing.T) {
	config := kubetest.Config(t)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	shop, other := newNamespace(t, client), newNamespace(t, client)
	for _, name := range []string{"hub", "agent", "tenant", "platform", "nobody"} {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := client.CoreV1().ServiceAccounts(shop).Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	token := func(name string, audiences ...string) string {
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences}}
		answer, err := client.CoreV1().ServiceAccounts(shop).CreateToken(t.Context(), name, request, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return answer.Status.Token
	}
	// The role is the one of the documentation.
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "violations-viewer-" + shop},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{Group}, Resources: []string{string(Violations)}, Verbs: []string{"get", "list"}}},
	}
	if _, err := client.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name}
	subject := func(name string) []rbacv1.Subject {
		return []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: shop, Name: name}}
	}
	here := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "viewer"}, RoleRef: ref, Subjects: subject("tenant")}
	if _, err := client.RbacV1().RoleBindings(other).Create(t.Context(), here, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	everywhere := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: role.Name}, RoleRef: ref, Subjects: subject("platform")}
	if _, err := client.RbacV1().ClusterRoleBindings().Create(t.Context(), everywhere, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	// The hub has the rights that Options says it needs, and no others.
	needs := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "hub-" + shop},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
			{APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},
			{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"list"}},
		},
	}
	if _, err := client.RbacV1().ClusterRoles().Create(t.Context(), needs, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	hub := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: needs.Name}, Subjects: subject("hub"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: needs.Name},
	}
	if _, err := client.RbacV1().ClusterRoleBindings().Create(t.Context(), hub, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	config = rest.AnonymousClientConfig(config)
	config.QPS, config.BearerToken = -1, token("hub")
	asHub, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{Client: asHub, Cluster: "here", Agents: []string{shop + ":agent"}})
	if err != nil {
		t.Fatal(err)
	}

	for name, test := range map[string]struct {
		token  string
		want   store.Scope
		reason Reason
	}{
		"a RoleBinding shows its namespace":         {token("tenant"), store.Scope{Namespaces: map[string][]string{"here": {other}}}, 0},
		"a ClusterRoleBinding shows everything":     {token("platform"), store.Scope{All: true}, 0},
		"no binding shows nothing":                  {token("nobody"), store.Scope{}, Forbidden},
		"a token for the hub is none for reading":   {token("platform", DefaultAudience), store.Scope{}, Unauthenticated},
		"a token that nobody issued is none at all": {"eyJhbGciOiJub25lIn0.e30.", store.Scope{}, Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := a.Reader(with(t, test.token), List, Violations)
			if refused(t, err) != test.reason || !reflect.DeepEqual(got.Scope, test.want) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	for name, test := range map[string]struct {
		token  string
		want   string
		reason Reason
	}{
		"an agent's token for the hub sends":     {token("agent", DefaultAudience), "here", 0},
		"one for the API server does not":        {token("agent"), "", Unauthenticated},
		"nor does another's that is for the hub": {token("platform", DefaultAudience), "", Forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := a.Agent(with(t, test.token))
			if refused(t, err) != test.reason || got != test.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func newNamespace(t *testing.T, client kubernetes.Interface) string {
	t.Helper()
	made, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "hub-auth-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.Name
}
