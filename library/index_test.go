package library_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/library"
)

var update = flag.Bool("update", false, "write docs/policies.md")

const indexFile = "../docs/policies.md"

func TestTheIndexOfPoliciesIsCurrent(t *testing.T) {
	got := index(t)
	if *update {
		if err := os.WriteFile(indexFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(indexFile)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Error("docs/policies.md is not what the library says: run go generate ./library")
	}
}

const indexHead = `<!-- Written by go generate ./library; edit library/index_test.go or the policies instead. -->

# The policies that ship

%d policies come with Assay and are what ` + "`assay check`" + ` judges by when it is given no others. ` + "`assay explain <policy>`" + `
tells all about one: why, how to solve it, its parameters and standards.

*Enforced* policies refuse at admission and fail a check; the others warn. Ids, parameters and categories are those of the
Weave policy library wherever the subject is the same, so that existing PolicyConfigs go on working.

Policies tagged ` + "`pod-security-baseline`" + ` and ` + "`pod-security-restricted`" + ` are the levels of the
[Pod Security Standards](https://kubernetes.io/docs/concepts/security/pod-security-standards/) of Kubernetes 1.37, no more and
no less: a test compares their verdicts with those of Kubernetes' own admission plugin. As there, restricted contains
baseline. What restricted demands beyond baseline is not asked of the namespace kube-system, unless you set the parameter
` + "`exclude_namespaces`" + ` to an empty list.

Nearly every policy has the parameters ` + "`exclude_namespaces`, `exclude_label_key` and `exclude_label_value`" + `; the tables list
the others. To write policies of your own, see [Rego](policies-rego.md), [CEL](policies-cel.md) and
[testing policies](testing-policies.md).
`

// index is docs/policies.md: a table for each category.
func index(t *testing.T) string {
	t.Helper()
	c, err := catalog.Gather(library.FS, nil)
	if err != nil {
		t.Fatal(err)
	}
	byCategory := map[string][]*v2.Policy{}
	for _, p := range c.Sources.Policies {
		byCategory[p.Spec.Category] = append(byCategory[p.Spec.Category], p)
	}
	var categories []string
	for category := range byCategory {
		categories = append(categories, category)
	}
	slices.SortFunc(categories, func(a, b string) int {
		return cmp.Or(len(byCategory[b])-len(byCategory[a]), cmp.Compare(a, b))
	})
	var b strings.Builder
	fmt.Fprintf(&b, indexHead, len(c.Sources.Policies))
	for _, category := range categories {
		fmt.Fprintf(&b, "\n## %s\n\n", title(category))
		b.WriteString("| policy | severity | enforced | judges | tags | parameters |\n|---|---|---|---|---|---|\n")
		policies := byCategory[category]
		slices.SortFunc(policies, func(x, y *v2.Policy) int {
			return cmp.Or(rank(x.Spec.Severity)-rank(y.Spec.Severity), cmp.Compare(x.Spec.Name, y.Spec.Name))
		})
		for _, p := range policies {
			fmt.Fprintf(&b, "| [%s](../%s)<br>`%s` | %s | %s | %s | %s | %s |\n", p.Spec.Name, place(t, c, p), p.Spec.ID,
				p.Spec.Severity, enforced(p), judges(p), strings.Join(p.Spec.Tags, ", "), parameters(p))
		}
	}
	return b.String()
}

// place is where the policy is in the repository.
func place(t *testing.T, c *catalog.Catalog, p *v2.Policy) string {
	t.Helper()
	_, file, found := strings.Cut(c.Origin(p).Root(), ":")
	if !found {
		t.Fatalf("%s comes from %s", p.Name, c.Origin(p).Root())
	}
	return path.Join("library", file)
}

func title(category string) string {
	words := strings.Split(strings.TrimPrefix(category, "weave.categories."), "-")
	words[0] = strings.ToUpper(words[0][:1]) + words[0][1:]
	return strings.Join(words, " ")
}

func rank(s v2.Severity) int {
	return slices.Index([]v2.Severity{v2.SeverityHigh, v2.SeverityMedium, v2.SeverityLow}, s)
}

func enforced(p *v2.Policy) string {
	if p.Spec.IsEnforced() {
		return "yes"
	}
	return "no"
}

func judges(p *v2.Policy) string {
	if len(p.Spec.Targets.Kinds) == 8 {
		return "all workloads"
	}
	return strings.Join(p.Spec.Targets.Kinds, ", ")
}

func parameters(p *v2.Policy) string {
	var names []string
	for _, parameter := range p.Spec.Parameters {
		switch parameter.Name {
		case "exclude_namespaces", "exclude_label_key", "exclude_label_value":
		default:
			names = append(names, "`"+parameter.Name+"`")
		}
	}
	return strings.Join(names, ", ")
}
