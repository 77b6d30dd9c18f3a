package tenancy_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/tenancy"
)

func read(content string, options tenancy.Options) (*tenancy.Tenants, error) {
	return tenancy.Read([]tenancy.Source{{Name: "tenants.yaml", Content: []byte(content)}}, options)
}

func TestFaultsAreToldWithTheirPlaceAndWhatToWrite(t *testing.T) {
	tests := map[string]struct {
		file string
		want string
	}{
		"an unknown field": {
			"tenants:\n- name: a\n  namespaces: [a]\n  deploymentRbacs: {}\n",
			`tenants.yaml:4: tenants[0] has no field "deploymentRbacs" (did you mean deploymentRBAC?)`,
		},
		"an empty name": {
			"tenants:\n- name: ''\n  namespaces: [a]\n",
			`tenants.yaml:2: invalid tenant name: [it is empty]`,
		},
		"a name that Kubernetes does not take": {
			"tenants:\n- name: Team/A\n  namespaces: [a]\n",
			`tenants.yaml:2: invalid tenant name: [a lowercase RFC 1123 subdomain must consist of`,
		},
		"a name that could be right": {
			"tenants:\n- name: Foo_Bar\n  namespaces: [a]\n",
			`(write foo-bar)`,
		},
		"no namespaces": {
			"tenants:\n- name: a\n",
			`tenants.yaml:2: must provide at least one namespace (write namespaces: and a list of names)`,
		},
		"a bad namespace": {
			"tenants:\n- name: a\n  namespaces:\n  - a\n  - A.b\n",
			`tenants.yaml:5: the namespace name "A.b" is not valid`,
		},
		"a namespace twice": {
			"tenants:\n- name: a\n  namespaces: [a, a]\n",
			`the namespace "a" occurs twice in the tenant (remove it)`,
		},
		"a namespace of two tenants": {
			"tenants:\n- {name: a, namespaces: [x]}\n- {name: b, namespaces: [x]}\n",
			`tenants.yaml:3: the namespace "x" belongs to the tenant "a" already (tenants.yaml:2)`,
		},
		"a tenant twice": {
			"tenants:\n- {name: a, namespaces: [x]}\n- {name: a, namespaces: [y]}\n",
			`tenants.yaml:3: the tenant "a" exists twice; first at tenants.yaml:2`,
		},
		"an unknown kind of repository": {
			"tenants:\n- name: a\n  namespaces: [a]\n  allowedRepositories: [{kind: GitRepo, url: 'https://x.example/y'}]\n",
			`invalid repository kind: GitRepo (did you mean GitRepository?)`,
		},
		"an empty url": {
			"tenants:\n- name: a\n  namespaces: [a]\n  allowedRepositories: [{kind: GitRepository, url: ''}]\n",
			`the url of an allowed GitRepository is empty (write it as the source has it`,
		},
		"a password in a url": {
			"tenants:\n- name: a\n  namespaces: [a]\n  allowedRepositories: [{kind: GitRepository, url: 'https://me:hunter2@x.example/y'}]\n",
			`contains a password: remove it`,
		},
		"an empty cluster": {
			"tenants:\n- name: a\n  namespaces: [a]\n  allowedClusters: [{kubeConfig: ''}]\n",
			`an allowed cluster needs one of kubeConfig and configMap`,
		},
		"a team without rules": {
			"tenants:\n- name: a\n  namespaces: [a]\n  teamRBAC: {groupNames: [g]}\n",
			`must provide group names and team rules in team RBAC (write both groupNames and rules)`,
		},
		"a team that is everybody": {
			"tenants:\n- name: a\n  namespaces: [a]\n  teamRBAC: {groupNames: ['system:masters'], rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}\n",
			`the group "system:masters" is not a team`,
		},
		"empty deployment rbac": {
			"tenants:\n- name: a\n  namespaces: [a]\n  deploymentRBAC: {}\n",
			`must provide rules or bindings in deployment RBAC`,
		},
		"a bad kind of role": {
			"tenants:\n- name: a\n  namespaces: [a]\n  deploymentRBAC: {bindRoles: [{kind: User, name: x}]}\n",
			`invalid kind for deployment RBAC rule binds: "User"`,
		},
		"a role without a name": {
			"tenants:\n- name: a\n  namespaces: [a]\n  deploymentRBAC: {bindRoles: [{kind: ClusterRole}]}\n",
			`the name of a role in deployment RBAC is ""`,
		},
		"an empty service account": {
			"serviceAccount: {name: ''}\ntenants:\n- {name: a, namespaces: [a]}\n",
			`tenants.yaml:1: the service account name is empty`,
		},
		"a wrong type": {
			"tenants:\n- name: 5\n  namespaces: a\n",
			`tenants.yaml:2: tenants[0].name must be a string, got the number 5 (write "5" in quotes)`,
		},
		"a list that is none": {
			"tenants:\n- name: a\n  namespaces: a\n",
			`tenants.yaml:3: tenants[0].namespaces must be a list, got "a"`,
		},
		"a bad quantity": {
			"tenants:\n- name: a\n  namespaces: [a]\n  resourceQuota: {hard: {pods: many}}\n",
			`resourceQuota.hard.pods: "many" is not valid`,
		},
		"a bad level": {
			"tenants:\n- name: a\n  namespaces: [a]\n  podSecurity: {enforce: restrict}\n",
			`enforce "restrict" must be one of privileged, baseline, restricted (did you mean restricted?)`,
		},
		"an unknown template": {
			"templates: {web: {}}\ntenants:\n- {name: a, namespaces: [a], template: wab}\n",
			`unknown template "wab" (did you mean web?; write it under templates:)`,
		},
		"an exception from a wall": {
			"tenants:\n- name: a\n  namespaces: [a]\n  exceptions: [{name: x, reason: y, policies: [weave.policies.tenancy.a-rbac]}]\n",
			`an exception cannot take a wall of the workspace down`,
		},
		"a sync from elsewhere": {
			"tenants:\n- name: a\n  namespaces: [a]\n  allowedRepositories: [{kind: GitRepository, url: 'https://x.example/y'}]\n  sync: {kind: GitRepository, url: 'https://z.example/y'}\n",
			`the sync is from https://z.example/y, which is not among the tenant's allowedRepositories`,
		},
		"a namespace of the cluster": {
			"tenants:\n- {name: a, namespaces: [kube-system]}\n",
			`the namespace "kube-system" is the cluster's own`,
		},
		"an object name that is too long": {
			"tenants:\n- {name: " + strings.Repeat("a", 64) + ", namespaces: [a]}\n",
			`must be no more than 63`,
		},
		"no tenants": {"tenants: []\n", `the tenants file has no tenants`},
		"no YAML":    {"tenants:\n  - a: b\n c: d\n", `tenants.yaml:2: the YAML cannot be read`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := read(test.file, tenancy.Options{})
			var invalid *tenancy.InvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("got %v, want an *InvalidError", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the password is in the message")
			}
		})
	}
}

func TestAllFaultsOfAllFilesAreToldAtOnce(t *testing.T) {
	_, err := tenancy.Read([]tenancy.Source{
		{Name: "one.yaml", Content: []byte("tenants:\n- {name: A, namespaces: []}\n- {name: b, namespaces: [B]}\n")},
		{Name: "two.yaml", Content: []byte("tenants:\n- {name: c, namespaces: [c], labels: {'a b': c}}\n---\ntenants:\n- {name: d}\n")},
	}, tenancy.Options{})
	var invalid *tenancy.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	for _, want := range []string{"one.yaml:2: invalid tenant name", "one.yaml:2: must provide at least", "one.yaml:3: the namespace name", "two.yaml:2: a label is not valid", "two.yaml:5: must provide at least"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in\n%v", want, err)
		}
	}
	if len(invalid.Problems) != 5 {
		t.Errorf("got %d problems, want 5:\n%v", len(invalid.Problems), err)
	}
}

func TestSharedNamespacesAreAcceptedOnRequestAndWarnedAbout(t *testing.T) {
	tenants, err := read("tenants:\n- {name: a, namespaces: [x]}\n- {name: b, namespaces: [x]}\n", tenancy.Options{AllowSharedNamespaces: true, DefaultRole: "edit"})
	if err != nil {
		t.Fatal(err)
	}
	var told bool
	for _, w := range tenants.Warnings {
		told = told || w.Warning && strings.Contains(w.Message, `share the namespace "x"`)
	}
	if len(tenants.All) != 2 || !told {
		t.Errorf("got %d tenants and the warnings %v", len(tenants.All), tenants.Warnings)
	}
}

func TestTenantsTakeWhatTheyDoNotSetFromTemplateAndDefaults(t *testing.T) {
	tenants, err := read(`
defaults: {labels: {a: default, b: default}, allowedServiceTypes: [ClusterIP]}
templates: {web: {labels: {b: template, c: template}, allowedHostnames: [x.example.com]}}
tenants:
- {name: a, template: web, namespaces: [a], labels: {c: own}}
- {name: b, namespaces: [b], allowedServiceTypes: [NodePort]}
`, tenancy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, b := tenants.All[0], tenants.All[1]
	if got := fmt.Sprint(a.Labels, a.AllowedHostnames, a.AllowedServiceTypes); got != "map[a:default b:template c:own] [x.example.com] [ClusterIP]" {
		t.Errorf("got %s", got)
	}
	if got := fmt.Sprint(b.Labels, b.AllowedHostnames, b.AllowedServiceTypes); got != "map[a:default b:default] [] [NodePort]" {
		t.Errorf("got %s", got)
	}
}

func TestAliasesDoNotMultiply(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	bomb.WriteString("tenants:\n- {name: a, namespaces: *a11, sync: {ref: {branch: *a11}}}\n")
	if _, err := read(bomb.String(), tenancy.Options{}); err == nil {
		t.Error("the file was read")
	}
	_, err := read("tenants: &t\n- {name: a, namespaces: [a], sync: {ref: "+strings.Repeat("{a: ", 300)+"x"+strings.Repeat("}", 300)+"}}\n", tenancy.Options{})
	if err == nil {
		t.Error("the deep file was read")
	}
}

func FuzzRead(f *testing.F) {
	for _, file := range []string{"testdata/everything.tenants.yaml", "testdata/old.tenants.yaml"} {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(content))
	}
	f.Add("tenants:\n- <<: &a {name: a}\n  namespaces: [*a]\n")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, content string) {
		tenants, err := read(content, tenancy.Options{})
		if err != nil {
			var invalid *tenancy.InvalidError
			if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
				t.Fatalf("got %v", err)
			}
			return
		}
		if _, err := tenancy.Generate(tenants); err != nil {
			t.Fatalf("what was read cannot be generated: %v", err)
		}
	})
}
