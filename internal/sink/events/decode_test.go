package events

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/internal/weave"
)

// old reads an event as an old agent wrote it.
func old(t testing.TB, name string) *corev1.Event {
	t.Helper()
	text, err := os.ReadFile("testdata/old/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var event corev1.Event
	if err := yaml.UnmarshalStrict(text, &event); err != nil {
		t.Fatal(err)
	}
	return &event
}

func TestEventsOfOldAgentsAreRead(t *testing.T) {
	for _, test := range []struct {
		file     string
		enforced bool
		tags     int
		entity   weave.Entity
	}{
		{"2.5.0.yaml", true, 0, weave.Entity{ID: "5a4f1f9f-6c06-4b8c-a5b1-35b1d55e9a10", APIVersion: "apps/v1", Kind: "Deployment", Name: "my-deployment", Namespace: "default", ResourceVersion: "1"}},
		{"head-flux.yaml", false, 2, weave.Entity{ID: "7d9", APIVersion: "apps/v1", Kind: "Deployment", Name: "web", Namespace: "shop", ResourceVersion: "44", HasParent: true}},
	} {
		t.Run(test.file, func(t *testing.T) {
			v, err := Decode(old(t, test.file))
			if err != nil {
				t.Fatal(err)
			}
			if v.Enforced != test.enforced || v.Policy.Enforce != test.enforced || len(v.Policy.Tags) != test.tags || v.Policy.Tags == nil {
				t.Errorf("enforced %v %v, tags %q", v.Enforced, v.Policy.Enforce, v.Policy.Tags)
			}
			if v.Status != weave.StatusViolation || v.Source != weave.SourceAdmission || v.ID == "" || v.Policy.ID == "" || v.CreatedAt.IsZero() || len(v.Occurrences) != 2 {
				t.Errorf("%+v", v)
			}
			if v.Entity.Manifest["kind"] != "Deployment" {
				t.Errorf("the manifest is %v", v.Entity.Manifest)
			}
			v.Entity.Manifest = nil
			got, _ := json.Marshal(v.Entity)
			if want, _ := json.Marshal(test.entity); string(got) != string(want) {
				t.Errorf("the object is %s, want %s", got, want)
			}
		})
	}
}

func TestAnEventThatIsNoneOfAPolicyAgentIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*corev1.Event)
		want   string
	}{
		"another reason":       {func(e *corev1.Event) { e.Reason = "BackOff" }, "not an event of a policy agent"},
		"no policy":            {func(e *corev1.Event) { delete(e.Annotations, "policy_id") }, "not an event of a policy agent"},
		"enforce is no truth":  {func(e *corev1.Event) { e.Annotations["enforce"] = "perhaps" }, `annotation enforce is "perhaps"`},
		"a manifest is a list": {func(e *corev1.Event) { e.Annotations["entity_manifest"] = "[1]" }, "annotation entity_manifest is not"},
		"occurrences end":      {func(e *corev1.Event) { e.Annotations["occurrences"] = "[{" }, "annotation occurrences is not"},
		"parameters go on":     {func(e *corev1.Event) { e.Annotations["parameters"] = "[] []" }, "annotation parameters is not"},
		"standards are one":    {func(e *corev1.Event) { e.Annotations["standards"] = "{}" }, "annotation standards is not"},
		"too large":            {func(e *corev1.Event) { e.Annotations["x"] = strings.Repeat("x", 256<<10) }, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			event := old(t, "2.5.0.yaml")
			event.Name = "my-deployment.1"
			test.change(event)
			_, err := Decode(event)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "default/my-deployment.1") {
				t.Errorf("got %v, want %q and the event", err, test.want)
			}
		})
	}
}

func TestWhatAnEventLacksIsEmpty(t *testing.T) {
	v, err := Decode(&corev1.Event{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"policy_id": "p", "standards": "null"}}, Reason: ReasonCompliance})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(v.Policy)
	if strings.Contains(string(got), "null") || v.Occurrences == nil || v.Status != weave.StatusCompliance {
		t.Errorf("got %s, %+v", got, v)
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"2.5.0.yaml", "head-flux.yaml"} {
		text, err := json.Marshal(old(f, name))
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
		v, err := Decode(&event)
		if err != nil {
			return
		}
		// The hub stores what it reads.
		if _, err := json.Marshal(v); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
		if v.Policy.ID == "" || v.Policy.Tags == nil || v.Policy.Standards == nil || v.Policy.Parameters == nil || v.Occurrences == nil {
			t.Errorf("%+v", v)
		}
	})
}
