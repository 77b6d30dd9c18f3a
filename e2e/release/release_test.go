package release

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files")

const chartFolder = "../../charts/policy-agent"

// values reads the values of a golden file.
func values(t *testing.T, file string) map[string]any {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var parsed map[string]any
	if err := yaml.Unmarshal(content, &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestTheChartRendersWhatItAlwaysDid(t *testing.T) {
	files, err := filepath.Glob("testdata/*.values.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("values: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			rendered, err := Render(t.Context(), chartFolder, "policy-system", values(t, file))
			if err != nil {
				t.Fatal(err)
			}
			got := rendered.Manifest + "# Hooks\n---\n" + strings.Join(rendered.Hooks, "---\n") + "# Notes\n" + rendered.Notes
			golden := strings.TrimSuffix(file, ".values.yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs; see the difference with -update", golden)
			}
		})
	}
}

func TestWrongValuesAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ values, says string }{
		"a name that does not exist":         {"failurePolcy: Fail", "failurePolcy"},
		"one in a section":                   {"persistence: {enable: true}", "enable"},
		"a failure policy that is none":      {"failurePolicy: fail", "failurePolicy"},
		"replicas as text":                   {"replicas: two", "replicas"},
		"a namespace that cannot exist":      {"excludeNamespaces: [Kube_System]", "excludeNamespaces"},
		"an excluded namespace, not a list":  {"excludeNamespaces: kube-system", "excludeNamespaces"},
		"a certificate that is no PEM":       {"certificate: abc", "certificate"},
		"a certificate without its key":      {"certificate: \"-----BEGIN CERTIFICATE-----\"\ncaCertificate: \"-----BEGIN CERTIFICATE-----\"", "without its key"},
		"a certificate without its CA":       {"certificate: \"-----BEGIN CERTIFICATE-----\"\nkey: \"-----BEGIN PRIVATE KEY-----\"", "without caCertificate"},
		"a key without certificate":          {"key: \"-----BEGIN PRIVATE KEY-----\"", "without certificate"},
		"two sources of certificates":        {"useCertManager: true\ncertificate: \"-----BEGIN CERTIFICATE-----\"", "choose one"},
		"two replicas on a volume for one":   {"replicas: 2\npersistence: {enabled: true}", "set replicas to 1"},
		"a budget that allows no disruption": {"podDisruptionBudget: {maxUnavailable: 0}", "maxUnavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			var parsed map[string]any
			if err := yaml.Unmarshal([]byte(c.values), &parsed); err != nil {
				t.Fatal(err)
			}
			_, err := Render(t.Context(), chartFolder, "policy-system", parsed)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %q", err, c.says)
			}
		})
	}
}

func TestConfigSaysWhatItSaysWhateverItsSpelling(t *testing.T) {
	rendered, err := Render(t.Context(), chartFolder, "policy-system", map[string]any{
		"failurePolicy": "Fail", "excludeNamespaces": []any{"a"},
		"config": map[string]any{"ProbesListen": ":9999", "metricsaddress": "off", "Admission": map[string]any{"WebHook": map[string]any{"FailurePolicy": "Ignore", "LISTEN": 7443}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"FailurePolicy: Ignore", "containerPort: 9999", "containerPort: 7443", "excludeNamespaces:\n        - a"} {
		if !strings.Contains(rendered.Manifest, want) {
			t.Errorf("there is no %q in\n%s", want, rendered.Manifest)
		}
	}
	for _, unwanted := range []string{"failurePolicy: Fail", "policy-agent-metrics", "name: metrics"} {
		if strings.Contains(rendered.Manifest, unwanted) {
			t.Errorf("there is %q", unwanted)
		}
	}
}

func TestRightsForEventsComeWithTheirSink(t *testing.T) {
	const right = "- apiGroups: [\"\"]\n    resources: [events]\n    verbs: [create, patch]"
	for values, granted := range map[string]bool{
		"{}": false,
		"config: {audit: {sinks: {k8sEventsSink: {enabled: false}}}}":                                   false,
		"config: {audit: {sinks: {filesystemSink: {fileName: a}}}}":                                     false,
		"config: {audit: {sinks: null}, admission: {sinks: }}":                                          false,
		"config: {audit: {sinks: {k8sEventsSink: {enabled: true}}}}":                                    true,
		"config: {Admission: {Sinks: {K8sEventssink: {Enabled: 'true'}}}}":                              true,
		"config: {audit: {sinks: {fluxNotificationSink: {address: ''}}}}":                               true,
		"config: {audit: {sinks: {fluxNotificationSink: {address: 'http://notification-controller'}}}}": false,
		"config: {tfAdmission: {sinks: {k8sEventsSink: {enabled: true}}}}":                              true,
		"config: {tfAdmission: {sinks: {k8sEventsSink: {manifests: true}}}}":                            false,
	} {
		var parsed map[string]any
		if err := yaml.Unmarshal([]byte(values), &parsed); err != nil {
			t.Fatal(err)
		}
		rendered, err := Render(t.Context(), chartFolder, "policy-system", parsed)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(rendered.Manifest, right) != granted {
			t.Errorf("%s: the right is granted: %v", values, !granted)
		}
	}
}

func TestRightsForPolicyReportsComeWithTheirSink(t *testing.T) {
	const verbs = "\n    verbs: [get, list, create, update, delete]"
	openReports, wgPolicy := "- apiGroups: [openreports.io]\n    resources: [reports, clusterreports]"+verbs, "- apiGroups: [wgpolicyk8s.io]\n    resources: [policyreports, clusterpolicyreports]"+verbs
	for values, granted := range map[string]string{
		"{}": "",
		"config: {audit: {sinks: {policyReportSink: {enabled: false, api: wgpolicy}}}}":   "",
		"config: {audit: {sinks: {policyReportSink: {enabled: true}}}}":                   openReports,
		"config: {Audit: {sinks: {PolicyReportSink: {Enabled: 'True', API: WGPolicy}}}}":  wgPolicy,
		"config: {audit: {sinks: {policyReportSink: {enabled: true, api: openreports}}}}": openReports,
	} {
		var parsed map[string]any
		if err := yaml.Unmarshal([]byte(values), &parsed); err != nil {
			t.Fatal(err)
		}
		rendered, err := Render(t.Context(), chartFolder, "policy-system", parsed)
		if err != nil {
			t.Fatal(err)
		}
		for _, right := range []string{openReports, wgPolicy} {
			if strings.Contains(rendered.Manifest, right) != (right == granted) {
				t.Errorf("%s: granted is not %q", values, granted)
			}
		}
	}
}

func TestTheChartsCRDsAreThoseOfTheAPI(t *testing.T) {
	const from, to = "../../api/v2/crds", chartFolder + "/crds"
	files, err := filepath.Glob(from + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	copies, err := os.ReadDir(to)
	if err != nil || len(copies) != len(files) {
		t.Errorf("%d files, %d copies, %v", len(files), len(copies), err)
	}
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(to, filepath.Base(file)))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is not the API's (%v): run make generate", filepath.Base(file), err)
		}
	}
}
