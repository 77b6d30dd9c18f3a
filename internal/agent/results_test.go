package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/rest"

	"github.com/assay-gitops/assay/internal/agentconfig"
	"github.com/assay-gitops/assay/internal/gate/admission"
	"github.com/assay-gitops/assay/internal/gate/terraform"
	"github.com/assay-gitops/assay/internal/journal"
	"github.com/assay-gitops/assay/internal/kube/fluxrevision"
	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/policy"
)

// configured is the configuration of a file.
func configured(t testing.TB, content string) *agentconfig.Config {
	t.Helper()
	c, _, err := agentconfig.Load("config.yaml", []byte(content), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newTestResults is the results of an agent with a configuration, in a folder.
func newTestResults(t testing.TB, config, dir string, log io.Writer) *results {
	t.Helper()
	c := configured(t, config)
	c.Journal.Dir, c.ResultsDir = filepath.Join(dir, "journal"), filepath.Join(dir, "logs")
	if err := os.MkdirAll(c.ResultsDir, 0o700); err != nil {
		t.Fatal(err)
	}
	sinks, err := newSinks(c, sinkBuilder{kubernetes: &rest.Config{Host: "https://127.0.0.1:1"}, instance: "test", version: "v1", folder: c.ResultsDir})
	if err != nil {
		t.Fatal(err)
	}
	noFlux := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}: "KustomizationList",
		{Group: "helm.toolkit.fluxcd.io", Version: "v2", Resource: "helmreleases"}:        "HelmReleaseList",
		{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "helmcharts"}:        "HelmChartList",
	})
	return &results{
		config: c, sinks: sinks, metrics: newTestInstruments(), logger: slog.New(slog.NewTextHandler(log, nil)),
		revisions: fluxrevision.New(fluxrevision.Options{Reader: &objects.Reader{Client: noFlux}}),
	}
}

// start runs the results until the journal was tried; stop ends them and waits.
func start(t testing.TB, r *results) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); r.run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(stop)
	eventually(t, "the journal", r.tried.Load)
	return stop
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// decision is one of the admission gate that found a violation.
func decision(name string) admission.Decision {
	object := &policy.Object{Content: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": name, "namespace": "shop", "uid": name},
	}}
	return admission.Decision{
		Webhook: admission.ValidatingWebhook, Operation: policy.Create, Namespace: "shop", Name: name, Object: object,
		Results: []policy.Result{{Policy: policyNamed("p", goodCode), Object: object, Status: policy.Violation, Enforced: true, Message: "wrong"}},
	}
}

func tenant(context.Context, string) string { return "tenant-a" }

// written are the names of the objects in the file of results.
func written(t testing.TB, dir string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "logs", "results.jsonl"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for line := range bytes.Lines(content) {
		var document struct{ Entity struct{ Name string } }
		if err := json.Unmarshal(line, &document); err != nil {
			t.Fatal(err)
		}
		names = append(names, document.Entity.Name)
	}
	return names
}

const toFile = "admission: {enabled: true, sinks: {filesystemSink: {fileName: results.jsonl}}}\n"

func TestWhatAdmissionFoundIsDeliveredByTheNextProcessToo(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	var got []sink.Result
	broken := true
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var document struct{ Results []sink.Result }
		if broken || r.Header.Get("X-Test") != "yes" {
			w.WriteHeader(http.StatusServiceUnavailable)
		} else if err := json.NewDecoder(r.Body).Decode(&document); err != nil {
			t.Error(err)
		}
		got = append(got, document.Results...)
	}))
	defer receiver.Close()
	headers := filepath.Join(dir, "headers")
	if err := os.WriteFile(headers, []byte("X-Test: yes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := "shutdown: {timeout: 1s}\nadmission: {enabled: true, sinks: {filesystemSink: {fileName: results.jsonl}, webhookSink: {url: '" + receiver.URL + "', headersFile: " + headers + "}}}\n"

	first := newTestResults(t, config, dir, io.Discard)
	stop := start(t, first)
	ctx, gone := context.WithCancel(t.Context())
	gone() // whoever asked may be gone; what was found is not
	first.admitted(ctx, decision("a"), tenant)
	unseen := decision("dry")
	unseen.DryRun = true
	first.admitted(ctx, unseen, tenant)
	unseen = decision("mutated")
	unseen.Webhook = "mutating"
	first.admitted(ctx, unseen, tenant)
	first.planned(ctx, terraform.Decision{Results: decision("plan").Results}) // no sink wants it
	eventually(t, "a trouble of the webhook sink", func() bool {
		_, sinks := first.state()
		return len(sinks) == 2 && sinks[1].Name == "admission-webhook" && sinks[1].Lag == 1 && strings.Contains(sinks[1].Trouble, "503")
	})
	eventually(t, "the file", func() bool { return len(written(t, dir)) == 1 })
	notes := first.notes()
	if len(notes) != 3 || notes[0].trouble != "" || notes[1].trouble != "" || !strings.HasPrefix(notes[2].trouble, "1 results wait, delivering fails since ") {
		t.Errorf("notes: %v", notes)
	}
	stop()

	mu.Lock()
	broken = false
	mu.Unlock()
	second := newTestResults(t, config, dir, io.Discard)
	stop = start(t, second)
	second.admitted(t.Context(), decision("b"), tenant)
	eventually(t, "both at the webhook", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == 2 })
	eventually(t, "both in the file", func() bool { return len(written(t, dir)) == 2 })
	stop()
	if names := written(t, dir); !reflect.DeepEqual(names, []string{"a", "b"}) {
		t.Errorf("in the file are %v", names)
	}
	for i, name := range []string{"a", "b"} {
		if r := got[i]; r.Validation.Entity.Name != name || r.Workspace != "tenant-a" || r.Gate != sink.Admission || r.Operation != policy.Create || !r.Validation.Enforced {
			t.Errorf("%+v", r)
		}
	}
	if got[0].Validation.ID == got[1].Validation.ID || got[0].Validation.ID == "" {
		t.Errorf("the ids are %q and %q", got[0].Validation.ID, got[1].Validation.ID)
	}
	if n := testutil.ToFloat64(second.metrics.delivered.WithLabelValues("admission-webhook", "sent")); n != 2 {
		t.Errorf("%v results counted as sent", n)
	}
}

func TestAJournalThatCannotBeOpenedKeepsNobodyWaiting(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "journal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	r := newTestResults(t, toFile, dir, &log)
	stop := start(t, r)
	for range 3 {
		r.admitted(t.Context(), decision("lost"), tenant)
	}
	j, sinks := r.state()
	if j == nil || j.Open || !strings.Contains(j.Trouble, "journal") || j.Unwritten != 3 || len(sinks) != 0 {
		t.Errorf("%+v, %v", j, sinks)
	}
	if notes := r.notes(); len(notes) != 1 || notes[0].trouble != j.Trouble {
		t.Errorf("notes: %v", notes)
	}
	if n := testutil.ToFloat64(r.metrics.unwritten); n != 3 {
		t.Errorf("%v are counted", n)
	}
	stop()
	// Once for the journal and once, not thrice, for results.
	for text, times := range map[string]int{"the journal cannot be opened": 1, "could not be written to the journal": 1} {
		if strings.Count(log.String(), text) != times {
			t.Errorf("%q is not %d times in the log:\n%s", text, times, &log)
		}
	}
}

func TestAResultThatIsTooLargeCostsNoOther(t *testing.T) {
	dir := t.TempDir()
	r := newTestResults(t, toFile, dir, io.Discard)
	stop := start(t, r)
	large, small := decision("large").Results[0], decision("small").Results[0]
	large.Object.Content["data"] = strings.Repeat("x", 5<<20)
	d := decision("both")
	d.Results = []policy.Result{large, small}
	r.admitted(t.Context(), d, tenant)
	eventually(t, "the small one", func() bool { return len(written(t, dir)) > 0 })
	stop()
	if names := written(t, dir); !reflect.DeepEqual(names, []string{"small"}) || r.unwritten.Load() != 1 {
		t.Errorf("written are %v, lost are %d", names, r.unwritten.Load())
	}
}

func TestWithoutSinksThereIsNoJournal(t *testing.T) {
	dir := t.TempDir()
	// The sinks of a gate that is off are off as well.
	r := newTestResults(t, "admission: {enabled: true}\ntfAdmission: {enabled: false, sinks: {filesystemSink: {fileName: a}}}\n", dir, io.Discard)
	start(t, r)
	r.admitted(t.Context(), decision("a"), tenant)
	j, sinks := r.state()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || j != nil || len(sinks) > 0 || len(r.notes()) > 0 || r.unwritten.Load() > 0 {
		t.Errorf("%v, %v, %v, %v", entries, err, j, sinks)
	}
}

func TestTheConfigurationsSinksAreMade(t *testing.T) {
	c := configured(t, `
admission:
  enabled: true
  sinks:
    filesystemSink: {fileName: a, filter: {severities: [high]}}
    k8sEventsSink: {enabled: true}
    fluxNotificationSink: {address: ""}
audit:
  enabled: true
  sinks:
    k8sEventsSink: {enabled: false}
    fluxNotificationSink: {address: "http://notification-controller.flux-system.svc.cluster.local./"}
tfAdmission:
  enabled: true
  sinks:
    webhookSink: {url: "https://example.org", filter: {namespaces: [a, b-*], statuses: [violation], policies: [p]}}
`)
	sinks, err := newSinks(c, sinkBuilder{kubernetes: &rest.Config{}, folder: "/logs"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range sinks {
		names = append(names, s.name())
	}
	if want := []string{"admission-file", "admission-events", "admission-flux", "audit-flux", "terraform-webhook"}; !reflect.DeepEqual(names, want) {
		t.Errorf("sinks %v, want %v", names, want)
	}
	if f := sinks[0].filter; !reflect.DeepEqual(f.Severities, []string{"high"}) {
		t.Errorf("%+v", f)
	}
	if f := sinks[4].filter; !reflect.DeepEqual(f, sink.Filter{Namespaces: []string{"a", "b-*"}, Statuses: []string{"violation"}, Policies: []string{"p"}}) {
		t.Errorf("%+v", f)
	}
}

func TestFilesWithSecretsAreReadWhenNeededAndNotRepeated(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	for content, want := range map[string]string{
		"hunter2 without a colon\n":         "line 1 of " + file + " is no header",
		"A: b\n\nhunter2 with blanks: yes":  "line 3 of " + file,
		"A: b\nAuthorization: Bearer x:y\n": "",
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		header, err := headersIn(file)
		if want == "" {
			if err != nil || header.Get("Authorization") != "Bearer x:y" || header.Get("A") != "b" {
				t.Errorf("%v, %v", header, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	for content, want := range map[string]string{"\n \n": "holds no secret", "whsec_hunter2!": "", "one\ntwo\n": "two"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		secrets, err := secretsIn(file)
		if want == "two" {
			if err != nil || len(secrets) != 2 {
				t.Errorf("%q, %v", secrets, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if _, err := clientTrusting(file); err == nil || !strings.Contains(err.Error(), "no PEM certificate") {
		t.Errorf("error %v", err)
	}
}

func TestMetricsTellTheStateOfJournalAndSinks(t *testing.T) {
	r := newTestResults(t, toFile, t.TempDir(), io.Discard)
	collector := newResultsCollector(r)
	if n := testutil.CollectAndCount(collector); n != 1 {
		t.Errorf("%d metrics before the journal is open, want that it is not", n)
	}
	start(t, r)
	j := r.journal.Load()
	if err := j.Append(t.Context(), journal.Record{ID: "x", Time: time.Now(), Payload: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if problems, err := testutil.CollectAndLint(collector); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	want := "# HELP assay_journal_open 1 while the journal is open; results are lost while it is not.\n# TYPE assay_journal_open gauge\nassay_journal_open 1\n"
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want), "assay_journal_open"); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(collector, "assay_sink_lag"); n != 1 {
		t.Errorf("%d lags", n)
	}
}
