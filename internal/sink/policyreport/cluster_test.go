package policyreport_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/internal/kube/kubetest"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/policyreport"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
)

// bed is a cluster.
type bed struct {
	t      *testing.T
	config *rest.Config
	client dynamic.Interface
}

func newBed(t *testing.T) *bed {
	t.Helper()
	config := kubetest.Config(t)
	return &bed{t, config, dynamic.NewForConfigOrDie(config)}
}

var (
	namespaces   = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	configMaps   = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	clusterRoles = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"}
	crds         = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// api is what the tests have to know of an API that the sink writes.
type api struct {
	name              policyreport.API
	reports, clusters schema.GroupVersionResource
	// crds is the folder of its CRDs.
	crds func(t *testing.T) string
}

var apis = []api{
	{
		policyreport.OpenReports,
		schema.GroupVersionResource{Group: "openreports.io", Version: "v1alpha1", Resource: "reports"},
		schema.GroupVersionResource{Group: "openreports.io", Version: "v1alpha1", Resource: "clusterreports"},
		func(t *testing.T) string {
			t.Helper()
			dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/openreports/reports-api").Output()
			if err != nil {
				t.Fatal(err)
			}
			return filepath.Join(strings.TrimSpace(string(dir)), "config", "crd")
		},
	},
	{
		policyreport.WGPolicy,
		schema.GroupVersionResource{Group: "wgpolicyk8s.io", Version: "v1alpha2", Resource: "policyreports"},
		schema.GroupVersionResource{Group: "wgpolicyk8s.io", Version: "v1alpha2", Resource: "clusterpolicyreports"},
		func(*testing.T) string { return "testdata/wgpolicyk8s.io" },
	},
}

// create creates an object that goes when the test is over.
func (b *bed) create(resource schema.GroupVersionResource, text string) *unstructured.Unstructured {
	b.t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		b.t.Fatal(err)
	}
	made, err := b.of(resource, o.GetNamespace()).Create(b.t.Context(), o, metav1.CreateOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		err := b.of(resource, o.GetNamespace()).Delete(context.Background(), made.GetName(), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			b.t.Error(err)
		}
	})
	return made
}

func (b *bed) of(resource schema.GroupVersionResource, namespace string) dynamic.ResourceInterface {
	if namespace == "" {
		return b.client.Resource(resource)
	}
	return b.client.Resource(resource).Namespace(namespace)
}

func (b *bed) namespace(name string) {
	b.t.Helper()
	b.create(namespaces, "{apiVersion: v1, kind: Namespace, metadata: {name: "+name+"}}")
}

func (b *bed) configMap(namespace, name string) *unstructured.Unstructured {
	b.t.Helper()
	return b.create(configMaps, fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: %s, namespace: %s}}", name, namespace))
}

// install installs an API and waits until it is served.
func (b *bed) install(a api) {
	b.t.Helper()
	files, err := filepath.Glob(filepath.Join(a.crds(b.t), "*.yaml"))
	if err != nil || len(files) != 2 {
		b.t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			b.t.Fatal(err)
		}
		b.create(crds, string(text))
	}
	for _, resource := range []schema.GroupVersionResource{a.reports, a.clusters} {
		sinktest.Wait(b.t, "the API "+resource.String(), func() bool {
			_, err := b.client.Resource(resource).List(b.t.Context(), metav1.ListOptions{})
			return err == nil
		})
	}
	b.t.Cleanup(func() {
		for _, resource := range []schema.GroupVersionResource{a.reports, a.clusters} {
			sinktest.Wait(b.t, "the API to go: "+resource.String(), func() bool {
				_, err := b.client.Resource(crds).Get(context.Background(), resource.Resource+"."+resource.Group, metav1.GetOptions{})
				if err == nil {
					_ = b.client.Resource(crds).Delete(context.Background(), resource.Resource+"."+resource.Group, metav1.DeleteOptions{})
				}
				return apierrors.IsNotFound(err)
			})
		}
	})
}

// report reads a report; nil when it is not there.
func (b *bed) report(resource schema.GroupVersionResource, namespace, name string) *v1alpha1.Report {
	b.t.Helper()
	read, err := b.of(resource, namespace).Get(b.t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	report := &v1alpha1.Report{}
	if err == nil {
		err = runtime.DefaultUnstructuredConverter.FromUnstructured(read.Object, report)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return report
}

func (b *bed) sink(a api, scope policyreport.Scope) *policyreport.Sink {
	b.t.Helper()
	s, err := policyreport.New(policyreport.Options{Client: b.client, API: a.name, Scope: scope})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// item is a finding about an object.
func item(i int, policy string, o *unstructured.Unstructured, life sink.Life) sink.Item {
	r := sinktest.Result(i)
	r.Gate, r.Life, r.Validation.Policy.ID, r.Validation.Policy.Category = sink.Audit, life, policy, "reliability"
	e := &r.Validation.Entity
	e.APIVersion, e.Kind, e.Namespace, e.Name, e.ID = o.GetAPIVersion(), o.GetKind(), o.GetNamespace(), o.GetName(), string(o.GetUID())
	return sink.Item{ID: r.Validation.ID, Result: &r}
}

func send(t *testing.T, s sink.Sink, items ...sink.Item) {
	t.Helper()
	for _, o := range s.Send(t.Context(), items) {
		if o.State != sink.Delivered {
			t.Fatal(o.Err)
		}
	}
}

func TestReportsFollowTheFindingsInACluster(t *testing.T) {
	for _, a := range apis {
		t.Run(string(a.name), func(t *testing.T) {
			b := newBed(t)
			namespace := "reports-" + string(a.name)
			b.namespace(namespace)
			one, two := b.configMap(namespace, "one"), b.configMap(namespace, "two")
			role := b.create(clusterRoles, "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: reports-test}}")

			s := b.sink(a, policyreport.Object)
			for _, o := range s.Send(t.Context(), []sink.Item{item(0, "p", one, sink.Opened)}) {
				if o.State != sink.Retry || !strings.Contains(fmt.Sprint(o.Err), "the cluster has no policy reports of "+a.reports.GroupVersion().String()+": install its CRDs") {
					t.Fatalf("without CRDs: %+v", o)
				}
			}
			b.install(a)

			send(t, s, item(0, "p", one, sink.Opened), item(2, "q", one, sink.Opened), item(4, "p", two, sink.Opened), item(6, "p", role, sink.Opened))
			name := "assay-" + string(one.GetUID())
			r := b.report(a.reports, namespace, name)
			if r == nil || len(r.Results) != 2 || r.Summary.Fail != 2 || r.Scope == nil || r.Scope.UID != one.GetUID() || r.Scope.Kind != "ConfigMap" || r.Scope.Name != "one" ||
				len(r.OwnerReferences) != 1 || r.OwnerReferences[0].UID != one.GetUID() || r.Labels["app.kubernetes.io/managed-by"] != "assay" {
				t.Fatalf("%+v", r)
			}
			if (r.Source == "assay") != (a.name == policyreport.OpenReports) {
				t.Errorf("source %q", r.Source)
			}
			first := r.Results[0]
			if first.Source != "assay" || first.Policy != "q" || first.Result != "fail" || first.Severity != "high" || first.Category != "reliability" || !first.Scored ||
				first.Timestamp.Seconds != 1_700_000_002 || first.Properties["violatingKey"] != "spec.replicas" {
				t.Errorf("%+v", first)
			}
			if c := b.report(a.clusters, "", "assay-"+string(role.GetUID())); c == nil || len(c.Results) != 1 || c.Scope.Name != "reports-test" || c.OwnerReferences[0].UID != role.GetUID() {
				t.Errorf("%+v", c)
			}

			// Another process tells the same, and nothing is written.
			s = b.sink(a, policyreport.Object)
			send(t, s, item(12, "p", one, sink.Unchanged), item(14, "q", one, sink.Unchanged))
			if again := b.report(a.reports, namespace, name); again.ResourceVersion != r.ResourceVersion {
				t.Errorf("written without a change: %+v", again)
			}
			send(t, s, item(2, "q", one, sink.Resolved))
			if r = b.report(a.reports, namespace, name); len(r.Results) != 1 || r.Results[0].Policy != "p" || r.Summary.Fail != 1 {
				t.Fatalf("%+v", r)
			}
			send(t, s, item(0, "p", one, sink.Resolved), item(6, "p", role, sink.Resolved))
			if r = b.report(a.reports, namespace, name); r != nil {
				t.Errorf("an empty report stays: %+v", r)
			}
			if c := b.report(a.clusters, "", "assay-"+string(role.GetUID())); c != nil {
				t.Errorf("an empty report stays: %+v", c)
			}
			// The garbage collector deletes the report of an object that is deleted.
			if err := b.of(configMaps, namespace).Delete(t.Context(), "two", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			sinktest.Wait(t, "the report to be collected", func() bool { return b.report(a.reports, namespace, "assay-"+string(two.GetUID())) == nil })
			send(t, s, item(4, "p", two, sink.Resolved))
		})
	}
}

func TestOneReportForEachNamespaceInACluster(t *testing.T) {
	for _, a := range apis {
		t.Run(string(a.name), func(t *testing.T) {
			b := newBed(t)
			b.install(a)
			namespace := "reports-of-" + string(a.name)
			b.namespace(namespace)
			one, two := b.configMap(namespace, "one"), b.configMap(namespace, "two")
			role := b.create(clusterRoles, "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: reports-test}}")
			send(t, b.sink(a, policyreport.Object), item(0, "p", one, sink.Opened))

			s := b.sink(a, policyreport.Namespace)
			send(t, s, item(0, "p", one, sink.Opened), item(2, "p", two, sink.Opened), item(4, "p", role, sink.Opened))
			if old := b.report(a.reports, namespace, "assay-"+string(one.GetUID())); old != nil {
				t.Errorf("a report of the other scope stays: %+v", old)
			}
			r := b.report(a.reports, namespace, "assay")
			if r == nil || len(r.Results) != 2 || r.Scope.Kind != "Namespace" || r.Scope.Name != namespace || r.Results[0].Subjects[0].Name != "two" || r.Results[1].Subjects[0].UID != one.GetUID() {
				t.Fatalf("%+v", r)
			}
			if c := b.report(a.clusters, "", "assay"); c == nil || len(c.Results) != 1 || c.Results[0].Subjects[0].Name != "reports-test" {
				t.Fatalf("%+v", c)
			}
			send(t, b.sink(a, policyreport.Namespace), item(0, "p", one, sink.Resolved), item(2, "p", two, sink.Unchanged), item(4, "p", role, sink.Resolved))
			if r = b.report(a.reports, namespace, "assay"); r == nil || len(r.Results) != 1 || r.Results[0].Subjects[0].Name != "two" {
				t.Errorf("%+v", r)
			}
			if c := b.report(a.clusters, "", "assay"); c != nil {
				t.Errorf("%+v", c)
			}
		})
	}
}

func TestWhatCannotBeReportedInACluster(t *testing.T) {
	b := newBed(t)
	a := apis[0]
	b.install(a)
	b.namespace("reports-odd")
	one := b.configMap("reports-odd", "one")
	s := b.sink(a, policyreport.Object)

	gone := one.DeepCopy()
	gone.SetNamespace("reports-gone")
	send(t, s, item(0, "p", gone, sink.Opened), item(0, "p", gone, sink.Resolved))

	// The namespace cannot go as long as something in it has a finalizer.
	b.namespace("reports-going")
	held := b.create(configMaps, "{apiVersion: v1, kind: ConfigMap, metadata: {name: held, namespace: reports-going, finalizers: [assay.example/held]}}")
	t.Cleanup(func() {
		_, err := b.of(configMaps, "reports-going").Patch(context.Background(), "held", "application/merge-patch+json", []byte(`{"metadata":{"finalizers":[]}}`), metav1.PatchOptions{})
		if err != nil {
			t.Error(err)
		}
	})
	if err := b.of(namespaces, "").Delete(t.Context(), "reports-going", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	send(t, s, item(0, "p", held, sink.Opened))

	odd := one.DeepCopy()
	odd.SetUID("")
	foreign := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "openreports.io/v1alpha1", "kind": "Report", "source": "other"}}
	foreign.SetName("assay-" + string(one.GetUID()))
	if _, err := b.of(a.reports, "reports-odd").Create(t.Context(), foreign, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	admitted := item(0, "p", one, "")
	admitted.Result.Gate = sink.Admission
	outcomes := s.Send(t.Context(), []sink.Item{item(0, "p", odd, sink.Opened), item(0, "p", one, sink.Opened), admitted})
	if o := outcomes[0]; o.State != sink.Refused || o.Err.Error() != `ConfigMap reports-odd/one has the UID "", and so cannot have a report of its own` {
		t.Errorf("%+v", o)
	}
	if o := outcomes[1]; o.State != sink.Refused || !strings.Contains(o.Err.Error(), "so it is somebody else's; delete it") {
		t.Errorf("%+v", o)
	}
	if o := outcomes[2]; o.State != sink.Useless {
		t.Errorf("%+v", o)
	}

	nobody := rest.CopyConfig(b.config)
	nobody.Impersonate.UserName = "nobody"
	powerless, err := policyreport.New(policyreport.Options{Client: dynamic.NewForConfigOrDie(nobody)})
	if err != nil {
		t.Fatal(err)
	}
	if o := powerless.Send(t.Context(), []sink.Item{item(0, "p", one, sink.Opened)})[0]; o.State != sink.Retry || !strings.Contains(o.Err.Error(), "ServiceAccount needs get, list, create, update and delete on reports and clusterreports of openreports.io") {
		t.Errorf("%+v", o)
	}
}

func TestReplicasDoNotUndoEachOthersWorkInACluster(t *testing.T) {
	b := newBed(t)
	a := apis[0]
	b.install(a)
	b.namespace("reports-many")
	one := b.configMap("reports-many", "one")
	const replicas, each = 4, 10
	var group sync.WaitGroup
	for replica := range replicas {
		s := b.sink(a, policyreport.Namespace)
		group.Go(func() {
			for i := range each {
				for tries := 0; ; tries++ {
					o := s.Send(t.Context(), []sink.Item{item(i, fmt.Sprint("p-", replica, "-", i), one, sink.Opened)})[0]
					if o.State == sink.Delivered {
						break
					}
					if o.State != sink.Retry || tries > 1000 {
						t.Error(o)
						return
					}
				}
			}
		})
	}
	group.Wait()
	if r := b.report(a.reports, "reports-many", "assay"); r == nil || len(r.Results) != replicas*each {
		t.Errorf("%+v", r)
	}
}

func TestEveryFindingArrivesWhateverTheAPIServerDoes(t *testing.T) {
	b := newBed(t)
	a := apis[0]
	b.install(a)
	b.namespace("reports-faults")
	transport, err := rest.TransportFor(b.config)
	if err != nil {
		t.Fatal(err)
	}
	server, err := url.Parse(b.config.Host)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(server) }, Transport: transport}
	misbehaving := &sinktest.Misbehaving{Handler: proxy}
	front := httptest.NewServer(misbehaving)
	defer front.Close()
	client, err := dynamic.NewForConfig(&rest.Config{Host: front.URL, QPS: 1000, Burst: 1000, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s, err := policyreport.New(policyreport.Options{Client: client, Scope: policyreport.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	j := sinktest.Journal(t, t.TempDir())
	runner, _ := sinktest.Run(t, sink.Options{
		Name: "audit-policyreport", Sink: s, Journal: j, DeadLetters: filepath.Join(t.TempDir(), "dead"), MaxItems: 20,
		Linger: time.Millisecond, MinBackoff: time.Millisecond, MaxBackoff: 100 * time.Millisecond, SendTimeout: 2 * time.Second,
	})
	sent := 0
	for _, fault := range sinktest.Faults {
		misbehaving.Set(fault)
		hits := misbehaving.Hits.Load()
		one := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
		one.SetNamespace("reports-faults")
		for range 30 {
			one.SetName(fmt.Sprint("map-", sent))
			one.SetUID("")
			record, err := item(sent, "p", one, sink.Opened).Result.Record()
			if err == nil {
				err = j.Append(t.Context(), record)
			}
			if err != nil {
				t.Fatal(err)
			}
			sent++
		}
		sinktest.Wait(t, "requests while there is a fault", func() bool { return misbehaving.Hits.Load() >= hits+3 })
		misbehaving.Set(sinktest.None)
		sinktest.Wait(t, "everything to arrive after: "+string(fault), func() bool { return runner.Status().Lag == 0 })
		r := b.report(a.reports, "reports-faults", "assay")
		if r == nil || len(r.Results) != sent || r.Summary.Fail+r.Summary.Warn != sent {
			t.Fatalf("after %s: %d results of %d", fault, len(r.Results), sent)
		}
	}
	if n := runner.Status().Counts[sink.DeadLettered]; n != 0 {
		t.Errorf("%d dead letters", n)
	}
}
