package fix

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// mutating is the result of a policy with spec.mutate.
func mutating(id string, occurrences ...policy.Occurrence) policy.Result {
	p := &v2.Policy{Spec: v2.PolicySpec{ID: id, Mutate: true}}
	return policy.Result{Policy: p, Status: policy.Violation, Occurrences: occurrences}
}

func at(path string, value any) policy.Occurrence {
	return policy.Occurrence{Message: "wrong", Path: path, RecommendedValue: value}
}

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return objectOfJSON(t, asJSON)
}

// objectOfJSON has the types of numbers that policy.Object has.
func objectOfJSON(t testing.TB, asJSON []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(asJSON)))
	decoder.UseNumber()
	var content map[string]any
	if err := decoder.Decode(&content); err != nil {
		t.Fatal(err)
	}
	normal, _, err := normalise(content, maxValue)
	if err != nil {
		t.Fatal(err)
	}
	return normal.(map[string]any)
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web, app.kubernetes.io/part-of: shop}}
spec:
  replicas: 1
  template:
    metadata: {labels: {app: web}}
    spec:
      securityContext: null
      init-containers: [{name: a}]
      x_y: [{name: a}]
      containers:
        - {name: main, image: "nginx:1", args: [a, b]}
        - {name: side}
`

const cronJob = `
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  jobTemplate: {spec: {template: {spec: {containers: [{name: main}]}}}}
`

const pod = `
apiVersion: v1
kind: Pod
metadata: {name: one}
spec: {containers: [{name: main}]}
`

// A value is written where the path says, and nowhere else.
func TestValuesAreWrittenAtTheirPaths(t *testing.T) {
	tests := map[string]struct {
		object string
		path   string
		value  any
		// wantPath is where the value must be; lists and maps in place of it are compared whole.
		wantPath policy.Path
		wantOld  any
	}{
		"a field": {deployment, "spec.replicas", int64(3),
			policy.Path{policy.Key("spec"), policy.Key("replicas")}, int64(1)},
		"a field of an element": {deployment, "spec.template.spec.containers[0].image", "nginx:2",
			policy.Path{policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("containers"), policy.Index(0), policy.Key("image")}, "nginx:1"},
		"an element": {deployment, "spec.template.spec.containers[0].args[1]", "c",
			policy.Path{policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("containers"), policy.Index(0), policy.Key("args"), policy.Index(1)}, "b"},
		"an index as a key": {deployment, "spec.template.spec.containers.1.image", "x",
			policy.Path{policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("containers"), policy.Index(1), policy.Key("image")}, nil},
		"maps on the way are made": {deployment, "spec.template.spec.containers[1].securityContext.seccompProfile.type", "RuntimeDefault",
			policy.Path{policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("containers"), policy.Index(1), policy.Key("securityContext"), policy.Key("seccompProfile"), policy.Key("type")}, nil},
		"a null on the way is nothing": {deployment, "spec.template.spec.securityContext.runAsNonRoot", true,
			policy.Path{policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("securityContext"), policy.Key("runAsNonRoot")}, nil},
		"an element after the last is appended": {deployment, "spec.template.spec.containers[0].args[2]", "c",
			policy.Path{policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("containers"), policy.Index(0), policy.Key("args"), policy.Index(2)}, nil},
		"a list that is missing is made for its first element": {deployment, "spec.template.spec.tolerations[0]", map[string]any{"operator": "Exists"},
			policy.Path{policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("tolerations"), policy.Index(0)}, nil},
		"a key with a dash before an index": {deployment, "spec.template.spec.init-containers[0].image", "x",
			policy.Path{policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("init-containers"), policy.Index(0), policy.Key("image")}, nil},
		"a key with an underscore before an index": {deployment, "spec.template.spec.x_y[0].image", "x",
			policy.Path{policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("x_y"), policy.Index(0), policy.Key("image")}, nil},
		"a quoted key with dots": {deployment, `metadata.labels["app.kubernetes.io/name"]`, "web",
			policy.Path{policy.Key("metadata"), policy.Key("labels"), policy.Key("app.kubernetes.io/name")}, nil},
		"an escaped key with dots": {deployment, `metadata.labels.app\.kubernetes\.io/name`, "web",
			policy.Path{policy.Key("metadata"), policy.Key("labels"), policy.Key("app.kubernetes.io/name")}, nil},
		"a bare key with dots that is there": {deployment, `metadata.labels.app.kubernetes.io/part-of`, "web",
			policy.Path{policy.Key("metadata"), policy.Key("labels"), policy.Key("app.kubernetes.io/part-of")}, "shop"},
		"a bare key with dots that is missing, beside one that begins like it": {deployment, `metadata.labels.app.kubernetes.io/name`, "web",
			policy.Path{policy.Key("metadata"), policy.Key("labels"), policy.Key("app.kubernetes.io/name")}, nil},
		"a bare key with dots in a map that is missing": {pod, `metadata.annotations.example.com/owner`, "shop",
			policy.Path{policy.Key("metadata"), policy.Key("annotations"), policy.Key("example.com/owner")}, nil},
		"a quoted key with a slash in a map that is missing": {pod, `metadata.annotations["team/owner"]`, "shop",
			policy.Path{policy.Key("metadata"), policy.Key("annotations"), policy.Key("team/owner")}, nil},
		"a bare resource with dots": {pod, `spec.containers[0].resources.limits.nvidia.com/gpu`, int64(1),
			policy.Path{policy.Key("spec"), policy.Key("containers"), policy.Index(0), policy.Key("resources"), policy.Key("limits"), policy.Key("nvidia.com/gpu")}, nil},
		"a file of a ConfigMap": {"{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}", `data.app.properties`, "a=b",
			policy.Path{policy.Key("data"), policy.Key("app.properties")}, nil},
		"the pod of a CronJob by an older path": {cronJob, "spec.template.spec.containers[0].image", "x",
			policy.Path{policy.Key("spec"), policy.Key("jobTemplate"), policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("containers"), policy.Index(0), policy.Key("image")}, nil},
		"a missing field of the pod of a CronJob by an older path": {cronJob, "spec.template.spec.securityContext.runAsNonRoot", true,
			policy.Path{policy.Key("spec"), policy.Key("jobTemplate"), policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("securityContext"), policy.Key("runAsNonRoot")}, nil},
		"a pod by an older path": {pod, "spec.template.spec.hostNetwork", false,
			policy.Path{policy.Key("spec"), policy.Key("hostNetwork")}, nil},
		"a whole map": {deployment, "spec.template.spec.containers[0]", map[string]any{"name": "other", "ports": []any{int64(1)}},
			policy.Path{policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("containers"), policy.Index(0)},
			map[string]any{"name": "main", "image": "nginx:1", "args": []any{"a", "b"}}},
		"an empty list": {deployment, "spec.template.spec.containers[0].args", []any{},
			policy.Path{policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("containers"), policy.Index(0), policy.Key("args")}, []any{"a", "b"}},
		"false": {deployment, "spec.paused", false, policy.Path{policy.Key("spec"), policy.Key("paused")}, nil},
		"0":     {deployment, "spec.replicas", int64(0), policy.Path{policy.Key("spec"), policy.Key("replicas")}, int64(1)},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			before := object(t, test.object)
			changed, applied, skipped := Object(before, []policy.Result{mutating("p", at(test.path, test.value))})
			if len(skipped) > 0 || len(applied) != 1 {
				t.Fatalf("applied %v, skipped %v", applied, skipped)
			}
			if a := applied[0]; !reflect.DeepEqual(a.Path, test.wantPath) || !reflect.DeepEqual(a.Old, test.wantOld) || !reflect.DeepEqual(a.New, test.value) || a.Policy.Spec.ID != "p" {
				t.Errorf("applied %+v", a)
			}
			if got, _ := lookup(changed, test.wantPath); !reflect.DeepEqual(got, test.value) {
				t.Errorf("at %s is %#v", test.wantPath, got)
			}
			if !reflect.DeepEqual(before, object(t, test.object)) {
				t.Error("the object that was given has changed")
			}
			// Without the value and the label, the object is what it was.
			want := object(t, test.object)
			if _, err := set(want, test.wantPath, 0, test.value); err != nil {
				t.Fatal(err)
			}
			if _, err := set(want, policy.Path{policy.Key("metadata"), policy.Key("labels"), policy.Key(MutatedLabel)}, 0, ""); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(changed, want) {
				t.Errorf("got  %v\nwant %v", changed, want)
			}
			checkAgain(t, changed, []policy.Result{mutating("p", at(test.path, test.value))})
			checkPatch(t, before, changed)
		})
	}
}

func TestWhatIsNotWrittenSaysWhy(t *testing.T) {
	tests := map[string]struct {
		path  string
		value any
		want  string
	}{
		"an index beyond the end":           {"spec.template.spec.containers[3].image", "x", "spec.template.spec.containers has 2 elements, none with index 3"},
		"a field of the element at the end": {"spec.template.spec.containers[2].image", "x", "spec.template.spec.containers has 2 elements, none with index 2"},
		"an element after the one at end":   {"spec.template.spec.containers[0].args[3]", "x", "args has 2 elements, none with index 3"},
		"a field of a list that is missing": {"spec.template.spec.initContainers[0].image", "x", "spec.template.spec.initContainers has 0 elements, none with index 0"},
		"a negative index":                  {"spec.template.spec.containers[-1].image", "x", `"-1" is neither a list index nor a quoted key`},
		"a huge index":                      {"spec.template.spec.containers[2147483647].image", "x", "none with index 2147483647"},
		"an index that is too huge":         {"spec.template.spec.containers[99999999999999999999]", "x", "is neither a list index"},
		"every element":                     {"spec.template.spec.containers[*].image", "x", `"*" is neither a list index`},
		"below a number":                    {"spec.replicas.min", int64(1), "spec.replicas is neither a map nor a list"},
		"below a text":                      {"spec.template.spec.containers[0].image.tag", "x", "spec.template.spec.containers[0].image is neither a map nor a list"},
		"an element of a map":               {"spec.template[0]", "x", "spec.template is a map and has no element 0"},
		"a field of a list":                 {"spec.template.spec.containers.image", "x", `spec.template.spec.containers is a list and has no field "image"`},
		"the root's element":                {"[0]", "x", "the object is a map and has no element 0"},
		"apiVersion":                        {"apiVersion", "v1", "apiVersion says what the object is"},
		"kind":                              {"kind", "Pod", "kind says what the object is"},
		"status":                            {"status.replicas", int64(1), "status belongs to the object's controller"},
		"metadata":                          {"metadata", map[string]any{}, "metadata as a whole is never changed"},
		"name":                              {"metadata.name", "x", "metadata.name says which object it is"},
		"generateName":                      {"metadata.generateName", "x", "metadata.generateName says which object it is"},
		"namespace, quoted":                 {`["metadata"]["namespace"]`, "x", "metadata.namespace says which object it is"},
		"uid":                               {"metadata.uid", "x", "metadata.uid says which object it is"},
		"resourceVersion":                   {"metadata.resourceVersion", "1", "metadata.resourceVersion says"},
		"ownerReferences":                   {"metadata.ownerReferences[0].name", "x", "metadata.ownerReferences says"},
		"a label that is no text":           {"metadata.labels.tier", int64(1), "metadata.labels must be a map of texts"},
		"labels that are no map":            {"metadata.labels", "x", "metadata.labels must be a map of texts"},
		"labels that are no texts":          {"metadata.labels", map[string]any{"a": true}, "metadata.labels must be a map of texts"},
		"a field of an annotation":          {"metadata.annotations.a[0]", "x", "metadata.annotations must be a map of texts"},
		"a bare key with dots anywhere":     {"spec.anything.example.com/x", "x", `it is not clear where the key that ends in "com/x" begins`},
		"a number that is too large":        {"spec.replicas", json.Number("9223372036854775808"), "the recommended value is a number that an object cannot hold exactly"},
		"a number with too many digits":     {"spec.replicas", json.Number("0.12345678901234567890"), "the recommended value is a number that an object cannot hold exactly"},
		"no JSON":                           {"spec.replicas", struct{}{}, "the recommended value is no JSON value but a struct {}"},
		"a large value":                     {"spec.text", strings.Repeat("x", maxValue), "the recommended value is too large"},
		"an empty key":                      {`spec[""].x`, "x", `the path spec[""].x has an empty key`},
		"a long path":                       {"spec" + strings.Repeat(".a", maxSteps), "x", "the path has 65 steps, more than 64"},
		"no path":                           {"spec..x", "x", "empty key"},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			before := object(t, deployment)
			changed, applied, skipped := Object(before, []policy.Result{mutating("p", at(test.path, test.value))})
			if len(applied) != 0 || len(skipped) != 1 {
				t.Fatalf("applied %v, skipped %v", applied, skipped)
			}
			if s := skipped[0]; !strings.Contains(s.Reason, test.want) || s.Path != test.path || s.Policy.Spec.ID != "p" {
				t.Errorf("skipped %+v\nwant a reason with %q", s, test.want)
			}
			if !reflect.DeepEqual(changed, object(t, deployment)) {
				t.Errorf("the object has changed: %v", changed)
			}
		})
	}
}

func TestOnlyViolationsOfMutatingPoliciesAreRepaired(t *testing.T) {
	plain := mutating("plain", at("spec.replicas", int64(3)))
	plain.Policy.Spec.Mutate = false
	excepted := mutating("excepted", at("spec.replicas", int64(3)))
	excepted.Status = policy.Excepted
	compliant := mutating("compliant", at("spec.replicas", int64(3)))
	compliant.Status = policy.Compliance
	failed := mutating("failed", at("spec.replicas", int64(3)))
	failed.Status = policy.Error
	vague := mutating("vague", at("", int64(3)), at("spec.replicas", nil), at("spec.replicas", int64(1)))
	before := object(t, deployment)
	changed, applied, skipped := Object(before, []policy.Result{plain, excepted, compliant, failed, vague})
	if len(applied) > 0 || len(skipped) > 0 {
		t.Errorf("applied %v, skipped %v", applied, skipped)
	}
	if !reflect.DeepEqual(changed, object(t, deployment)) {
		t.Errorf("the object has changed: %v", changed)
	}
}

func TestTheFirstPolicyByIdWins(t *testing.T) {
	tests := map[string]struct {
		results []policy.Result
		path    string
		want    any
		applied string // "policy path, …"
		skipped string // "policy path: reason"
	}{
		"at one place": {
			[]policy.Result{mutating("b", at("spec.replicas", int64(2))), mutating("a", at("spec.replicas", int64(3)))},
			"spec.replicas", int64(3), "a spec.replicas", "b spec.replicas: a recommends another value for it",
		},
		"with the value that is there": {
			[]policy.Result{mutating("b", at("spec.replicas", int64(2))), mutating("a", at("spec.replicas", int64(1)))},
			"spec.replicas", int64(1), "", "b spec.replicas: a recommends another value for it",
		},
		"at one place with two names": {
			[]policy.Result{mutating("b", at(`metadata.labels["x.y/z"]`, "b")), mutating("a", at("metadata.labels.x.y/z", "a"))},
			`metadata.labels["x.y/z"]`, "a", `a metadata.labels["x.y/z"]`, `b metadata.labels["x.y/z"]: a recommends another value for it`,
		},
		"unless both want the same": {
			[]policy.Result{mutating("b", at("spec.replicas", int64(3))), mutating("a", at("spec.replicas", int64(3)))},
			"spec.replicas", int64(3), "a spec.replicas", "",
		},
		"within one policy, the first occurrence": {
			[]policy.Result{mutating("a", at("spec.replicas", int64(2)), at("spec.replicas", int64(3)))},
			"spec.replicas", int64(2), "a spec.replicas", "a spec.replicas: a recommends another value for it",
		},
		"against a field of its map": {
			[]policy.Result{mutating("a", at("spec.x", map[string]any{"y": int64(1)})), mutating("b", at("spec.x.y", int64(2)))},
			"spec.x", map[string]any{"y": int64(1)}, "a spec.x", "b spec.x.y: a recommends another value for it",
		},
		"against the map around its field": {
			[]policy.Result{mutating("a", at("spec.x.y", int64(2))), mutating("b", at("spec.x", map[string]any{"y": int64(1), "z": int64(1)}))},
			"spec.x", map[string]any{"y": int64(2), "z": int64(1)}, "a spec.x.y, b spec.x", "",
		},
		"but a field is added to another's map": {
			[]policy.Result{mutating("b", at("spec.x.z", int64(2))), mutating("a", at("spec.x", map[string]any{"y": int64(1)}))},
			"spec.x", map[string]any{"y": int64(1), "z": int64(2)}, "a spec.x, b spec.x.z", "",
		},
		"elements are appended in order": {
			[]policy.Result{mutating("a", at("spec.list[10]", "k"), at("spec.list[1]", "b"), at("spec.list[0]", "a"))},
			"spec.list", []any{"a", "b"}, "a spec.list[1], a spec.list[0]", "a spec.list[10]: spec.list has 2 elements, none with index 10",
		},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			before := object(t, deployment)
			changed, applied, skipped := Object(before, test.results)
			var gotApplied, gotSkipped []string
			for _, a := range applied {
				gotApplied = append(gotApplied, a.Policy.Spec.ID+" "+a.Path.String())
			}
			for _, s := range skipped {
				gotSkipped = append(gotSkipped, s.Policy.Spec.ID+" "+s.Path+": "+s.Reason)
			}
			if got := strings.Join(gotApplied, ", "); got != test.applied {
				t.Errorf("applied %q, want %q", got, test.applied)
			}
			if got := strings.Join(gotSkipped, ", "); got != test.skipped {
				t.Errorf("skipped %q, want %q", got, test.skipped)
			}
			path, err := policy.ParsePath(test.path)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := lookup(changed, path); !reflect.DeepEqual(got, test.want) {
				t.Errorf("at %s is %v, want %v", test.path, got, test.want)
			}
			checkAgain(t, changed, test.results)
			checkPatch(t, before, changed)
		})
	}
}

func TestNumbersKeepTheirValue(t *testing.T) {
	for value, want := range map[any]any{
		json.Number("9007199254740993"):     int64(9007199254740993),
		json.Number("-9223372036854775808"): int64(-9223372036854775808),
		json.Number("1.10"):                 1.1,
		json.Number("1e3"):                  1000.0,
		json.Number("0.0"):                  0.0,
		json.Number("5e-324"):               5e-324,
		int64(9007199254740993):             int64(9007199254740993),
		7:                                   int64(7),
		int32(7):                            int64(7),
		uint64(7):                           int64(7),
		1.1:                                 1.1,
	} {
		changed, applied, skipped := Object(object(t, deployment), []policy.Result{mutating("p", at("spec.n", value))})
		if got := changed["spec"].(map[string]any)["n"]; got != want {
			t.Errorf("%v (%T) became %v (%T), applied %v, skipped %v", value, value, got, got, applied, skipped)
		}
	}
	for _, value := range []any{
		json.Number("9007199254740993.5"), json.Number("1e400"), json.Number("1e-400"), json.Number("0x10"), json.Number("1_000"), json.Number("NaN"),
		json.Number("1e999999999"), json.Number("0." + strings.Repeat("0", 100) + "1"), uint64(1 << 63),
	} {
		if changed, applied, skipped := Object(object(t, deployment), []policy.Result{mutating("p", at("spec.n", value))}); len(skipped) != 1 {
			t.Errorf("%v became %v, applied %v", value, changed["spec"].(map[string]any)["n"], applied)
		}
	}
}

// Values that are recommended for several places become several values.
func TestAValueIsNotShared(t *testing.T) {
	value := map[string]any{"type": "RuntimeDefault"}
	changed, applied, _ := Object(object(t, deployment), []policy.Result{
		mutating("a", at("spec.x", value), at("spec.y", value)), mutating("b", at("spec.x.more", "z")),
	})
	if len(applied) != 3 {
		t.Fatalf("applied %v", applied)
	}
	if spec := changed["spec"].(map[string]any); len(spec["y"].(map[string]any)) != 1 || len(value) != 1 || len(applied[0].New.(map[string]any)) != 1 {
		t.Errorf("spec is %v, the recommended value %v, applied %v", spec, value, applied)
	}
}

// However much policies recommend, little is written, and all of it is accounted for.
func TestRecommendationsAreBounded(t *testing.T) {
	var many []policy.Occurrence
	for range 50_000 {
		many = append(many, at("spec.x[0]", "x"))
	}
	if _, applied, skipped := Object(object(t, deployment), []policy.Result{mutating("p", many...)}); len(applied) != 1 || len(skipped) != len(many)-maxChanges {
		t.Errorf("%d applied, %d skipped", len(applied), len(skipped))
	}
	text := strings.Repeat("x", maxValue/2)
	var large []policy.Occurrence
	for i := range 100 {
		large = append(large, at("spec.x"+strings.Repeat("x", i), text))
	}
	if _, applied, skipped := Object(object(t, deployment), []policy.Result{mutating("p", large...)}); len(applied) != 7 || len(applied)+len(skipped) != len(large) {
		t.Errorf("%d applied, %d skipped", len(applied), len(skipped))
	}
	var deep any = "x"
	for range 1_000_000 {
		deep = []any{deep}
	}
	if _, _, skipped := Object(object(t, deployment), []policy.Result{mutating("p", at("spec.x", deep))}); len(skipped) != 1 || !strings.Contains(skipped[0].Reason, "nested more than 64 deep") {
		t.Errorf("skipped %v", skipped)
	}
}

func TestTheLabelSaysThatSomethingWasChanged(t *testing.T) {
	for what, text := range map[string]string{
		"no metadata": "{kind: X}", "no labels": "{kind: X, metadata: {name: x}}", "null": "{kind: X, metadata: {name: x, labels: null}}",
		"labels": "{kind: X, metadata: {labels: {a: b}}}", "it is there": `{kind: X, metadata: {labels: {pac.weave.works/mutated: ""}}}`,
	} {
		changed, _, _ := Object(object(t, text), []policy.Result{mutating("p", at("spec.x", "y"))})
		if value, ok := (&policy.Object{Content: changed}).Label(MutatedLabel); !ok || value != "" {
			t.Errorf("%s: %v", what, changed)
		}
	}
}

// checkAgain demands that repairing what is repaired changes nothing.
func checkAgain(t testing.TB, changed map[string]any, results []policy.Result) {
	t.Helper()
	if again, _, _ := Object(changed, results); !equal(again, changed) {
		t.Errorf("a second time changes\n%v\nto\n%v", changed, again)
	}
}
