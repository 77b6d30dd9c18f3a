package live

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/assay-gitops/assay/internal/kube/kubetest"
	"github.com/assay-gitops/assay/policy"
)

// TestClusterIsReadInPages asks a real API server, whose pages the client of the other tests does not have.
func TestClusterIsReadInPages(t *testing.T) {
	config := kubetest.Config(t)
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for range 3 {
		made, err := clientset.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			GenerateName: "hub-live-", Labels: map[string]string{policy.TenantLabel: "paged"},
		}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, made.Name)
	}
	slices.Sort(want)
	reader, err := Reader(config)
	if err != nil {
		t.Fatal(err)
	}
	items := func(l *corev1.NamespaceList) []corev1.Namespace { return l.Items }
	found, err := all(t.Context(), reader, &corev1.NamespaceList{}, items, client.Limit(1), client.MatchingLabels{policy.TenantLabel: "paged"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range found {
		got = append(got, found[i].Name)
		if found[i].ManagedFields != nil {
			t.Errorf("%s has its managed fields", found[i].Name)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	cluster := New("here", reader, time.Now)
	namespaces, err := cluster.Namespaces(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range want {
		if !slices.ContainsFunc(namespaces, func(n Namespace) bool { return n.Name == name && n.Workspace == "paged" }) {
			t.Errorf("%s is not in %v", name, namespaces)
		}
		if accounts, err := cluster.ServiceAccounts(t.Context(), []string{name}); err != nil || len(accounts) > 1 {
			t.Errorf("%v %v", accounts, err)
		}
	}
}
