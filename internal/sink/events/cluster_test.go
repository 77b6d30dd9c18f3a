package events

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/assay-gitops/assay/internal/kube/kubetest"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
	"github.com/assay-gitops/assay/internal/weave"
)

// bed is a namespace of a cluster.
type bed struct {
	t         testing.TB
	config    *rest.Config
	client    *corev1client.CoreV1Client
	namespace string
}

func newBed(t testing.TB) *bed {
	t.Helper()
	config := kubetest.Config(t)
	client, err := corev1client.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, config: config, client: client}
	b.namespace = b.makeNamespace()
	return b
}

func (b *bed) makeNamespace(finalizers ...string) string {
	b.t.Helper()
	made, err := b.client.Namespaces().Create(b.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "events-", Finalizers: finalizers}}, metav1.CreateOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		ctx := context.Background()
		_, err := b.client.Namespaces().Patch(ctx, made.Name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		if err == nil {
			err = b.client.Namespaces().Delete(ctx, made.Name, metav1.DeleteOptions{})
		}
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			b.t.Error(err)
		}
	})
	return made.Name
}

func (b *bed) sink(change func(*Options)) *Sink {
	b.t.Helper()
	o := Options{Config: b.config, QPS: 1e6, Burst: 1e6}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// result is the i-th, about an object of the bed's namespace, and with an ID of its own: events in default stay.
func (b *bed) result(i int) sink.Result {
	r := sinktest.Result(i)
	r.App, r.Validation.Entity.Namespace = nil, b.namespace
	r.Validation.Entity.Manifest["metadata"].(map[string]any)["namespace"] = b.namespace
	r.Validation.ID = fmt.Sprint(b.namespace, "-", i)
	r.Validation.CreatedAt = time.Now().Truncate(time.Second)
	return r
}

func (b *bed) list(namespace string) []corev1.Event {
	b.t.Helper()
	found, err := b.client.Events(namespace).List(b.t.Context(), metav1.ListOptions{LabelSelector: LabelType})
	if err != nil {
		b.t.Fatal(err)
	}
	return found.Items
}

// only is the event of a result.
func (b *bed) only(namespace string, r sink.Result) *corev1.Event {
	b.t.Helper()
	found, err := b.client.Events(namespace).List(b.t.Context(), metav1.ListOptions{LabelSelector: LabelID + "=" + r.Validation.ID})
	if err != nil {
		b.t.Fatal(err)
	}
	if len(found.Items) != 1 {
		b.t.Fatalf("%d events of %s are in %s", len(found.Items), r.Validation.ID, namespace)
	}
	b.t.Cleanup(func() {
		if err := b.client.Events(namespace).Delete(context.Background(), found.Items[0].Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			b.t.Error(err)
		}
	})
	return &found.Items[0]
}

func TestClusterTakesEachKindOfEvent(t *testing.T) {
	b := newBed(t)
	big := strings.Repeat("ü", 200_000)
	for name, change := range map[string]func(*sink.Result){
		"plain": func(*sink.Result) {},
		"flux": func(r *sink.Result) {
			r.App = &sink.App{Kind: "HelmRelease", Name: "podinfo", Namespace: b.namespace, Revision: "6.5.0"}
		},
		"error":    func(r *sink.Result) { r.Validation.Status = weave.StatusError },
		"excepted": func(r *sink.Result) { r.Validation.Status = weave.StatusExcepted },
		"resolved": func(r *sink.Result) { r.Life, r.Resolution = sink.Resolved, "object deleted" },
		"strange":  func(r *sink.Result) { r.Validation.Entity.Name, r.Validation.Message = "100%s/of:it", "100%s of %d" },
		"no message": func(r *sink.Result) {
			r.Validation.Status, r.Validation.Message, r.Validation.Entity.ID = weave.StatusCompliance, "", ""
		},
		"a manifest too big":    func(r *sink.Result) { r.Validation.Entity.Manifest["data"] = big },
		"a message too big":     func(r *sink.Result) { r.Validation.Message = big },
		"occurrences too big":   func(r *sink.Result) { r.Validation.Occurrences[0].Message = big },
		"a description too big": func(r *sink.Result) { r.Validation.Policy.Description, r.Validation.Policy.HowToSolve = big, big },
		"all too big": func(r *sink.Result) {
			r.Validation.Policy.ID, r.Validation.Policy.Name, r.Validation.AccountID, r.Validation.Policy.Tags = big, big, big, []string{big}
			r.Validation.Entity.Name, r.Validation.Entity.Kind, r.Validation.Entity.APIVersion = big, big, big
			r.App = &sink.App{Kind: "Kustomization", Name: big, Namespace: b.namespace, Revision: big}
			r.Workspace, r.Resolution = big, big
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.result(len(name))
			r.Validation.ID = b.namespace + "-" + strings.ReplaceAll(name, " ", "-")
			change(&r)
			wantStates(t, b.sink(nil).Send(t.Context(), []sink.Item{item(r)}), sink.Delivered)
			found, err := b.client.Events(b.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: LabelID + "=" + r.Validation.ID})
			if err != nil || len(found.Items) != 1 {
				t.Fatalf("%v, %v", found, err)
			}
			event := &found.Items[0]
			v, err := Decode(event)
			if err != nil || v.ID != r.Validation.ID || !v.CreatedAt.Equal(r.Validation.CreatedAt) {
				t.Errorf("%+v, %v", v, err)
			}
			if tooBig := strings.Contains(name, "too big") && name != "a message too big"; tooBig != (event.Annotations[AnnotationTruncated] != "") {
				t.Errorf("cut: %q", event.Annotations[AnnotationTruncated])
			}
			if r.App != nil && (event.InvolvedObject.Kind != r.App.Kind || event.Annotations[AnnotationRevision] == "") {
				t.Errorf("it is about %+v", event.InvolvedObject)
			}
		})
	}
	// The fields that people select by.
	byReason, err := b.client.Events(b.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "reason=PolicyViolation,type=Warning,involvedObject.kind=HelmRelease,involvedObject.name=podinfo,source=policy-agent"})
	if err != nil || len(byReason.Items) != 1 {
		t.Errorf("%d violations of the release are found, %v", len(byReason.Items), err)
	}
	byPolicy, err := b.client.Events(b.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.fieldPath=" + b.result(0).Validation.Policy.ID})
	if err != nil || len(byPolicy.Items) != 11 {
		t.Errorf("%d results of the policy are found, %v", len(byPolicy.Items), err)
	}
}

func TestClusterHasEventsOfClusterScopedObjectsInDefault(t *testing.T) {
	b := newBed(t)
	r := b.result(1)
	r.Validation.Entity.APIVersion, r.Validation.Entity.Kind, r.Validation.Entity.Name = "rbac.authorization.k8s.io/v1", "ClusterRole", "system:node-proxier"
	r.Validation.Entity.Namespace = ""
	wantStates(t, b.sink(nil).Send(t.Context(), []sink.Item{item(r)}), sink.Delivered)
	if event := b.only("default", r); !strings.HasPrefix(event.Name, "system-node-proxier.") || event.InvolvedObject.Name != "system:node-proxier" || event.Annotations[AnnotationNamespace] != "" {
		t.Errorf("%+v", event)
	}
}

func TestClusterWithoutTheNamespaceHasTheEventInDefault(t *testing.T) {
	b := newBed(t)
	terminating := b.makeNamespace("assay.example/stays")
	if err := b.client.Namespaces().Delete(t.Context(), terminating, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		namespace string
		want      []sink.State
	}{
		"missing":     {b.namespace + "-missing", []sink.State{sink.Retry, sink.Retry, sink.Delivered}},
		"terminating": {terminating, []sink.State{sink.Delivered}},
		"impossible":  {"No_Namespace", []sink.State{sink.Delivered}},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := b.result(len(name)), b.sink(nil)
			r.App = &sink.App{Kind: "Kustomization", Name: "apps", Namespace: test.namespace}
			for _, want := range test.want {
				wantStates(t, s.Send(t.Context(), []sink.Item{item(r)}), want)
			}
			event := b.only("default", r)
			if event.Annotations[AnnotationNamespace] != test.namespace || event.InvolvedObject.Name != "apps" {
				t.Errorf("%+v", event)
			}
			if v, err := Decode(event); err != nil || v.Entity.Name != r.Validation.Entity.Name || v.Entity.Namespace != b.namespace {
				t.Errorf("%+v, %v", v.Entity, err)
			}
		})
	}
}

func TestClusterCountsRepeats(t *testing.T) {
	b := newBed(t)
	s := b.sink(nil)
	first := b.result(1)
	for i := range 5 {
		r := first
		r.Validation.ID, r.Validation.CreatedAt = fmt.Sprint(first.Validation.ID, "-", i), first.Validation.CreatedAt.Add(time.Duration(i)*time.Minute)
		wantStates(t, s.Send(t.Context(), []sink.Item{item(r)}), sink.Delivered)
	}
	events := b.list(b.namespace)
	if len(events) != 1 || events[0].Count != 5 || events[0].LastTimestamp.Sub(events[0].FirstTimestamp.Time) != 4*time.Minute {
		t.Fatalf("%+v", events)
	}
	if err := b.client.Events(b.namespace).Delete(t.Context(), events[0].Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time by another process
		wantStates(t, s.Send(t.Context(), []sink.Item{item(first)}), sink.Delivered)
		s = b.sink(nil)
	}
	if events := b.list(b.namespace); len(events) != 1 || events[0].Count != 1 {
		t.Errorf("%+v", events)
	}
}

func TestClusterIsAskedNoMoreThanTheLimitAllows(t *testing.T) {
	b := newBed(t)
	s := b.sink(func(o *Options) { o.QPS, o.Burst = 20, 1 })
	var items []sink.Item
	for i := range 31 {
		items = append(items, item(b.result(i)))
	}
	began := time.Now()
	for i, o := range s.Send(t.Context(), items) {
		if o.State != sink.Delivered {
			t.Errorf("%d: %v", i, o)
		}
	}
	if took := time.Since(began); took < 1400*time.Millisecond {
		t.Errorf("31 events at 20 a second took %s", took)
	}
	if events := b.list(b.namespace); len(events) != 31 {
		t.Errorf("there are %d events", len(events))
	}
}

func TestClusterHasEachResultOnceThroughEveryFault(t *testing.T) {
	for _, fault := range sinktest.Faults {
		t.Run(string(fault), func(t *testing.T) {
			b := newBed(t)
			target, err := url.Parse(b.config.Host)
			if err != nil {
				t.Fatal(err)
			}
			proxy := httputil.NewSingleHostReverseProxy(target)
			if proxy.Transport, err = rest.TransportFor(b.config); err != nil {
				t.Fatal(err)
			}
			m := &sinktest.Misbehaving{Handler: proxy}
			front := httptest.NewServer(m)
			defer front.Close()
			j := sinktest.Journal(t, t.TempDir())
			add := func(first, last int) {
				for i := first; i < last; i++ {
					r := b.result(i)
					record, err := r.Record()
					if err == nil {
						err = j.Append(t.Context(), record)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			add(0, 30)
			m.Set(fault)
			runner, stop := sinktest.Run(t, sink.Options{
				Name: "events", Sink: b.sink(func(o *Options) { o.Config = &rest.Config{Host: front.URL} }), Journal: j,
				DeadLetters: filepath.Join(t.TempDir(), "dead"),
				Linger:      time.Millisecond, MinBackoff: 10 * time.Millisecond, MaxBackoff: 100 * time.Millisecond, SendTimeout: 5 * time.Second,
			})
			sinktest.Wait(t, "two requests", func() bool { return m.Hits.Load() >= 2 })
			add(30, 60)
			m.Set(sinktest.None)
			sinktest.Wait(t, "the lag to end", func() bool { s := runner.Status(); return s.Lag == 0 && s.Err == nil })
			stop()
			times := map[string]int{}
			for _, event := range b.list(b.namespace) {
				times[event.Labels[LabelID]] += int(event.Count)
			}
			for i := range 60 {
				if id := b.result(i).Validation.ID; times[id] != 1 {
					t.Errorf("%s is there %d times", id, times[id])
				}
			}
			if c := runner.Status().Counts; len(times) != 60 || c[sink.DeadLettered] != 0 {
				t.Errorf("%d results, %v", len(times), c)
			}
		})
	}
}

// BenchmarkCluster writes new events, and counts repeats, as fast as a real API server lets it.
func BenchmarkCluster(b *testing.B) {
	for name, different := range map[string]bool{"new": true, "repeated": false} {
		b.Run(name, func(b *testing.B) {
			bed := newBed(b)
			s, i := bed.sink(nil), 0
			for b.Loop() {
				r := bed.result(i)
				if !different {
					id := r.Validation.ID
					r = bed.result(0)
					r.Validation.ID = id
				}
				if o := s.Send(b.Context(), []sink.Item{item(r)})[0]; o.State != sink.Delivered {
					b.Fatal(o.Err)
				}
				i++
			}
			b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
