package events

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/assay-gitops/assay/internal/kube/kubetest"
	sinkevents "github.com/assay-gitops/assay/internal/sink/events"
)

// TestClusterEventsAreKept asks a real API server, with the rights that the documentation says are needed and no others: more events than
// a page has, some that come while it is watched, and all of them again after a restart.
func TestClusterEventsAreKept(t *testing.T) {
	config := kubetest.Config(t)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	made, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "hub-events-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	namespace := made.Name
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"list", "watch"}}},
	}
	if _, err := client.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: namespace}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: namespace},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: namespace}},
	}
	if _, err := client.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	reading := rest.CopyConfig(config)
	reading.Impersonate.UserName = namespace

	create := func(first, last int) {
		t.Helper()
		for n := first; n < last; n++ {
			event := numbered(t, n)
			event.ResourceVersion, event.Namespace, event.InvolvedObject.Namespace = "", namespace, namespace
			event.Labels[sinkevents.LabelID] = namespace + "-" + event.Labels[sinkevents.LabelID][24:]
			if n%10 == 3 { // those that cannot be read disturb no others
				event.Annotations["entity_manifest"], event.Annotations["enforce"] = "{", "perhaps"
			}
			if _, err := client.CoreV1().Events(namespace).Create(t.Context(), event, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	here := func(k *keeping) (n int) {
		for _, v := range violations(t, k.Store) {
			if v.Namespace == namespace {
				n++
			}
		}
		return n
	}
	create(0, 230)
	k := &keeping{Store: opened(t), added: make(chan int, 1000)}
	watched := false
	run(t, reading, k, func(int) bool {
		if here(k) == 230 && !watched {
			watched = true
			create(230, 240)
		}
		return here(k) == 240
	})
	create(240, 250)
	run(t, reading, k, func(int) bool { return here(k) == 250 })
	for _, v := range violations(t, k.Store) {
		if v.Count != 1 {
			t.Errorf("a restart doubled: %+v", v)
		}
	}
}
