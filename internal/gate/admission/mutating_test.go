package admission

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	kjson "sigs.k8s.io/json"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/policy"
)

// patched is the object of the request as the API server makes it of the answer.
func patched(t *testing.T, request *admissionv1.AdmissionRequest, a answer) map[string]any {
	t.Helper()
	if a.AdmissionResponse == nil || !a.Allowed {
		t.Fatalf("the mutating webhook refused: %s", a.shown())
	}
	raw := request.Object.Raw
	if a.Patch != nil {
		if a.PatchType == nil || *a.PatchType != admissionv1.PatchTypeJSONPatch {
			t.Fatalf("patch type %v", a.PatchType)
		}
		patch, err := jsonpatch.DecodePatch(a.Patch)
		if err != nil {
			t.Fatal(err)
		}
		if raw, err = patch.Apply(raw); err != nil {
			t.Fatalf("applying %s: %v", a.Patch, err)
		}
	} else if a.PatchType != nil {
		t.Fatal("there is a patch type without a patch")
	}
	var content map[string]any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &content); err != nil {
		t.Fatal(err)
	}
	return content
}

func valueAt(t *testing.T, content map[string]any, path string) any {
	t.Helper()
	parsed, err := policy.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	var at any = content
	for _, step := range parsed {
		if step.IsIndex {
			list, _ := at.([]any)
			if step.Index >= len(list) {
				return nil
			}
			at = list[step.Index]
			continue
		}
		m, _ := at.(map[string]any)
		at = m[step.Key]
	}
	return at
}

func repairing(t testing.TB, names ...string) []*v2.Policy {
	all := policies(t, names...)
	for _, p := range all {
		p.Spec.Mutate = true
	}
	return all
}

func TestRecommendedValuesAreWritten(t *testing.T) {
	s := newStage(t, repairing(t, "privileged", "replicas", "owner-label")...)
	h := Mutating(s.Options)
	request := asked(t, deployment, "")
	got := ask(t, h, "/mutation", request)
	content := patched(t, request, got)
	for path, want := range map[string]any{
		"spec.replicas": int64(2),
		"spec.template.spec.containers[0].securityContext.privileged": false,
		"spec.template.spec.containers[1].securityContext.privileged": false,
		`metadata.labels["pac.weave.works/mutated"]`:                  "",
		"metadata.managedFields[0].manager":                           "kubectl",
		"spec.template.spec.containers[0].name":                       "main",
	} {
		if got := valueAt(t, content, path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	golden(t, "mutated.txt", got.shown())
	d := s.decision(t)
	if d.Webhook != "mutating" || !d.Allowed || len(d.Applied) != 3 || len(d.Results) != 3 || d.Object.Content["spec"].(map[string]any)["replicas"] != int64(1) {
		t.Errorf("decision %+v", d)
	}

	// The validating webhook finds nothing of it any more, and another round of mutation changes nothing.
	raw, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	again := asked(t, string(raw), "")
	if got := ask(t, h, "/mutation", again); got.Patch != nil {
		t.Errorf("changed again: %s", got.Patch)
	}
	if got := ask(t, Validating(s.Options), "/admission", again); !got.Allowed || len(got.Warnings) != 1 {
		t.Errorf("after the repair: %s", got.shown())
	}
}

func TestUpdatesAreRepairedToo(t *testing.T) {
	s := newStage(t, repairing(t, "replicas")...)
	request := asked(t, deployment, compliant)
	if content := patched(t, request, ask(t, Mutating(s.Options), "/mutation", request)); valueAt(t, content, "spec.replicas") != int64(2) {
		t.Error("an update was not repaired")
	}
}

func TestWhatIsLeftAlone(t *testing.T) {
	pod := `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {containers: [{name: a, securityContext: {privileged: true}}]}}`
	set := `{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web-1, namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: u, controller: true}]}, spec: {template: {spec: {containers: [{name: a, securityContext: {privileged: true}}]}}}}`
	ofReplicaSets := repairing(t, "privileged")[0]
	ofReplicaSets.Spec.Targets.Kinds = []string{"ReplicaSet"}
	all := append(repairing(t, "privileged", "replicas"), func() *v2.Policy { p := *ofReplicaSets; p.Spec.ID = "weave.policies.sets"; return &p }())
	by := func(user string) func(r *admissionv1.AdmissionRequest) {
		return func(r *admissionv1.AdmissionRequest) { r.UserInfo.Username = user }
	}
	for name, test := range map[string]struct {
		request *admissionv1.AdmissionRequest
		brake   bool
		changed bool
	}{
		"a deployment":          {request: asked(t, deployment, ""), changed: true},
		"what complies":         {request: asked(t, compliant, "")},
		"while the brake is on": {request: asked(t, deployment, ""), brake: true},
		"what is deleted":       {request: asked(t, "", deployment)},
		"what is being deleted": {request: asked(t, strings.Replace(deployment, "  name: web\n", "  name: web\n  deletionTimestamp: '2026-01-01T00:00:00Z'\n", 1), deployment)},
		"a subresource":         {request: asked(t, deployment, deployment, func(r *admissionv1.AdmissionRequest) { r.SubResource = "scale" })},
		"an exempt namespace":   {request: asked(t, strings.Replace(deployment, "shop", "kube-system", 1), "")},
		"a pod that is made":    {request: asked(t, pod, ""), changed: true},
		// The API server would refuse the update.
		"a pod that exists": {request: asked(t, strings.Replace(pod, "name: web,", "name: web, labels: {a: b},", 1), pod)},
		// The manifest that is applied again does not have what was repaired when the pod was made.
		"a pod that was repaired": {request: asked(t, pod, strings.Replace(pod, "true", "false", 1)), changed: true},
		// The Deployment would make another, and another.
		"a replica set of a deployment":                    {request: asked(t, set, "", by("system:serviceaccount:kube-system:deployment-controller"))},
		"a replica set that is said to be of a deployment": {request: asked(t, set, "", by("jane")), changed: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, all...)
			s.Brake = func() (string, bool) { return "", test.brake }
			got := ask(t, Mutating(s.Options), "/mutation", test.request)
			if test.request.Operation == admissionv1.Delete {
				if got.Patch != nil || !got.Allowed {
					t.Errorf("got %s", got.shown())
				}
				return
			}
			patched(t, test.request, got)
			if changed := got.Patch != nil; changed != test.changed || !changed && len(got.Warnings) > 0 {
				t.Errorf("the patch is %s\n%s", got.Patch, got.shown())
			}
		})
	}
}

func rego(t *testing.T, id, kind, body string) *v2.Policy {
	t.Helper()
	p := &v2.Policy{}
	p.Name = id
	p.Spec = v2.PolicySpec{ID: id, Name: id, Severity: v2.SeverityHigh, Mutate: true, Targets: v2.PolicyTargets{Kinds: []string{kind}}, Code: "package x\n" + body}
	return p
}

// The API server refuses a request whose patched object it cannot read, whatever failurePolicy says.
func TestValuesOfTheWrongTypeAreNotWritten(t *testing.T) {
	s := newStage(t,
		rego(t, "weave.policies.a", "Deployment", `violation contains {"msg": "m", "violating_key": "spec.minReadySeconds", "recommended_value": 5} if { not input.review.object.spec.minReadySeconds }`),
		rego(t, "weave.policies.b", "Deployment", `violation contains {"msg": "m", "violating_key": "spec.replicas", "recommended_value": "three"} if { input.review.object.spec.replicas < 3 }`),
		rego(t, "weave.policies.c", "Deployment", `violation contains {"msg": "m", "violating_key": "spec.paused", "recommended_value": true} if { not input.review.object.spec.paused }`),
	)
	request := asked(t, deployment, "")
	got := ask(t, Mutating(s.Options), "/mutation", request)
	content := patched(t, request, got)
	if valueAt(t, content, "spec.minReadySeconds") != int64(5) || valueAt(t, content, "spec.paused") != true || valueAt(t, content, "spec.replicas") != int64(1) {
		t.Errorf("the patch is %s", got.Patch)
	}
	want := []string{
		"assay changed deployment/web: spec.minReadySeconds (weave.policies.a), spec.paused (weave.policies.c)",
		"weave.policies.b: deployment/web: not repaired at spec.replicas: a Deployment with the recommended value could not be read",
	}
	if diff := cmp.Diff(want, got.Warnings); diff != "" {
		t.Error(diff)
	}
}

func TestValuesThatDependOnEachOther(t *testing.T) {
	follow := rego(t, "weave.policies.b", "Deployment", `violation contains {"msg": "m", "violating_key": "spec.minReadySeconds", "recommended_value": n} if { n := input.review.object.spec.replicas * 10; input.review.object.spec.minReadySeconds != n }`)
	s := newStage(t, append(repairing(t, "replicas"), follow)...)
	request := asked(t, strings.Replace(deployment, "replicas: 1", "replicas: 1\n  minReadySeconds: 1", 1), "")
	got := ask(t, Mutating(s.Options), "/mutation", request)
	content := patched(t, request, got)
	if valueAt(t, content, "spec.minReadySeconds") != int64(20) || valueAt(t, content, "spec.replicas") != int64(2) {
		t.Errorf("the patch is %s", got.Patch)
	}
}

// A policy that is never satisfied ends after two rounds, and is told about.
func TestPoliciesThatContradictThemselves(t *testing.T) {
	s := newStage(t, rego(t, "weave.policies.more", "Deployment", `violation contains {"msg": "m", "violating_key": "spec.replicas", "recommended_value": n} if { n := input.review.object.spec.replicas + 1 }`))
	request := asked(t, deployment, "")
	got := ask(t, Mutating(s.Options), "/mutation", request)
	if content := patched(t, request, got); valueAt(t, content, "spec.replicas") != int64(3) {
		t.Errorf("the patch is %s", got.Patch)
	}
	if len(got.Warnings) != 2 || !strings.Contains(got.Warnings[1], "the policy is not satisfied by the value that it recommends") {
		t.Errorf("warnings %q", got.Warnings)
	}
}

func TestMutationNeverRefuses(t *testing.T) {
	s := newStage(t, repairing(t, "replicas")...)
	request := asked(t, deployment, "")
	for name, change := range map[string]func(o *Options){
		"no policies yet": func(o *Options) { o.Snapshot = func() *engine.Snapshot { return nil } },
		"a panic":         func(o *Options) { o.Snapshot = func() *engine.Snapshot { panic("x") } },
		"no time":         func(o *Options) { st := &stage{}; waiting(st); o.Timeout, o.Namespace = st.Timeout, st.Namespace },
	} {
		o := s.Options
		change(&o)
		got := ask(t, Mutating(o), "/mutation", request)
		if got.AdmissionResponse == nil || !got.Allowed || got.Patch != nil || len(got.Warnings) != 1 || !strings.HasPrefix(got.Warnings[0], "assay: not repaired: ") {
			t.Errorf("%s: %s", name, got.shown())
		}
	}
	if got := post(t, Mutating(s.Options), "/mutation", []byte("{}")); got.code != http.StatusBadRequest {
		t.Errorf("what is no review: %s", got.shown())
	}
}

func TestWarningsOfMutationAreFew(t *testing.T) {
	var all []*v2.Policy
	for i := range 100 {
		id := "weave.policies." + strings.Repeat(string(rune('a'+i%26)), 1+i/26)
		all = append(all,
			rego(t, id+".index", "Deployment", `violation contains {"msg": "m", "violating_key": "spec.template.spec.containers[9].image", "recommended_value": "x"}`),
			rego(t, id+".label", "Deployment", `violation contains {"msg": "m", "violating_key": "metadata.annotations.`+id[15:]+`", "recommended_value": "x"} if { not input.review.object.metadata.annotations.`+id[15:]+` }`))
	}
	s := newStage(t, all...)
	request := asked(t, deployment, "")
	got := ask(t, Mutating(s.Options), "/mutation", request)
	patched(t, request, got)
	total := 0
	for _, w := range got.Warnings {
		n := utf8.RuneCountInString(w)
		total += n
		if n > maxWarning {
			t.Errorf("%d characters: %s", n, w)
		}
	}
	if total > maxMutatingWarnings || !strings.Contains(got.Warnings[0], " and 9") || !strings.Contains(got.Warnings[len(got.Warnings)-1], "more warnings are not shown") {
		t.Errorf("%d characters: %q", total, got.Warnings)
	}
}
