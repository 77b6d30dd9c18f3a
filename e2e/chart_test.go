package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/e2e/cluster"
	"github.com/assay-gitops/assay/e2e/release"
)

// Everything that the chart renders for the values of its golden files is what the API server and the agent accept, to the
// last field.
func TestTheAPIServerAndTheAgentAcceptWhatTheChartRenders(t *testing.T) {
	files, err := filepath.Glob("release/testdata/*.values.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("values: %v, %v", files, err)
	}
	assay, err := cluster.BuildAssay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "", "create", "namespace", "rendered")
	cleanUp(t, "delete", "namespace", "rendered")
	kubectl(t, `{"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","metadata":{"name":"important"},"value":1000}`, "create", "-f", "-")
	cleanUp(t, "delete", "priorityclass", "important")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var values map[string]any
			if err := yaml.Unmarshal(content, &values); err != nil {
				t.Fatal(err)
			}
			rendered, err := release.Render(t.Context(), chartFolder, "rendered", values)
			if err != nil {
				t.Fatal(err)
			}
			var objects []string
			for document := range strings.SplitSeq(rendered.Manifest+"\n---\n"+strings.Join(rendered.Hooks, "\n---\n"), "\n---\n") {
				// cert-manager is not there to say what it accepts.
				if !strings.Contains(document, "\napiVersion: cert-manager.io/") && !strings.HasPrefix(document, "apiVersion: cert-manager.io/") {
					objects = append(objects, document)
				}
			}
			created := kubectl(t, strings.Join(objects, "\n---\n"), "create", "--dry-run=server", "--validate=strict", "-f", "-")
			if !strings.Contains(created, "deployment.apps/policy-agent created") {
				t.Errorf("created: %s", created)
			}
			checkConfiguration(t, assay, objects)
		})
	}
}

// checkConfiguration has the agent check the configuration file among the objects.
func checkConfiguration(t *testing.T, assay string, objects []string) {
	t.Helper()
	for _, document := range objects {
		var object struct {
			Kind string
			Data map[string]string
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		if object.Kind != "ConfigMap" {
			continue
		}
		file := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte(object.Data["config.yaml"]), 0o600); err != nil {
			t.Fatal(err)
		}
		command := exec.CommandContext(t.Context(), assay, "agent", "--check-config", "--config-file", file)
		command.Env = []string{}
		if out, err := command.CombinedOutput(); err != nil || strings.Contains(string(out), "warning") {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	t.Error("there is no ConfigMap")
}
