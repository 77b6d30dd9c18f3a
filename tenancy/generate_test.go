package tenancy_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/tenancy"
)

var update = flag.Bool("update", false, "write the golden files")

// generate makes the workspaces of a file in testdata.
func generate(t testing.TB, file string, options tenancy.Options) []tenancy.Workspace {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return generateFrom(t, content, options)
}

func generateFrom(t testing.TB, content []byte, options tenancy.Options) []tenancy.Workspace {
	t.Helper()
	tenants, err := tenancy.Read([]tenancy.Source{{Name: "tenants.yaml", Content: content}}, options)
	if err != nil {
		t.Fatal(err)
	}
	workspaces, err := tenancy.Generate(tenants)
	if err != nil {
		t.Fatal(err)
	}
	return workspaces
}

// export is how people see objects.
func export(t testing.TB, workspaces []tenancy.Workspace) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, w := range workspaces {
		for _, o := range w.Objects {
			content, err := tenancy.YAML(o)
			if err != nil {
				t.Fatal(err)
			}
			out.WriteString("---\n")
			out.Write(content)
		}
	}
	return out.Bytes()
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; -update writes it, then review the change", file)
	}
}

func TestWorkspacesAreAsInTheGoldenFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.tenants.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tenants files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			workspaces := generate(t, filepath.Base(file), tenancy.Options{})
			golden(t, strings.TrimSuffix(file, ".tenants.yaml")+".golden.yaml", export(t, workspaces))
			compiles(t, workspaces)
		})
	}
}

// compiles is a test that the engine has nothing to say against the policies, the config and the exceptions.
func compiles(t testing.TB, workspaces []tenancy.Workspace) *engine.Snapshot {
	t.Helper()
	sources, err := tenancy.Sources(workspaces)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, problems, err := engine.Compile(t.Context(), sources, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if _, isPolicy := p.Source.(*v2.Policy); !isPolicy && strings.HasPrefix(p.Message, "there is no policy ") {
			continue // it is one of the library, which is not part of this
		}
		t.Errorf("%s: %s (%s) %s", p.Field, p.Message, p.Hint, p.Excerpt)
	}
	return snapshot
}

func TestOldFilesGiveTheObjectsTheyAlwaysGave(t *testing.T) {
	const file = `
tenants:
- name: bar-tenant
  namespaces: [foobar-ns]
  labels: {team: bar}
  deploymentRBAC:
    bindRoles:
    - {Kind: ClusterRole, Name: flux-edit}
    rules:
    - {apiGroups: [""], resources: [namespaces, pods], verbs: [list, get]}
  teamRBAC:
    groupNames: [foo-group, bar-group]
    rules:
    - {apiGroups: [""], resources: [pods], verbs: [list]}
  allowedRepositories:
  - {kind: GitRepository, url: "https://github.com/testorg/testrepo"}
  allowedClusters:
  - kubeConfig: cluster-1-kubeconfig
- name: foo-tenant
  namespaces: [foo-ns, foo-ns-2]
`
	want := []string{
		"Namespace /foobar-ns",
		"ServiceAccount foobar-ns/bar-tenant",
		"Role foobar-ns/bar-tenant-service-account",
		"RoleBinding foobar-ns/bar-tenant-service-account",
		"RoleBinding foobar-ns/bar-tenant-service-account-flux-edit",
		"Role foobar-ns/bar-tenant-team",
		"RoleBinding foobar-ns/bar-tenant-team",
		"Policy /weave.policies.tenancy.bar-tenant-allowed-application-deploy",
		"Policy /weave.policies.tenancy.bar-tenant-allowed-repositories",
		"Policy /weave.policies.tenancy.bar-tenant-allowed-clusters",
		"Namespace /foo-ns",
		"ServiceAccount foo-ns/foo-tenant",
		"RoleBinding foo-ns/foo-tenant-service-account-cluster-admin",
		"Namespace /foo-ns-2",
		"ServiceAccount foo-ns-2/foo-tenant",
		"RoleBinding foo-ns-2/foo-tenant-service-account-cluster-admin",
		"Policy /weave.policies.tenancy.foo-tenant-allowed-application-deploy",
	}
	var got []string
	for _, w := range generateFrom(t, []byte(file), tenancy.Options{}) {
		for _, o := range w.Objects {
			if o.GetLabels()["toolkit.fluxcd.io/tenant"] != w.Tenant.Name {
				t.Errorf("%s %s has the labels %v", o.GetKind(), o.GetName(), o.GetLabels())
			}
			name := o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
			if o.GetKind() == "Policy" && !slices.Contains(want, name) {
				continue // a wall that the old tool did not have
			}
			got = append(got, name)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheOutputIsTheSameOnEveryRun(t *testing.T) {
	first := export(t, generate(t, "everything.tenants.yaml", tenancy.Options{}))
	for range 20 {
		if again := export(t, generate(t, "everything.tenants.yaml", tenancy.Options{})); !bytes.Equal(first, again) {
			t.Fatal("the same file gave two outputs")
		}
	}
}

func TestAClusterGetsOnlyItsTenants(t *testing.T) {
	const file = `
tenants:
- {name: a, namespaces: [a], clusters: [eu, us]}
- {name: b, namespaces: [b], clusters: [us]}
- {name: c, namespaces: [c]}
`
	for cluster, want := range map[string]string{"": "a b c", "eu": "a c", "us": "a b c", "asia": "c"} {
		var names []string
		for _, w := range generateFrom(t, []byte(file), tenancy.Options{Cluster: cluster}) {
			names = append(names, w.Tenant.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("cluster %q: got %s, want %s", cluster, got, want)
		}
	}
}

func TestTheDefaultRoleIsWhatServiceAccountsAreBoundTo(t *testing.T) {
	for role, want := range map[tenancy.Preset]string{"": "cluster-admin", "edit": "edit", "deployer": "edit", "admin": "admin"} {
		workspaces := generateFrom(t, []byte("tenants:\n- {name: a, namespaces: [a]}"), tenancy.Options{DefaultRole: role})
		var bound []string
		for _, o := range workspaces[0].Objects {
			if ref, ok := o.Object["roleRef"].(map[string]any); ok && ref["kind"] == "ClusterRole" {
				bound = append(bound, ref["name"].(string))
			}
		}
		if !slices.Equal(bound, []string{want}) {
			t.Errorf("default role %q binds %v, want %s", role, bound, want)
		}
	}
}

func TestOnlyClusterAdminIsWarnedAbout(t *testing.T) {
	const file = "tenants:\n- {name: a, namespaces: [a], allowedRepositories: [{kind: GitRepository, url: 'https://x.example/y'}]}"
	for role, want := range map[tenancy.Preset]int{"": 1, "cluster-admin": 1, "deployer": 0} {
		tenants, err := tenancy.Read([]tenancy.Source{{Name: "f", Content: []byte(file)}}, tenancy.Options{DefaultRole: role})
		if err != nil {
			t.Fatal(err)
		}
		if len(tenants.Warnings) != want {
			t.Errorf("default role %q: got warnings %v, want %d", role, tenants.Warnings, want)
		}
	}
}

func TestAnUnknownDefaultRoleIsAnError(t *testing.T) {
	_, err := tenancy.Read([]tenancy.Source{{Name: "f", Content: []byte("tenants:\n- {name: a, namespaces: [a]}")}}, tenancy.Options{DefaultRole: "root"})
	var invalid *tenancy.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v", err)
	}
}
