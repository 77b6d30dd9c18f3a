package policyfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/policyfile"
	"github.com/assay-gitops/assay/policy"
)

// decodeValid decodes a file of testdata/valid, which must have no problem.
func decodeValid(t *testing.T, name string) *policyfile.Set {
	t.Helper()
	set, problems := policyfile.FromObjects(parseFile(t, "valid/"+name))
	if len(problems) > 0 {
		t.Fatalf("%s:\n%s", name, write(problems))
	}
	return set
}

func onePolicy(t *testing.T, name string) *v2.Policy {
	t.Helper()
	set := decodeValid(t, name)
	if len(set.Sources.Policies) != 1 {
		t.Fatalf("%s holds %d policies", name, len(set.Sources.Policies))
	}
	return set.Sources.Policies[0]
}

func TestFieldsOfEveryOldVersionAreKept(t *testing.T) {
	first := onePolicy(t, "v2beta1-policy-of-the-first-agent.yaml")
	if first.Spec.Enabled == nil || *first.Spec.Enabled {
		t.Error("enabled: false of v2beta1 is lost")
	}
	if got := first.Spec.Standards[0].Controls; len(got) != 2 {
		t.Errorf("controls are %v", got)
	}
	if value := first.Spec.Parameters[0].Value; value == nil || string(value.Raw) != "2" {
		t.Errorf("parameter minimum is %v", value)
	}
	if value := first.Spec.Parameters[1].Value; value != nil {
		t.Errorf("a parameter without a value has %s", value.Raw)
	}

	second := onePolicy(t, "v2beta2-policy-as-a-go-client-writes-it.yaml")
	if !second.Spec.HasTag(v2.TenancyTag) || second.Spec.Standards != nil || second.Spec.Targets.Kinds != nil {
		t.Errorf("got %+v", second.Spec)
	}
	if second.Namespace != "" || second.Labels["pac.weave.works/mode.audit"] != "" {
		t.Errorf("metadata is %+v", second.ObjectMeta)
	}

	third := onePolicy(t, "v2beta3-policy-that-only-warns.yaml")
	want := v2.PolicyExclusions{
		Namespaces: []string{"kube-system"},
		Resources:  []string{"shop/legacy", "/cluster-wide"},
		Labels:     map[string]string{"owner": "*"},
	}
	if diff := cmp.Diff(want, third.Spec.Exclude); diff != "" {
		t.Errorf("exclude (-want +got):\n%s", diff)
	}
	if third.Spec.IsEnforced() || !third.Spec.Mutate {
		t.Errorf("enforced %t, mutate %t", third.Spec.IsEnforced(), third.Spec.Mutate)
	}
	if got, want := string(third.Spec.Parameters[0].Value.Raw), `{"big":12345678901,"cpu":0.5,"list":[1,"two",null,true]}`; got != want {
		t.Errorf("parameter limits is %s, want %s", got, want)
	}
}

func TestDefaultsAreThoseOfTheCluster(t *testing.T) {
	got := onePolicy(t, "v2beta1-policy-of-the-first-agent.yaml").Spec
	if got.Enforce == nil || !*got.Enforce || got.Provider != v2.ProviderKubernetes || got.FailurePolicy != v2.FailurePolicyFail || got.Mutate {
		t.Errorf("enforce %v, provider %q, failurePolicy %q, mutate %t", got.Enforce, got.Provider, got.FailurePolicy, got.Mutate)
	}
}

func TestPolicyInCEL(t *testing.T) {
	got := onePolicy(t, "v2-policy-in-cel.yaml").Spec
	if got.CEL == nil || len(got.CEL.Validations) != 2 || got.FailurePolicy != v2.FailurePolicyIgnore {
		t.Fatalf("got %+v", got)
	}
	if got.CEL.Validations[1].Occurrences == "" || got.Targets.NamespaceSelector == nil || got.Targets.APIGroups[0] != "" {
		t.Errorf("got %+v, targets %+v", got.CEL, got.Targets)
	}
}

func TestOtherKindsAndNamespaces(t *testing.T) {
	set := decodeValid(t, "other-kinds-and-the-rest-of-the-tree.yaml")
	sources := set.Sources
	if len(sources.Policies) != 0 || len(sources.Sets) != 2 || len(sources.Configs) != 2 || len(sources.Exceptions) != 1 {
		t.Fatalf("got %+v", sources)
	}
	if sources.Sets[0].Spec.Mode != v2.ModeAdmission || sources.Sets[1].Spec.ID != "example" {
		t.Errorf("sets are %+v and %+v", sources.Sets[0].Spec, sources.Sets[1].Spec)
	}
	want := map[string]apiextensionsv1.JSON{
		"minimum":  {Raw: []byte(`3`)},
		"anything": {Raw: []byte(`{"deep":[1,{"x":null}]}`)},
		"nothing":  {},
	}
	if diff := cmp.Diff(want, sources.Configs[0].Spec.Config["example.policies.replicas"].Parameters); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	if got := sources.Exceptions[0].Spec.Expires; got == nil || got.UTC().Format("2006-01-02") != "2027-03-01" {
		t.Errorf("expires is %v", got)
	}
	namespace := policy.Object{Content: set.Namespaces["shop"]}
	if tenant, _ := namespace.Label(policy.TenantLabel); tenant != "retail" || len(set.Namespaces) != 1 {
		t.Errorf("namespaces are %v", set.Namespaces)
	}
}

func TestEveryServedVersionIsAcceptedForEveryKind(t *testing.T) {
	files, err := filepath.Glob("testdata/valid/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range v2.Versions() {
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for line := range strings.Lines(string(content)) {
				if strings.HasPrefix(line, "apiVersion: pac.weave.works/") {
					line = "apiVersion: pac.weave.works/" + version + "\n"
				}
				lines = append(lines, line)
			}
			if _, problems := policyfile.FromObjects(parse(t, file, strings.Join(lines, ""))); len(problems) > 0 {
				t.Errorf("%s as %s:\n%s", file, version, write(problems))
			}
		}
	}
}

func TestObjectsAreNotChanged(t *testing.T) {
	objects := parseFile(t, "valid/v2beta2-policy-as-a-go-client-writes-it.yaml")
	before := runtime.DeepCopyJSON(objects[0].Content)
	set, _ := policyfile.FromObjects(objects)
	set.Sources.Policies[0].Spec.Tags[0] = "changed"
	if diff := cmp.Diff(before, objects[0].Content); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
}

func TestWhatIsWrongLeavesTheRestAlone(t *testing.T) {
	good := parseFile(t, "valid/v2-policy-in-cel.yaml")
	bad := parseFile(t, "invalid/wrong-types.yaml")
	set, problems := policyfile.FromObjects(append(bad, good...))
	if len(set.Sources.Policies) != 1 || len(problems) == 0 {
		t.Errorf("%d policies, %d problems", len(set.Sources.Policies), len(problems))
	}
}
