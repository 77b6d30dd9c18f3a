package library_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/internal/policytest"
	"github.com/assay-gitops/assay/library"
)

// The tests of every policy pass, they reach every line and every validation, and for each kind that a policy targets
// there is an object that violates it and one that does not.
func TestEveryPolicyPassesItsTestsAndTheyReachEverything(t *testing.T) {
	summary, err := policytest.Run(t.Context(), policytest.Options{Paths: []string{"."}, Coverage: true, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range summary.Policies {
		t.Run(result.Folder, func(t *testing.T) {
			for _, problem := range result.Problems {
				t.Error(problem)
			}
			for _, c := range result.Cases {
				if c.Status == policytest.Failed {
					t.Errorf("%s:%d: %s (%s): %s", c.File, c.Line, c.Name, c.Kind, c.Failure)
				}
			}
			if len(result.Cases) == 0 {
				t.Error("the policy has no tests")
			}
			if c := result.Coverage; c != nil && (len(c.Missing) > 0 || len(c.UntestedKinds) > 0) {
				t.Errorf("not reached: %s; kinds without a violating and a compliant object: %s", c.Missing, c.UntestedKinds)
			}
		})
	}
}

func TestPoliciesKeepTheConventions(t *testing.T) {
	policies := shipped(t)
	if len(policies) < 36 {
		t.Errorf("only %d policies", len(policies))
	}
	id := regexp.MustCompile(`^weave\.(policies|templates)\.[a-z0-9]+(-[a-z0-9]+)*$`)
	categories := []string{
		"organizational-standards", "software-supply-chain", "observability", "data-protection", "pod-security", "network-security",
		"access-control", "reliability", "capacity-management", "best-practices", "cost-saving", "security", "performance",
	}
	for _, p := range policies {
		t.Run(p.Name, func(t *testing.T) {
			if p.Name != p.Spec.ID || !id.MatchString(p.Spec.ID) {
				t.Errorf("metadata.name is %s, the id %s", p.Name, p.Spec.ID)
			}
			if !slices.Contains(categories, strings.TrimPrefix(p.Spec.Category, "weave.categories.")) {
				t.Errorf("no such category: %s", p.Spec.Category)
			}
			if len(p.Spec.Targets.Kinds) == 0 || len(p.Spec.Targets.APIGroups) == 0 {
				t.Error("the targets must name kinds and API groups: other groups have kinds of the same name")
			}
			if !strings.Contains(p.Spec.HowToSolve, "```yaml\n") {
				t.Error("how_to_solve has no example")
			}
			if p.Spec.Enforce == nil || p.Spec.Severity == v2.SeverityLow && p.Spec.IsEnforced() {
				t.Error("enforce must be given, and what is low is advice")
			}
			for _, parameter := range p.Spec.Parameters {
				if parameter.Description == "" {
					t.Errorf("parameter %s has no description", parameter.Name)
				}
			}
			for _, standard := range p.Spec.Standards {
				name := strings.TrimPrefix(standard.ID, "weave.standards.")
				for _, control := range standard.Controls {
					if !strings.HasPrefix(control, "weave.controls."+name+".") {
						t.Errorf("control %s is not one of %s", control, standard.ID)
					}
				}
			}
		})
	}
}

func TestOnlyPoliciesAreEmbedded(t *testing.T) {
	folders, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, folder := range folders {
		if folder.IsDir() {
			want++
		}
	}
	got := 0
	err = fs.WalkDir(library.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			got++
			if path.Base(name) != "policy.yaml" {
				t.Errorf("%s is embedded", name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("%d policies are embedded, there are %d folders", got, want)
	}
}

// shipped are the policies of the library, sorted by id.
func shipped(t *testing.T) []*v2.Policy {
	t.Helper()
	c, err := catalog.Gather(library.FS, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range c.Problems {
		t.Fatalf("%s:%d: %s", problem.Location.File, problem.Location.Line, problem.Message)
	}
	return c.Sources.Policies
}

// snapshotOf compiles the policies that are chosen.
func snapshotOf(t *testing.T, choose func(*v2.Policy) bool) *engine.Snapshot {
	t.Helper()
	policies := slices.DeleteFunc(shipped(t), func(p *v2.Policy) bool { return !choose(p) })
	if len(policies) == 0 {
		t.Fatal("no policies")
	}
	snapshot, problems, err := engine.Compile(t.Context(), engine.Sources{Policies: policies}, engine.Options{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Fatalf("%v: %s", problem.Field, problem.Message)
	}
	return snapshot
}
