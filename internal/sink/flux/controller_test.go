package flux_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/flux"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
	"github.com/assay-gitops/assay/internal/weave"
)

// fluxVariable is a URL by which e2e, which runs these tests, starts and ends the notification-controller of a cluster.
const fluxVariable = "ASSAY_TEST_FLUX"

// bed is a notification-controller that runs in a cluster, with a webhook that it notifies.
type bed struct {
	t       *testing.T
	control string
	// address takes events.
	address string

	sinktest.Received
	mu     sync.Mutex
	events map[string]map[string]eventv1.Event
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, control: os.Getenv(fluxVariable), events: map[string]map[string]eventv1.Event{}}
	if b.control == "" {
		t.Skip("needs Flux: " + fluxVariable + " has no URL")
	}
	b.address = b.do("address")
	webhook := httptest.NewServer(b)
	t.Cleanup(webhook.Close)
	b.kubectl(strings.NewReplacer("ADDRESS", webhook.URL).Replace(`
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Provider
metadata: {name: all, namespace: flux-system}
spec: {type: generic, address: ADDRESS/all}
---
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Provider
metadata: {name: errors, namespace: flux-system}
spec: {type: generic, address: ADDRESS/errors}
---
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata: {name: all, namespace: flux-system}
spec:
  providerRef: {name: all}
  eventSources: [{kind: Kustomization, name: "*"}, {kind: HelmRelease, name: "*"}]
---
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata: {name: errors, namespace: flux-system}
spec:
  providerRef: {name: errors}
  eventSeverity: error
  eventMetadata: {cluster: test}
  eventSources: [{kind: Kustomization, name: apps}]
  inclusionList: ["^Containers Minimum .* in deployment"]
`), "apply", "-f", "-")
	t.Cleanup(func() {
		b.kubectl("", "-n", "flux-system", "delete", "alerts.notification.toolkit.fluxcd.io,providers.notification.toolkit.fluxcd.io", "all", "errors")
	})
	// The controller has heard of them when it notifies of something that is not asked for by the tests.
	probe := sinktest.Result(1_000_000)
	s := newSink(t, flux.Options{Address: b.address})
	for n, end := 0, time.Now().Add(2*time.Minute); ; n++ {
		// Each is a finding of its own.
		probe.Validation.Message = "Containers Minimum Replica Count in deployment probe " + time.Now().String()
		if o := s.Send(t.Context(), []sink.Item{item(probe)})[0]; o.State != sink.Delivered {
			t.Fatal(o.Err)
		}
		time.Sleep(100 * time.Millisecond)
		if b.event("all", probe.Validation.ID).Message != "" && b.event("errors", probe.Validation.ID).Message != "" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no notification of %d events", n)
		}
	}
	return b
}

// do asks the test that runs this one for something.
func (b *bed) do(what string) string {
	b.t.Helper()
	response, err := http.Post(b.control+"/"+what, "", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %s %v: %s", what, response.Status, err, said)
	}
	return string(said)
}

func (b *bed) kubectl(stdin string, args ...string) {
	b.t.Helper()
	response, err := http.Post(b.control+"/kubectl", "text/plain", strings.NewReader(strings.Join(args, " ")+"\n"+stdin))
	if err != nil {
		b.t.Error(err)
		return
	}
	defer response.Body.Close()
	if said, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		b.t.Errorf("kubectl %s: %s", args, said)
	}
}

func (b *bed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e eventv1.Event
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		b.t.Error(err)
	}
	id, provider := e.Metadata["id"], strings.Trim(r.URL.Path, "/")
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.events[provider] == nil {
		b.events[provider] = map[string]eventv1.Event{}
	}
	b.events[provider][id] = e
	if provider == "all" && id != sinktest.ID(1_000_000) {
		b.Add(id)
	}
}

// event is what the provider was told of a result; empty when it was not.
func (b *bed) event(provider, id string) eventv1.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.events[provider][id]
}

// answers notes the codes of all answers.
type answers struct {
	mu    sync.Mutex
	codes []int
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		a.mu.Lock()
		a.codes = append(a.codes, response.StatusCode)
		a.mu.Unlock()
	}
	return response, err
}

func TestTheRealControllerNotifiesWithMetadata(t *testing.T) {
	b := newBed(t)
	violation, compliance, release := sinktest.Result(1), sinktest.Result(2), sinktest.Result(3)
	violation.Validation.Enforced = true
	violation.Validation.Message = "Containers Minimum 100%d %s in deployment web"
	compliance.Validation.Status, compliance.Validation.Message = weave.StatusCompliance, ""
	release.App = &sink.App{Kind: "HelmRelease", Name: "web", Namespace: "flux-system", Revision: "6.5.4"}
	s := newSink(t, flux.Options{Address: b.address})
	for _, o := range s.Send(t.Context(), []sink.Item{item(violation), item(compliance), item(release)}) {
		if o.State != sink.Delivered {
			t.Fatal(o.Err)
		}
	}
	sinktest.Wait(t, "the notifications", func() bool { return b.Len() == 3 && b.event("errors", violation.Validation.ID).Message != "" })
	for provider, extra := range map[string]map[string]string{"all": {}, "errors": {"cluster": "test"}} {
		e := b.event(provider, violation.Validation.ID)
		want := map[string]string{
			"id": violation.Validation.ID, "cluster_id": "cluster", "policy_id": "weave.policies.containers-minimum-replica-count", "severity": "medium",
			"enforce": "true", "gate": "admission", "object": "Deployment team-1/web-1", "revision": "main@sha1:0123456789abcdef0123456789abcdef01234567",
			"occurrences": "Replica count must be greater than or equal to 2; found 1. (spec.replicas)",
		}
		for key, value := range extra {
			want[key] = value
		}
		got, _ := json.Marshal(e.Metadata)
		expected, _ := json.Marshal(want)
		if !bytes.Equal(got, expected) {
			t.Errorf("%s was told\n%s, want\n%s", provider, got, expected)
		}
		if o := e.InvolvedObject; o.APIVersion != "kustomize.toolkit.fluxcd.io/v1" || o.Kind != "Kustomization" || o.Namespace != "flux-system" || o.Name != "apps" {
			t.Errorf("%+v", o)
		}
		if e.Message != violation.Validation.Message || e.Severity != "error" || e.Reason != flux.ReasonViolation ||
			e.ReportingController != "policy-agent" || e.ReportingInstance != "policy-agent-0" || !e.Timestamp.Time.Equal(violation.Validation.CreatedAt) {
			t.Errorf("%s was told %+v", provider, e)
		}
	}
	if e := b.event("all", compliance.Validation.ID); e.Severity != "info" || e.Reason != flux.ReasonCompliance || b.event("errors", compliance.Validation.ID).Message != "" {
		t.Errorf("%+v", e)
	}
	if e := b.event("all", release.Validation.ID); e.InvolvedObject.APIVersion != "helm.toolkit.fluxcd.io/v2" || e.Metadata["revision"] != "6.5.4" {
		t.Errorf("%+v", e)
	}
}

func TestTheRealControllerMergesTheSameFindingOnly(t *testing.T) {
	b := newBed(t)
	first, again, elsewhere := sinktest.Result(10), sinktest.Result(10), sinktest.Result(10)
	again.Validation.ID = "again"
	elsewhere.Validation.ID, elsewhere.Validation.Entity.Namespace = "elsewhere", "another"
	a := &answers{}
	s := newSink(t, flux.Options{Address: b.address, Client: &http.Client{Transport: a}})
	for i, o := range s.Send(t.Context(), []sink.Item{item(first), item(again), item(elsewhere)}) {
		if o.State != sink.Delivered {
			t.Errorf("%d: %v", i, o.Err)
		}
	}
	if want := []int{202, 429, 202}; !slices.Equal(a.codes, want) {
		t.Errorf("the controller answered %d, want %d", a.codes, want)
	}
	sinktest.Wait(t, "both notifications", func() bool { return b.Len() >= 2 })
	if b.event("all", "again").Message != "" || b.event("all", "elsewhere").Message != first.Validation.Message {
		t.Error(b.events["all"])
	}
}

func TestNothingIsLostWhileTheRealControllerIsDown(t *testing.T) {
	b := newBed(t)
	o := options(t, b.address)
	o.Sink = newSink(t, flux.Options{Address: b.address})
	sinktest.Append(t, o.Journal, 100, 200)
	runner, stop := sinktest.Run(t, o)
	sinktest.Wait(t, "the first notifications", func() bool { return b.Len() == 100 })
	b.do("kill")
	sinktest.Append(t, o.Journal, 200, 400)
	sinktest.Wait(t, "some attempts", func() bool { return runner.Status().Attempts > 5 })
	if err := runner.Status().Err; err == nil || !strings.Contains(err.Error(), "sending to notification-controller at ") {
		t.Error(err)
	}
	b.do("start")
	sinktest.Wait(t, "all notifications", func() bool { s := runner.Status(); return s.Lag == 0 && s.Err == nil && b.Len() == 300 })
	stop()
	if twice := b.Want(t, 100, 400); twice > 0 {
		t.Errorf("%d came twice", twice)
	}
	t.Logf("300 results, 300 notifications, %v", runner.Status().Counts)
}
