package attacks_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/policy"
	"github.com/assay-gitops/assay/tenancy"
	"github.com/assay-gitops/assay/tenancy/attacks"
)

var update = flag.Bool("update", false, "write the table of docs/workspaces.md")

const prefix = "weave.policies.tenancy.shop-"

var shop = attacks.Tenant{
	Name: "shop", Namespace: "shop", Account: "shop", Foreign: "payroll",
	Repository: "https://github.com/acme/shop", Image: "ghcr.io/acme/shop:1", Hostname: "shop.example.com", Secret: "edge",
}

func catalogue(t *testing.T) []attacks.Case {
	t.Helper()
	cases, err := attacks.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func workspaces(t *testing.T) []tenancy.Workspace {
	t.Helper()
	content, err := os.ReadFile("testdata/tenants.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tenants, err := tenancy.Read([]tenancy.Source{{Name: "tenants.yaml", Content: content}}, tenancy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	made, err := tenancy.Generate(tenants)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func compile(t *testing.T, sources engine.Sources) *engine.Snapshot {
	t.Helper()
	snapshot, problems, err := engine.Compile(t.Context(), sources, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Fatalf("%s: %s %s", p.Field, p.Message, p.Excerpt)
	}
	return snapshot
}

func generated(t *testing.T) *engine.Snapshot {
	t.Helper()
	sources, err := tenancy.Sources(workspaces(t))
	if err != nil {
		t.Fatal(err)
	}
	return compile(t, sources)
}

// request is what the API server asks at admission when the tenant's service account does it.
func request(t *testing.T, c *attacks.Case) *policy.Request {
	t.Helper()
	object, before, err := c.Objects(shop)
	if err != nil {
		t.Fatal(err)
	}
	r := &policy.Request{
		Operation:   c.Operation,
		Subresource: c.Subresource,
		UserInfo: &policy.UserInfo{
			Username: "system:serviceaccount:shop:shop",
			Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"},
		},
	}
	if before != nil {
		r.OldObject = before.Object
		r.Object = &policy.Object{Content: before.Object}
	}
	if object != nil {
		r.Object = &policy.Object{Content: object.Object}
	}
	return r
}

// refusals are the ids of the policies that refuse the case. An evaluation that fails is none: a policy must say no.
func refusals(t *testing.T, snapshot *engine.Snapshot, c *attacks.Case) []string {
	t.Helper()
	verdict := snapshot.Judge(t.Context(), request(t, c))
	if verdict.Err != nil {
		t.Fatal(verdict.Err)
	}
	var ids []string
	for _, r := range verdict.Results {
		if r.Status == policy.Error {
			t.Errorf("%s: %s: %v", c.ID, r.Policy.Spec.ID, r.Err)
			continue
		}
		if r.Status == policy.Violation && r.Enforced {
			ids = append(ids, r.Policy.Spec.ID)
		}
	}
	return ids
}

func TestEveryAttackIsRefusedByItsWall(t *testing.T) {
	snapshot := generated(t)
	for _, c := range catalogue(t) {
		if c.Honest() || c.Wall == attacks.RBAC {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			ids := refusals(t, snapshot, &c)
			if !slices.Contains(ids, prefix+c.Wall) {
				t.Errorf("%s is not refused by %s but by %v", c.Title, c.Wall, ids)
			}
		})
	}
}

func TestHonestManifestsPass(t *testing.T) {
	snapshot := generated(t)
	for _, c := range catalogue(t) {
		if !c.Honest() {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			verdict := snapshot.Judge(t.Context(), request(t, &c))
			for _, r := range verdict.Results {
				t.Errorf("%s: %s %v: %v", r.Policy.Spec.ID, r.Status, r.Err, r.Occurrences)
			}
		})
	}
}

// What the wall of RBAC refuses, the tenant must have no role for: nothing that is generated binds its accounts or groups
// anywhere but in its namespaces.
func TestTheTenantHasNoRolesOutsideItsNamespaces(t *testing.T) {
	for _, w := range workspaces(t) {
		names := w.Tenant.NamespaceNames()
		bindings := 0
		for _, o := range w.Objects {
			switch o.GetKind() {
			case "ClusterRoleBinding", "ClusterRole":
				t.Errorf("%s has the %s %s", w.Tenant.Name, o.GetKind(), o.GetName())
			case "RoleBinding":
				bindings++
				if !slices.Contains(names, o.GetNamespace()) {
					t.Errorf("%s is bound in %s", w.Tenant.Name, o.GetNamespace())
				}
			}
		}
		if bindings == 0 {
			t.Errorf("%s has no bindings at all", w.Tenant.Name)
		}
	}
	for _, c := range catalogue(t) {
		if c.Wall != attacks.RBAC {
			continue
		}
		object, before, err := c.Objects(shop)
		if err != nil {
			t.Fatal(err)
		}
		if namespace := cmp.Or(object, before).GetNamespace(); namespace == shop.Namespace {
			t.Errorf("%s is in the tenant's own namespace, where it may have a role for it", c.ID)
		}
	}
}

// Flux's own controllers and the platform are not stopped by walls that are the tenant's.
func TestThePlatformChangesWhatTheTenantMayNot(t *testing.T) {
	snapshot := generated(t)
	tried := 0
	for _, c := range catalogue(t) {
		switch c.Wall {
		case "workspace-objects", "namespace-labels", "cluster-objects", "rbac", "flux-status":
		default:
			continue
		}
		if c.ID == "make-namespace" {
			continue
		}
		tried++
		r := request(t, &c)
		r.UserInfo = &policy.UserInfo{Username: "system:serviceaccount:flux-system:kustomize-controller", Groups: []string{"system:serviceaccounts:flux-system", "system:authenticated"}}
		for _, result := range snapshot.Judge(t.Context(), r).Results {
			t.Errorf("%s: the platform is refused by %s: %v %v", c.ID, result.Policy.Spec.ID, result.Occurrences, result.Err)
		}
	}
	if tried < 20 {
		t.Errorf("only %d cases were tried", tried)
	}
}

func TestTheCatalogueIsWellFormed(t *testing.T) {
	seen, attempts := map[string]bool{}, 0
	for _, c := range catalogue(t) {
		if !regexp.MustCompile(`^[a-z][a-z-]*$`).MatchString(c.ID) || seen[c.ID] {
			t.Errorf("the id %q is not valid or occurs twice", c.ID)
		}
		seen[c.ID] = true
		if c.Title == "" || (c.Manifest == "" && c.Operation != policy.Delete) {
			t.Errorf("%s has no title or no manifest", c.ID)
		}
		if c.Honest() {
			continue
		}
		attempts++
		if c.Why == "" || !strings.HasPrefix(c.Link, "https://") {
			t.Errorf("%s does not say why it matters", c.ID)
		}
	}
	if attempts < 40 {
		t.Errorf("there are %d attacks, want at least 40", attempts)
	}
}

// old are the policies that the old tool generated, as COMPAT.md has them: their rules were described, not copied.
func old(t *testing.T) *engine.Snapshot {
	t.Helper()
	parameter := func(name string, value any) v2.PolicyParameter {
		content, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return v2.PolicyParameter{Name: name, Type: "array", Value: &apiextensionsv1.JSON{Raw: content}}
	}
	account := parameter("service_account_name", "shop")
	account.Type = "string"
	var policies []*v2.Policy
	for _, p := range []struct {
		file       string
		kinds      []string
		parameters []v2.PolicyParameter
	}{
		{"application-deploy", []string{"HelmRelease", "Kustomization"}, []v2.PolicyParameter{parameter("namespaces", []string{"shop", "shop-staging"}), account}},
		{"repositories", []string{"GitRepository", "Bucket", "HelmRepository", "OCIRepository"}, []v2.PolicyParameter{
			parameter("git_urls", []string{"https://github.com/acme/shop", "https://git.example.com/shop/*"}),
			parameter("helm_urls", []string{"https://charts.example.com"}),
			parameter("oci_urls", []string{"oci://ghcr.io/acme/**", "oci://123.dkr.ecr.eu-west-1.amazonaws.com/app"}),
			parameter("bucket_endpoints", []string{"s3.amazonaws.com"}),
		}},
		{"clusters", []string{"GitopsCluster", "Kustomization"}, []v2.PolicyParameter{parameter("cluster_secrets", []string{"edge"})}},
	} {
		rego, err := os.ReadFile("testdata/old-" + p.file + ".rego")
		if err != nil {
			t.Fatal(err)
		}
		policies = append(policies, &v2.Policy{Spec: v2.PolicySpec{
			ID: "old-" + p.file, Name: p.file, Code: string(rego), Severity: v2.SeverityHigh, Tags: []string{v2.TenancyTag},
			Targets: v2.PolicyTargets{Kinds: p.kinds, Namespaces: []string{"shop", "shop-staging"}}, Parameters: p.parameters,
		}})
	}
	return compile(t, engine.Sources{Policies: policies})
}

// TestTheTableOfTheDocumentationIsTrue compares the old policies with the generated ones over the whole catalogue.
func TestTheTableOfTheDocumentationIsTrue(t *testing.T) {
	before, now := old(t), generated(t)
	var table bytes.Buffer
	fmt.Fprintln(&table, "| attack | what is tried | why it matters | old policies | now refused by |\n|---|---|---|---|---|")
	held := map[string]int{}
	for _, c := range catalogue(t) {
		if c.Honest() {
			continue
		}
		verdicts := map[string]string{"old": "passes", "now": "passes"}
		if c.Wall == attacks.RBAC {
			verdicts["old"], verdicts["now"] = "refused by RBAC", "RBAC"
		} else {
			if len(refusals(t, before, &c)) > 0 {
				verdicts["old"] = "refused"
				held["old"]++
			}
			if len(refusals(t, now, &c)) > 0 {
				verdicts["now"] = "`" + c.Wall + "`"
				held["now"]++
			}
			held["all"]++
		}
		fmt.Fprintf(&table, "| `%s` | %s | [%s](%s) | %s | %s |\n", c.ID, c.Title, c.Why, c.Link, verdicts["old"], verdicts["now"])
	}
	fmt.Fprintf(&table, "\nOf the %d attacks that RBAC does not refuse, the old policies refused %d; those of today refuse %d.\n", held["all"], held["old"], held["now"])

	const page, begin, end = "../../docs/workspaces.md", "<!-- attacks: generated by `go test ./tenancy/attacks -update` -->\n", "<!-- end of attacks -->"
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(content), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the table", page)
	}
	want := head + begin + "\n" + table.String() + "\n" + end + tail
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(content) != want {
		t.Error("the table is out of date: -update writes it")
	}
}
