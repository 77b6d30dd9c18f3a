package admission

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// policies reads those of testdata/policies with the given names, all without names.
func policies(t testing.TB, names ...string) []*v2.Policy {
	t.Helper()
	if len(names) == 0 {
		names = []string{"*"}
	}
	var all []*v2.Policy
	for _, name := range names {
		files, err := filepath.Glob(filepath.Join("testdata/policies", name+".yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no policy %s (%v)", name, err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, parsePolicy(t, string(content)))
		}
	}
	return all
}

func parsePolicy(t testing.TB, manifest string) *v2.Policy {
	t.Helper()
	p := &v2.Policy{}
	if err := yaml.UnmarshalStrict([]byte(manifest), p); err != nil {
		t.Fatal(err)
	}
	return p
}

func compile(t testing.TB, sources engine.Sources, options engine.Options) *engine.Snapshot {
	t.Helper()
	snapshot, problems, err := engine.Compile(context.Background(), sources, options)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Fatalf("%s: %s", p.Field, p.Message)
	}
	return snapshot
}

// stage is the options of a handler, and what it recorded and logged.
type stage struct {
	Options
	mu        sync.Mutex
	decisions []Decision
	log       bytes.Buffer
}

func newStage(t testing.TB, all ...*v2.Policy) *stage {
	t.Helper()
	snapshot := compile(t, engine.Sources{Policies: all}, engine.Options{})
	s := &stage{}
	s.Options = Options{
		Snapshot: func() *engine.Snapshot { return snapshot },
		Record: func(_ context.Context, d Decision) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.decisions = append(s.decisions, d)
		},
		OwnNamespace: "assay-system",
		Logger:       slog.New(slog.NewTextHandler(&lockedWriter{w: &s.log}, nil)),
	}
	return s
}

type lockedWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// decision is the only one that was recorded.
func (s *stage) decision(t testing.TB) Decision {
	t.Helper()
	if len(s.decisions) != 1 {
		t.Fatalf("%d decisions were recorded, want one", len(s.decisions))
	}
	return s.decisions[0]
}

// object is a manifest as JSON.
func object(t testing.TB, manifest string) runtime.RawExtension {
	t.Helper()
	if manifest == "" {
		return runtime.RawExtension{}
	}
	raw, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	return runtime.RawExtension{Raw: raw}
}

// resources are the plurals of the kinds that occur in tests.
var resources = map[string]string{
	"Deployment": "deployments", "Pod": "pods", "Namespace": "namespaces", "ReplicaSet": "replicasets",
	"Lease": "leases", "Widget": "widgets", "Job": "jobs", "PodExecOptions": "pods",
}

// asked is the request to create, update (when old is given) or, without manifest, delete an object, as change leaves it.
func asked(t testing.TB, manifest, old string, change ...func(*admissionv1.AdmissionRequest)) *admissionv1.AdmissionRequest {
	t.Helper()
	request := &admissionv1.AdmissionRequest{
		UID: "7b5c", Operation: admissionv1.Create, Object: object(t, manifest), OldObject: object(t, old),
		UserInfo: authenticationv1.UserInfo{Username: "jane", Groups: []string{"dev"}, Extra: map[string]authenticationv1.ExtraValue{"k": {"v"}}},
		DryRun:   new(bool),
	}
	judged := manifest
	switch {
	case manifest == "":
		request.Operation, judged = admissionv1.Delete, old
	case old != "":
		request.Operation = admissionv1.Update
	}
	var o struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
	}
	if err := yaml.Unmarshal([]byte(judged), &o); err != nil {
		t.Fatal(err)
	}
	gvk := o.GroupVersionKind()
	request.Kind = metav1.GroupVersionKind{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind}
	if resources[gvk.Kind] == "" {
		t.Fatalf("no plural for %q", gvk.Kind)
	}
	request.Resource = metav1.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: resources[gvk.Kind]}
	request.Name, request.Namespace = o.Name, o.Namespace
	if gvk.Kind == "Namespace" {
		request.Namespace = o.Name // as the API server does
	}
	for _, c := range change {
		c(request)
	}
	return request
}

func reviewJSON(t testing.TB, request *admissionv1.AdmissionRequest) []byte {
	t.Helper()
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: request,
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// answer is what came back: a response, or a status when it was an HTTP error.
type answer struct {
	*admissionv1.AdmissionResponse
	code   int
	status *metav1.Status
}

func post(t testing.TB, h http.Handler, path string, body []byte) answer {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return read(t, w)
}

// read reads an answer as the API server does, and demands that it is one.
func read(t testing.TB, w *httptest.ResponseRecorder) answer {
	t.Helper()
	a := answer{code: w.Code}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Fatalf("content type %q", got)
	}
	decoder := json.NewDecoder(w.Body)
	decoder.DisallowUnknownFields()
	if w.Code != http.StatusOK {
		a.status = &metav1.Status{}
		if err := decoder.Decode(a.status); err != nil {
			t.Fatal(err)
		}
		if a.status.Kind != "Status" || a.status.Status != metav1.StatusFailure || int(a.status.Code) != w.Code || a.status.Message == "" || a.status.Reason == "" {
			t.Fatalf("incomplete status %+v", a.status)
		}
		return a
	}
	var review admissionv1.AdmissionReview
	if err := decoder.Decode(&review); err != nil {
		t.Fatal(err)
	}
	if review.APIVersion != "admission.k8s.io/v1" || review.Kind != "AdmissionReview" || review.Response == nil {
		t.Fatalf("no review: %+v", review)
	}
	a.AdmissionResponse = review.Response
	return a
}

// ask asks about a request whose uid must come back.
func ask(t testing.TB, h http.Handler, path string, request *admissionv1.AdmissionRequest) answer {
	t.Helper()
	a := post(t, h, path, reviewJSON(t, request))
	if a.AdmissionResponse != nil && a.UID != request.UID {
		t.Fatalf("the uid is %q, want %q", a.UID, request.UID)
	}
	return a
}

// golden compares with a file in testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (- want, + got); go test -update rewrites it:\n%s", file, diff)
	}
}

// shown is an answer as people see it.
func (a answer) shown() string {
	var b strings.Builder
	switch {
	case a.AdmissionResponse == nil:
		b.WriteString("HTTP " + http.StatusText(a.code) + ": " + a.status.Message + "\n")
		return b.String()
	case a.Allowed:
		b.WriteString("allowed\n")
	default:
		b.WriteString("refused, " + http.StatusText(int(a.Result.Code)) + ", " + string(a.Result.Reason) + "\n" + a.Result.Message)
	}
	for _, w := range a.Warnings {
		b.WriteString("Warning: " + w + "\n")
	}
	annotations, _ := json.MarshalIndent(a.AuditAnnotations, "", "  ")
	b.WriteString("audit: " + string(annotations) + "\n")
	return b.String()
}
