package events

import (
	"context"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/sqlite"
	"github.com/assay-gitops/assay/internal/sink"
	sinkevents "github.com/assay-gitops/assay/internal/sink/events"
	"github.com/assay-gitops/assay/internal/weave"
)

// The events that old agents wrote, and those that ours writes.
const fixtures = "../../sink/events/testdata/"

func fixture(t testing.TB, name string) *corev1.Event {
	t.Helper()
	text, err := os.ReadFile(fixtures + name)
	if err != nil {
		t.Fatal(err)
	}
	var event corev1.Event
	if err := yaml.UnmarshalStrict(text, &event); err != nil {
		t.Fatal(err)
	}
	return &event
}

func opened(t testing.TB) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// violations are all that a store has.
func violations(t testing.TB, s store.Store) []store.Violation {
	t.Helper()
	page, err := s.Violations(context.Background(), store.Query{Scope: store.Scope{All: true}}, store.Page{Order: store.ByObject, Ascending: true, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Items
}

func read(t testing.TB, event *corev1.Event) *sink.Result {
	t.Helper()
	result, unread, err := Result(event)
	if err != nil || len(unread) > 0 {
		t.Fatalf("%v, unread %v", err, unread)
	}
	return result
}

func TestEventsOfOldAgentsBecomeViolations(t *testing.T) {
	s := opened(t)
	results := []*sink.Result{read(t, fixture(t, "old/2.5.0.yaml")), read(t, fixture(t, "old/head-flux.yaml"))}
	for n := range 2 {
		if added, err := s.Add(t.Context(), "home", results); err != nil || added != len(results)*(1-n) {
			t.Fatalf("added %d: %v", added, err)
		}
	}
	found := violations(t, s)
	if len(found) != 2 {
		t.Fatalf("%+v", found)
	}
	warned, refused := found[0], found[1]
	if refused.Status != store.Resolved || refused.Resolution != store.Denied || refused.Gate != sink.Admission || refused.App != nil ||
		refused.Namespace != "default" || refused.Name != "my-deployment" || refused.PolicyID != "weave.policies.missing-app-label" ||
		!reflect.DeepEqual(refused.Standards, []store.Standard{{ID: "weave.standards.gdpr", Controls: []string{"weave.controls.gdpr.25"}}}) {
		t.Errorf("of 2.5.0: %+v", refused)
	}
	if warned.Status != store.Open || warned.Enforced || warned.Namespace != "shop" || warned.Name != "web" || warned.Kind != "Deployment" || warned.APIVersion != "apps/v1" ||
		warned.App == nil || *warned.App != (sink.App{Kind: "Kustomization", Namespace: "flux-system", Name: "apps"}) ||
		!warned.FirstSeen.Equal(time.Date(2024, 8, 1, 10, 0, 0, 0, time.UTC)) || warned.Severity != "medium" {
		t.Errorf("of the last version: %+v", warned)
	}
	whole, err := s.Violation(t.Context(), store.Scope{All: true}, warned.ID)
	if err != nil {
		t.Fatal(err)
	}
	v := whole.Document.Validation
	if v.ID != "66101548-12c1-4f79-a09a-a12979903fbb" || len(v.Occurrences) != 2 || *v.Occurrences[0].ViolatingKey != "spec.replicas" ||
		len(v.Policy.Parameters) != 1 || v.Policy.Parameters[0].Name != "replica_count" || v.Entity.Manifest["kind"] != "Deployment" {
		t.Errorf("its document: %+v", v)
	}
}

func TestComplianceOfAuditEndsAViolation(t *testing.T) {
	s := opened(t)
	event := fixture(t, "old/head-flux.yaml")
	event.Labels[sinkevents.LabelType] = weave.SourceAudit
	add := func() store.Violation {
		if _, err := s.Add(t.Context(), "home", []*sink.Result{read(t, event)}); err != nil {
			t.Fatal(err)
		}
		return violations(t, s)[0]
	}
	if v := add(); v.Status != store.Open || v.Gate != sink.Audit {
		t.Errorf("%+v", v)
	}
	event.Reason, event.Type, event.Labels[sinkevents.LabelID] = sinkevents.ReasonCompliance, corev1.EventTypeNormal, "another"
	event.FirstTimestamp = metav1.NewTime(event.FirstTimestamp.Add(24 * time.Hour))
	if v := add(); v.Status != store.Resolved || v.Count != 2 {
		t.Errorf("%+v", v)
	}
}

// The hub leaves our own events alone. Were they read, because the name of one is not what it should be, it would be the same result.
func TestEventsOfOurAgentAreKnownAndWouldBeTheSameResults(t *testing.T) {
	for _, name := range []string{"object.yaml", "flux.yaml", "resolved.yaml", "excepted.yaml", "error.yaml", "terraform.yaml"} {
		event := fixture(t, name)
		if !sinkevents.IsOurs(event) {
			t.Errorf("%s is not known as ours", name)
		}
		got := read(t, event)
		if got.Validation.ID != event.Labels[sinkevents.LabelID] {
			t.Errorf("%s has the ID %s", name, got.Validation.ID)
		}
	}
	for _, name := range []string{"old/2.5.0.yaml", "old/head-flux.yaml"} {
		if sinkevents.IsOurs(fixture(t, name)) {
			t.Errorf("%s is taken for ours", name)
		}
	}
}

func TestWhatIsReadOfBrokenEvents(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*corev1.Event)
		err    error
		unread []string
		want   func(*sink.Result) bool
	}{
		"a standard that is no list": {
			change: func(e *corev1.Event) { e.Annotations["standards"] = "{"; e.Annotations["occurrences"] = "[{}] []" },
			unread: []string{"standards", "occurrences"},
			want: func(r *sink.Result) bool {
				return len(r.Validation.Policy.Standards) == 0 && len(r.Validation.Policy.Parameters) == 1 && len(r.Validation.Occurrences) == 0
			},
		},
		"enforce that is no truth": {
			change: func(e *corev1.Event) { e.Annotations["enforce"] = "perhaps" }, unread: []string{"enforce"},
			want: func(r *sink.Result) bool { return r.Validation.Enforced },
		},
		"no ID": {
			change: func(e *corev1.Event) { delete(e.Labels, sinkevents.LabelID); e.UID = "the-uid" },
			want:   func(r *sink.Result) bool { return r.Validation.ID == "the-uid" },
		},
		"a clock that is ahead": {
			change: func(e *corev1.Event) {
				e.CreationTimestamp = metav1.NewTime(time.Unix(1_700_000_000, 0))
				e.FirstTimestamp = metav1.NewTime(time.Unix(1_800_000_000, 0))
			},
			want: func(r *sink.Result) bool { return r.Validation.CreatedAt.Unix() == 1_700_000_000 },
		},
		"a clock that is behind": {
			change: func(e *corev1.Event) { e.CreationTimestamp = metav1.NewTime(time.Unix(1_800_000_000, 0)) },
			want:   func(r *sink.Result) bool { return r.Validation.CreatedAt.Year() == 2024 },
		},
		"Flux and no manifest":       {change: func(e *corev1.Event) { delete(e.Annotations, "entity_manifest") }, err: errObject},
		"Flux and a broken manifest": {change: func(e *corev1.Event) { e.Annotations["entity_manifest"] = `{"kind":` }, err: errObject, unread: []string{"entity_manifest"}},
		"another's namespace": {
			change: func(e *corev1.Event) {
				e.InvolvedObject = corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "flux-system", Name: "x"}
			},
			err: errNamespace,
		},
		"no ID at all":      {change: func(e *corev1.Event) { delete(e.Labels, sinkevents.LabelID) }, err: errID},
		"no time":           {change: func(e *corev1.Event) { e.FirstTimestamp = metav1.Time{} }, err: errTime},
		"a type of nobody":  {change: func(e *corev1.Event) { e.Labels[sinkevents.LabelType] = "Guess" }, err: errGate},
		"another's event":   {change: func(e *corev1.Event) { e.Reason = "BackOff" }, err: errNone},
		"a name for nobody": {change: func(e *corev1.Event) { e.Annotations["policy_id"] = strings.Repeat("x", 2000) }, err: errLong},
	} {
		t.Run(name, func(t *testing.T) {
			event := fixture(t, "old/head-flux.yaml")
			test.change(event)
			result, unread, err := Result(event)
			if err != test.err || !slices.Equal(unread, test.unread) {
				t.Fatalf("got %v, unread %v", err, unread)
			}
			if test.want != nil && !test.want(result) {
				t.Errorf("%+v", result)
			}
		})
	}
}

func TestSecretsOfManifestsAreMasked(t *testing.T) {
	const secret = "hunter2"
	for name, manifest := range map[string]string{
		"whole":           `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"default","annotations":{"a":"hunter2"},"managedFields":["hunter2"]},"stringData":{"p":"hunter2"}}`,
		"without a kind":  `{"metadata":{"annotations":{"a":"hunter2"}},"data":{"p":"hunter2"}}`,
		"without a name":  `{"apiVersion":"v1","kind":"Secret","data":"hunter2"}`,
		"called the same": `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":["hunter2"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			event := fixture(t, "old/2.5.0.yaml")
			event.InvolvedObject = corev1.ObjectReference{APIVersion: "v1", Kind: "Secret", Namespace: "default", Name: "s"}
			event.Annotations["entity_manifest"] = manifest
			event.Annotations["occurrences"] = `[{"message":"m","violating_key":"data.p","recommended_value":"hunter2"},{"message":"m","recommended_value":"hunter2"}]`
			text, err := json.Marshal(read(t, event))
			if err != nil || strings.Contains(string(text), secret) {
				t.Errorf("%v: %s", err, text)
			}
		})
	}
	event := fixture(t, "old/2.5.0.yaml")
	event.Labels[sinkevents.LabelType] = weave.SourceTFAdmission
	event.Annotations["entity_manifest"] = `{"apiVersion":"tf/v1","kind":"Terraform","metadata":{"name":"t","namespace":"default"},"plan":"hunter2"}`
	text, err := json.Marshal(read(t, event))
	if err != nil || strings.Contains(string(text), secret) {
		t.Errorf("a plan: %v: %s", err, text)
	}
}

func FuzzResult(f *testing.F) {
	for _, name := range []string{"old/2.5.0.yaml", "old/head-flux.yaml", "resolved.yaml", "terraform.yaml"} {
		text, err := json.Marshal(fixture(f, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var event corev1.Event
		if json.Unmarshal(text, &event) != nil {
			t.Skip()
		}
		result, _, err := Result(&event)
		if err != nil {
			if result != nil {
				t.Errorf("%v and a result", err)
			}
			return
		}
		// What is read is something that the store takes.
		v := &result.Validation
		if _, err := json.Marshal(result); err != nil || v.ID == "" || result.Gate == "" || v.Policy.ID == "" || v.CreatedAt.Unix() <= 0 || v.CreatedAt.Year() >= 2200 {
			t.Errorf("%v: %+v", err, result)
		}
	})
}
