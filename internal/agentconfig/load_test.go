package agentconfig

import (
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the generated page")

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// compare tells how a configuration differs from the wanted one, secrets included.
func compare(want, got *Config) string {
	return cmp.Diff(want, got, cmp.Comparer(func(a, b Secret) bool { return string(a) == string(b) }))
}

func warningTexts(warnings []Warning) []string {
	var texts []string
	for _, warning := range warnings {
		texts = append(texts, warning.String())
	}
	return texts
}

func TestFilesOfTheOldAgentLoadUnchanged(t *testing.T) {
	tests := map[string]struct {
		want     func(c *Config)
		warnings []string
	}{
		"admission-events.yaml": {
			want: func(c *Config) {
				c.Admission.Enabled = true
				c.Admission.Sinks.K8sEventsSink = &K8sEventsSink{Enabled: true, Manifests: true}
			},
		},
		"all-old-keys.yaml": {
			want: func(c *Config) {
				c.AccountID, c.ClusterID = "account-id", "cluster-id"
				c.Admission.Enabled, c.Admission.Mutate = true, true
				c.Admission.Webhook.Certificates = CertificatesFiles
				c.Admission.Sinks = Sinks{
					FilesystemSink:       &FilesystemSink{FileName: "admission.json", MaxSize: 100 << 20, MaxFiles: 5},
					FluxNotificationSink: &FluxNotificationSink{Address: "http://notification-controller.flux-system.svc.cluster.local."},
					ElasticSink: &ElasticSink{
						Address: "http://localhost:9200", Username: "elastic", Password: "not-a-password", IndexName: "admission", InsertionMode: "insert", IndexPeriod: "none", Template: true,
					},
				}
				c.Audit.Enabled, c.Audit.WriteCompliance, c.Audit.Interval = true, true, 24*time.Hour
				c.Audit.Sinks = Sinks{
					FilesystemSink: &FilesystemSink{FileName: "audit.json", MaxSize: 100 << 20, MaxFiles: 5},
					K8sEventsSink:  &K8sEventsSink{Enabled: true, Manifests: true},
					ElasticSink:    &ElasticSink{Address: "http://localhost:9200", IndexName: "audit", InsertionMode: "upsert", IndexPeriod: "none", Template: true},
				}
				c.TFAdmission.Enabled = true
				c.TFAdmission.Sinks = Sinks{
					FilesystemSink:       &FilesystemSink{FileName: "tf.json", MaxSize: 100 << 20, MaxFiles: 5},
					FluxNotificationSink: &FluxNotificationSink{},
				}
			},
			warnings: []string{
				"all-old-keys.yaml:43:12: tfAdmission.enabled lets whoever reaches the port ask for verdicts; set tfAdmission.auth.tokenFile or tfAdmission.auth.clientCAFile",
			},
		},
		"before-2.0.yaml": {
			want: func(c *Config) {
				c.AccountID, c.ClusterID = "account-id", "cluster-id"
				c.Admission.Enabled, c.Audit.Enabled, c.TFAdmission.Enabled = true, true, true
				c.Admission.Sinks.FilesystemSink = &FilesystemSink{FileName: "admission.json", MaxSize: 100 << 20, MaxFiles: 5}
				c.TFAdmission.Sinks.K8sEventsSink = &K8sEventsSink{Enabled: true, Manifests: true}
			},
			warnings: []string{
				"before-2.0.yaml:5:3: admission.policySet is ignored since agents of version 2.0; PolicySet objects of the cluster say which policies act where: spec.mode",
				"before-2.0.yaml:7:5: admission.sinks.saasGatewaySink is ignored: there is no such service any more; filesystemSink, k8sEventsSink, fluxNotificationSink and elasticSink take results",
				"before-2.0.yaml:14:3: audit.policySet is ignored since agents of version 2.0; PolicySet objects of the cluster say which policies act where: spec.mode",
				"before-2.0.yaml:15:1: terraform is what agents before 2.0 called the section tfAdmission; rename it",
				"before-2.0.yaml:16:12: tfAdmission.enabled lets whoever reaches the port ask for verdicts; set tfAdmission.auth.tokenFile or tfAdmission.auth.clientCAFile",
				"before-2.0.yaml:17:3: tfAdmission.policySet is ignored since agents of version 2.0; PolicySet objects of the cluster say which policies act where: spec.mode",
			},
		},
	}
	for file, test := range tests {
		t.Run(file, func(t *testing.T) {
			got, warnings, err := Load(file, read(t, file), nil)
			if err != nil {
				t.Fatal(err)
			}
			want := defaults()
			test.want(&want)
			if diff := compare(&want, got); diff != "" {
				t.Errorf("differs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.warnings, warningTexts(warnings)); diff != "" {
				t.Errorf("warnings differ (-want +got):\n%s", diff)
			}
		})
	}
}

// load reads a configuration in which audit is enabled besides what content says.
func load(content string, env ...string) (*Config, []Warning, error) {
	return Load("config.yaml", []byte(content), append([]string{"AUDIT_ENABLED=true"}, env...))
}

func TestValuesAreRead(t *testing.T) {
	tests := map[string]struct {
		content string
		env     []string
		get     func(c *Config) any
		want    any
	}{
		"nothing but the environment":                        {"", nil, func(c *Config) any { return c.Audit.Enabled }, true},
		"an empty section":                                   {"admission:\n", nil, func(c *Config) any { return c.Admission.Webhook.Listen }, 8443},
		"a key without a value is not set":                   {"probesListen:\n", nil, func(c *Config) any { return c.ProbesListen }, ":9000"},
		"a level in any case":                                {"logLevel: WARN\n", nil, func(c *Config) any { return c.LogLevel }, slog.LevelWarn},
		"a choice in any case":                               {"admission: {webhook: {failurePolicy: ignore}}\n", nil, func(c *Config) any { return c.Admission.Webhook.FailurePolicy }, "Ignore"},
		"a quoted boolean":                                   {"breaker: {enabled: \"false\"}\n", nil, func(c *Config) any { return c.Breaker.Enabled }, false},
		"a number as a text":                                 {"accountId: 0123\n", nil, func(c *Config) any { return c.AccountID }, "0123"},
		"a date as a text":                                   {"accountId: 2026-11-24\n", nil, func(c *Config) any { return c.AccountID }, "2026-11-24"},
		"a number as Helm writes large ones":                 {"tfAdmission: {maxBodySize: 1.048576e+06}\n", nil, func(c *Config) any { return c.TFAdmission.MaxBodySize }, int64(1 << 20)},
		"a size with its unit":                               {"evaluation: {memoryLimit: 1.5Gi}\n", nil, func(c *Config) any { return c.Evaluation.MemoryLimit }, int64(3 << 29)},
		"an interval in hours":                               {"audit: {interval: 6}\n", nil, func(c *Config) any { return c.Audit.Interval }, 6 * time.Hour},
		"an interval with its unit":                          {"audit: {interval: 90m}\n", nil, func(c *Config) any { return c.Audit.Interval }, 90 * time.Minute},
		"metrics off":                                        {"metricsAddress: off\n", nil, func(c *Config) any { return c.MetricsAddress }, MetricsOff},
		"metrics off as the old agent wanted":                {"metricsAddress: \"0\"\n", nil, func(c *Config) any { return c.MetricsAddress }, MetricsOff},
		"a list":                                             {"admission:\n  webhook:\n    excludeNamespaces: [a, b]\n", nil, func(c *Config) any { return c.Admission.Webhook.ExcludeNamespaces }, []string{"a", "b"}},
		"a list in one text":                                 {"admission: {webhook: {excludeNamespaces: 'a, b'}}\n", nil, func(c *Config) any { return c.Admission.Webhook.ExcludeNamespaces }, []string{"a", "b"}},
		"keys with dots":                                     {"admission.webhook.listen: 9443\n", nil, func(c *Config) any { return c.Admission.Webhook.Listen }, 9443},
		"certificates that somebody else makes":              {"admission: {webhook: {certDir: /tls}}\n", nil, func(c *Config) any { return c.Admission.Webhook.Certificates }, CertificatesFiles},
		"certificates are the agent's own when that is said": {"admission: {webhook: {certDir: /tls, certificates: self}}\n", nil, func(c *Config) any { return c.Admission.Webhook.Certificates }, CertificatesSelf},
		"a URL loses the slash at its end":                   {"admission: {webhook: {url: 'https://127.0.0.1:8443/'}}\n", nil, func(c *Config) any { return c.Admission.Webhook.URL }, "https://127.0.0.1:8443"},
		"traces by gRPC":                                     {"tracing: {endpoint: 'collector:4317'}\n", nil, func(c *Config) any { return c.Tracing.Endpoint }, "collector:4317"},
		"traces by HTTP":                                     {"tracing: {endpoint: 'https://collector/v1/traces'}\n", nil, func(c *Config) any { return c.Tracing.Endpoint }, "https://collector/v1/traces"},
		"an alias":                                           {"x-sinks: &s {k8sEventsSink: {enabled: true}}\naudit: {sinks: *s}\n", nil, func(c *Config) any { return c.Audit.Sinks.K8sEventsSink.Enabled }, true},
		"a map's own key goes before a merged one":           {"x-a: &a {budget: 1ms, pause: 7s}\nbreaker:\n  <<: *a\n  budget: 2ms\n", nil, func(c *Config) any { return c.Breaker.Budget }, 2 * time.Millisecond},
		"what is merged counts":                              {"x-a: &a {budget: 1ms, pause: 7s}\nbreaker:\n  <<: *a\n  budget: 2ms\n", nil, func(c *Config) any { return c.Breaker.Pause }, 7 * time.Second},
		"the first of merged maps goes before":               {"x-a: &a {pause: 1s}\nx-b: &b {pause: 2s}\nbreaker: {<<: [*a, *b]}\n", nil, func(c *Config) any { return c.Breaker.Pause }, time.Second},
		"no value goes before a merged one":                  {"x-a: &a {pause: 1s}\nbreaker: {<<: *a, pause: null}\n", nil, func(c *Config) any { return c.Breaker.Pause }, 30 * time.Second},
		"insert is how results are written":                  {"audit: {sinks: {elasticSink: {address: 'http://e:9200', indexName: i}}}\n", nil, func(c *Config) any { return c.Audit.Sinks.ElasticSink.InsertionMode }, "insert"},
		"an old event sink that is off":                      {"audit: {sinks: {k8sEventsSink: {enabled: false}}}\n", nil, func(c *Config) any { return c.Audit.Sinks.K8sEventsSink.Enabled }, false},
		"the environment overrides the file":                 {"audit: {interval: 6}\n", []string{"AUDIT_INTERVAL=12h"}, func(c *Config) any { return c.Audit.Interval }, 12 * time.Hour},
		"the environment sets what no file has":              {"", []string{"ADMISSION_WEBHOOK_LISTEN=9443"}, func(c *Config) any { return c.Admission.Webhook.Listen }, 9443},
		"a list of the environment":                          {"", []string{"ADMISSION_WEBHOOK_EXCLUDENAMESPACES=a,b"}, func(c *Config) any { return c.Admission.Webhook.ExcludeNamespaces }, []string{"a", "b"}},
		"a variable makes a sink":                            {"", []string{"AUDIT_SINKS_FILESYSTEMSINK_FILENAME=a.json"}, func(c *Config) any { return c.Audit.Sinks.FilesystemSink.FileName }, "a.json"},
		"a folder of certificates by a variable":             {"", []string{"ADMISSION_WEBHOOK_CERTDIR=/tls"}, func(c *Config) any { return c.Admission.Webhook.Certificates }, CertificatesFiles},
		"an empty variable is not set":                       {"accountId: a\n", []string{"ACCOUNTID="}, func(c *Config) any { return c.AccountID }, "a"},
		"a variable may contain =":                           {"", []string{"ACCOUNTID=a=b"}, func(c *Config) any { return c.AccountID }, "a=b"},
		"a variable by its old name":                         {"", []string{"TERRAFORM_ENABLED=true"}, func(c *Config) any { return c.TFAdmission.Enabled }, true},
		"KUBECONFIG":                                         {"", []string{"KUBECONFIG=/k"}, func(c *Config) any { return c.KubeConfigFile }, "/k"},
		"a kubeconfig of the file goes before KUBECONFIG":    {"kubeConfigFile: /f\n", []string{"KUBECONFIG=/k"}, func(c *Config) any { return c.KubeConfigFile }, "/f"},
		"POD_NAMESPACE":                                      {"", []string{"POD_NAMESPACE=p"}, func(c *Config) any { return c.Namespace }, "p"},
		"a namespace of the file goes before POD_NAMESPACE":  {"namespace: n\n", []string{"POD_NAMESPACE=p"}, func(c *Config) any { return c.Namespace }, "n"},
		"no namespace is left to the caller":                 {"", nil, func(c *Config) any { return c.Namespace }, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, _, err := load(test.content, test.env...)
			if err != nil {
				t.Fatal(err)
			}
			if got := test.get(c); !reflect.DeepEqual(got, test.want) {
				t.Errorf("is %v, want %v", got, test.want)
			}
		})
	}
}

func TestAnyFreePortIsNoPortOfAnother(t *testing.T) {
	if _, _, err := load("probesListen: '127.0.0.1:0'\nmetricsAddress: '127.0.0.1:0'\n"); err != nil {
		t.Error(err)
	}
}

func TestTerraformAdmissionAloneIsEnough(t *testing.T) {
	c, _, err := Load("config.yaml", []byte("tfAdmission: {enabled: true, auth: {tokenFile: /token}}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !c.TFAdmission.Enabled || c.Admission.Enabled || c.Audit.Enabled {
		t.Errorf("the gates are %v, %v, %v", c.Admission.Enabled, c.Audit.Enabled, c.TFAdmission.Enabled)
	}
}

func TestNothingEnabledIsAFault(t *testing.T) {
	_, _, err := Load("config.yaml", nil, nil)
	const want = "config.yaml: nothing is enabled, so the agent would do nothing; set at least one of admission.enabled, audit.enabled, tfAdmission.enabled to true"
	if err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
}

func TestFaultsTellPlaceKeyReasonAndWayOut(t *testing.T) {
	tests := map[string]struct {
		content string
		env     []string
		want    string
	}{
		"an unknown key":                  {"logLevell: info\n", nil, `config.yaml:1:1: logLevell is no key of the configuration; did you mean logLevel?`},
		"an unknown key of a section":     {"admission:\n  webhook:\n    lisen: 1\n", nil, `config.yaml:3:5: admission.webhook.lisen is no key of the configuration; did you mean admission.webhook.listen?`},
		"a key outside of its section":    {"certDir: /certs\n", nil, `config.yaml:1:1: certDir is no key of the configuration; did you mean admission.webhook.certDir?`},
		"a key like no other":             {"zzz: 1\n", nil, `config.yaml:1:1: zzz is no key of the configuration`},
		"a key twice":                     {"logLevel: info\nLOGLEVEL: info\n", nil, `config.yaml:2:1: logLevel is written twice, here and at config.yaml:1:1 (upper and lower case are the same); remove one of them`},
		"a section twice":                 {"audit: {}\nAudit: {}\n", nil, `config.yaml:2:1: audit is written twice, here and at config.yaml:1:1 (upper and lower case are the same); remove one of them`},
		"a key twice, once with dots":     {"audit: {interval: 1}\naudit.interval: 2\n", nil, `config.yaml:2:1: audit.interval is written twice, here and at config.yaml:1:9 (upper and lower case are the same); remove one of them`},
		"a value for a section":           {"audit: true\n", nil, `config.yaml:1:8: audit is a section with keys of its own, not one value; its keys are enabled, interval, writeCompliance, sinks`},
		"a map for a value":               {"logLevel: {a: b}\n", nil, `config.yaml:1:11: logLevel must be one value (debug, info, warn or error), not a map or list`},
		"a list for a value":              {"logLevel: [info]\n", nil, `config.yaml:1:11: logLevel must be one value (debug, info, warn or error), not a map or list`},
		"a level":                         {"logLevel: loud\n", nil, `config.yaml:1:11: logLevel must be debug, info, warn or error, not "loud"`},
		"a boolean":                       {"audit: {writeCompliance: maybe}\n", nil, `config.yaml:1:26: audit.writeCompliance must be true or false, not "maybe"`},
		"a port":                          {"admission: {webhook: {listen: 70000}}\n", nil, `config.yaml:1:31: admission.webhook.listen must be a port from 1 to 65535, not "70000"`},
		"a fraction of a port":            {"admission: {webhook: {listen: 8443.5}}\n", nil, `config.yaml:1:31: admission.webhook.listen must be a port from 1 to 65535, not "8443.5"`},
		"an address to listen at":         {"probesListen: '9000'\n", nil, `config.yaml:1:15: probesListen must be host:port, such as :8080, not "9000"`},
		"an interval":                     {"audit: {interval: 0}\n", nil, `config.yaml:1:19: audit.interval must be a number of hours, or a duration such as 12h, from 1h to 8760h, not "0"`},
		"a negative interval":             {"audit: {interval: -1}\n", nil, `config.yaml:1:19: audit.interval must be a number of hours, or a duration such as 12h, from 1h to 8760h, not "-1"`},
		"a short interval":                {"audit: {interval: 59m}\n", nil, `config.yaml:1:19: audit.interval must be a number of hours, or a duration such as 12h, from 1h to 8760h, not "59m"`},
		"an interval that overflows":      {"audit: {interval: 9000000000000000000}\n", nil, `config.yaml:1:19: audit.interval must be a number of hours, or a duration such as 12h, from 1h to 8760h, not "9000000000000000000"`},
		"a duration without a unit":       {"evaluation: {timeout: 5}\n", nil, `config.yaml:1:23: evaluation.timeout must be a duration with its unit, such as 500ms, 5s, 1m or 2160h, not "5"`},
		"a duration that is none":         {"evaluation: {timeout: soon}\n", nil, `config.yaml:1:23: evaluation.timeout must be a duration such as 500ms, 5s, 1m or 2160h, not "soon"`},
		"a negative duration":             {"shutdown: {delay: -1s}\n", nil, `config.yaml:1:19: shutdown.delay must be a duration from 0s to 1h, not "-1s"`},
		"half seconds":                    {"admission: {webhook: {timeout: 1500ms}}\n", nil, `config.yaml:1:32: admission.webhook.timeout must be a duration in whole seconds, not "1500ms"`},
		"a long timeout":                  {"admission: {webhook: {timeout: 31s}}\n", nil, `config.yaml:1:32: admission.webhook.timeout must be a duration from 1s to 30s, not "31s"`},
		"a short certificate":             {"admission: {webhook: {certificateValidity: 59s}}\n", nil, `config.yaml:1:44: admission.webhook.certificateValidity must be a duration from 1m to 87600h, not "59s"`},
		"a size":                          {"tfAdmission: {maxBodySize: lots}\n", nil, `config.yaml:1:28: tfAdmission.maxBodySize must be a number of bytes or a size such as 16Mi, not "lots"`},
		"a size that overflows":           {"tfAdmission: {maxBodySize: 1e300Ti}\n", nil, `config.yaml:1:28: tfAdmission.maxBodySize must be a number of bytes or a size such as 16Mi, not "1e300Ti"`},
		"a size of megabytes unsaid":      {"evaluation: {memoryLimit: 512}\n", nil, `config.yaml:1:27: evaluation.memoryLimit must be a size from 32Mi to 1Ti, not "512"`},
		"a ratio":                         {"tracing: {sampleRatio: 1.1}\n", nil, `config.yaml:1:24: tracing.sampleRatio must be a number from 0 to 1, not "1.1"`},
		"a ratio that is no number":       {"tracing: {sampleRatio: .nan}\n", nil, `config.yaml:1:24: tracing.sampleRatio must be a number from 0 to 1, not ".nan"`},
		"a URL without TLS":               {"admission: {webhook: {url: 'http://h'}}\n", nil, `config.yaml:1:28: admission.webhook.url must be a URL that begins with https:// and a host, not "http://h"`},
		"a URL without a host":            {"admission: {webhook: {url: 'https://'}}\n", nil, `config.yaml:1:28: admission.webhook.url must be a URL that begins with https:// and a host, not "https://"`},
		"a namespace":                     {"namespace: Not_One\n", nil, `config.yaml:1:12: namespace must be a name of a namespace: a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character, not "Not_One"`},
		"an entry of a list":              {"admission: {webhook: {excludeNamespaces: [a, B]}}\n", nil, `config.yaml:1:42: admission.webhook.excludeNamespaces has the entry "B", which must be a name of a namespace: a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character`},
		"a file of another folder":        {"audit: {sinks: {filesystemSink: {fileName: ../../etc/cron.d/a}}}\n", nil, `config.yaml:1:44: audit.sinks.filesystemSink.fileName must not leave the folder for results, not "../../etc/cron.d/a"`},
		"a file by its whole path":        {"audit: {sinks: {filesystemSink: {fileName: /etc/a}}}\n", nil, `config.yaml:1:44: audit.sinks.filesystemSink.fileName must be the name of a file in the folder for results, without a slash at its beginning, not "/etc/a"`},
		"a file without a name":           {"audit: {sinks: {filesystemSink: {fileName: ''}}}\n", nil, `config.yaml:1:44: audit.sinks.filesystemSink.fileName must not be empty, not ""`},
		"a mode":                          {"audit: {sinks: {elasticSink: {address: 'http://h', indexName: i, insertionMode: replace}}}\n", nil, `config.yaml:1:81: audit.sinks.elasticSink.insertionMode must be insert or upsert, not "replace"`},
		"an index":                        {"audit: {sinks: {elasticSink: {address: 'http://h', indexName: Mine}}}\n", nil, `config.yaml:1:63: audit.sinks.elasticSink.indexName must be in lower case, not "Mine"`},
		"an index that is missing":        {"audit: {sinks: {elasticSink: {address: 'http://h'}}}\n", nil, `config.yaml:1:17: audit.sinks.elasticSink needs the key indexName; set it or the environment variable AUDIT_SINKS_ELASTICSINK_INDEXNAME`},
		"an address that is missing":      {"audit: {sinks: {elasticSink: {indexName: i}}}\n", nil, `config.yaml:1:17: audit.sinks.elasticSink needs the key address; set it or the environment variable AUDIT_SINKS_ELASTICSINK_ADDRESS`},
		"a variable":                      {"", []string{"AUDIT_INTERVAL=often"}, `environment variable AUDIT_INTERVAL: audit.interval must be a number of hours, or a duration such as 12h, from 1h to 8760h, not "often"`},
		"POD_NAMESPACE":                   {"", []string{"POD_NAMESPACE=a.b"}, `environment variable POD_NAMESPACE: namespace must be a name of a namespace: must not contain dots, not "a.b"`},
		"one port for two":                {"probesListen: ':8443'\n", nil, `config.yaml:1:15: probesListen has the port of admission.webhook.listen; choose another one`},
		"one port of every address":       {"probesListen: '127.0.0.1:7000'\nmetricsAddress: '0.0.0.0:7000'\n", nil, `config.yaml:2:17: metricsAddress has the port of probesListen; choose another one`},
		"one port, told where it is":      {"admission: {webhook: {listen: 9000}}\n", nil, `config.yaml:1:31: admission.webhook.listen has the port of probesListen; choose another one`},
		"TLS and not":                     {"tracing: {endpoint: 'https://c', insecure: true}\n", nil, `config.yaml:1:44: tracing.insecure contradicts the https URL of tracing.endpoint; write http:// or remove tracing.insecure`},
		"no map":                          {"- a\n", nil, `config.yaml:1:1: a configuration is a map of keys, such as logLevel: info`},
		"a second document":               {"logLevel: info\n---\nlogLevel: warn\n", nil, `config.yaml:3:1: a second YAML document begins here; write the configuration as one document`},
		"no YAML":                         {"logLevel: info\nprobesListen: a: b\n", nil, `config.yaml:2: no valid YAML: mapping values are not allowed in this context`},
		"a map as a key":                  {"{a: b}: c\n", nil, `config.yaml:1:1: a map or list is used as a key`},
		"a tag":                           {"accountId: !env A\n", nil, `config.yaml:1:12: accountId has a tag (!) that means nothing here`},
		"an alias without an anchor":      {"audit:\n  sinks: *nothing\n", nil, `config.yaml:2:10: an alias (*) whose anchor (&) is not written before it; put the value in quotes if the asterisk is meant as a character`},
		"an anchor that merges itself":    {"breaker: &a {<<: *a}\n", nil, `config.yaml:1:18: merges (<<) are nested more than 20 deep, or an anchor merges itself`},
		"a merge of no map":               {"breaker: {<<: 1}\n", nil, `config.yaml:1:15: only maps can be merged (<<)`},
		"the old and the new name":        {"terraform: {}\ntfAdmission: {}\n", nil, `config.yaml:2:1: tfAdmission is written twice, here and at config.yaml:1:1 (upper and lower case are the same); remove one of them`},
		"a long value is cut":             {"logLevel: " + strings.Repeat("a", 200) + "\n", nil, `config.yaml:1:11: logLevel must be debug, info, warn or error, not "` + strings.Repeat("a", 100) + `…"`},
		"control characters are harmless": {"logLevel: \"a\\e[31m\"\n", nil, `config.yaml:1:11: logLevel must be debug, info, warn or error, not "a?[31m"`},
		"a user twice":                    {"audit: {sinks: {elasticSink: {address: 'http://u:p@h', username: u, indexName: i}}}\n", nil, `config.yaml:1:40: audit.sinks.elasticSink.address has a user besides that of username and password; write them in one place`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, _, err := load(test.content, test.env...)
			if err == nil {
				t.Fatal("no error")
			}
			if c != nil {
				t.Error("a configuration that has a fault is returned")
			}
			if err.Error() != test.want {
				t.Errorf("the error is\n%s\nwant\n%s", err, test.want)
			}
		})
	}
}

func TestAllFaultsAreToldAtOnceInTheOrderOfTheFile(t *testing.T) {
	_, _, err := load("audit: {sinks: {elasticSink: {address: 'http://h'}}}\nshutdown: {delay: x}\nlogLevel: y\nfoo: z\n", "AUDIT_INTERVAL=w")
	var all *Error
	if !errors.As(err, &all) {
		t.Fatalf("the error is %v", err)
	}
	var got []string
	for _, fault := range all.Faults {
		got = append(got, fault.Place.String()+" "+fault.Key)
	}
	want := []string{"config.yaml:1:17 audit.sinks.elasticSink", "config.yaml:2:19 shutdown.delay", "config.yaml:3:11 logLevel", "config.yaml:4:1 foo", "environment variable AUDIT_INTERVAL audit.interval"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differ (-want +got):\n%s", diff)
	}
	var one Fault
	if !errors.As(err, &one) || one != all.Faults[0] {
		t.Errorf("the first fault is not found by errors.As: %v", one)
	}
}

func TestWarnings(t *testing.T) {
	tests := map[string]struct {
		content string
		env     []string
		want    string
	}{
		"a sink without keys":           {"audit: {sinks: {filesystemSink: {}}}\n", nil, `config.yaml:1:17: audit.sinks.filesystemSink is empty and turns nothing on; set audit.sinks.filesystemSink.fileName or remove it`},
		"mutation without admission":    {"admission: {mutate: true}\n", nil, `config.yaml:1:21: admission.mutate does nothing while admission.enabled is false`},
		"a folder that is not used":     {"admission: {webhook: {certDir: /a, certificates: self}}\n", nil, `config.yaml:1:32: admission.webhook.certDir is not used: admission.webhook.certificates is self`},
		"a service that is not called":  {"admission: {webhook: {url: 'https://a', service: b}}\n", nil, `config.yaml:1:50: admission.webhook.service is not used: the API server calls admission.webhook.url`},
		"an evaluation of all the time": {"admission: {enabled: true}\nevaluation: {timeout: 5s}\n", nil, `config.yaml:2:23: evaluation.timeout gives one evaluation (5s) as long as the API server waits for all of them (5s); make evaluation.timeout shorter than admission.webhook.timeout`},
		"a budget that cannot be used":  {"breaker: {budget: 2s}\n", nil, `config.yaml:1:19: breaker.budget makes the breaker's budget (2s) longer than an evaluation can take (1s)`},
		"a password without a user":     {"audit: {sinks: {elasticSink: {address: 'http://h', indexName: i, password: p}}}\n", nil, `config.yaml:1:76: audit.sinks.elasticSink.password is not sent without a user; set audit.sinks.elasticSink.username`},
		"credentials in an address":     {"audit: {sinks: {elasticSink: {address: 'http://u:p@h', indexName: i}}}\n", nil, `config.yaml:1:40: audit.sinks.elasticSink.address has the user and password in it; write them as username and password, or set AUDIT_SINKS_ELASTICSINK_PASSWORD`},
		"a variable with a typo":        {"", []string{"AUDIT_INTERVALL=6"}, `environment variable AUDIT_INTERVALL: sets no key; did you mean AUDIT_INTERVAL?`},
		"a variable by its old name":    {"tfAdmission: {auth: {tokenFile: /t}}\n", []string{"TERRAFORM_ENABLED=true"}, `environment variable TERRAFORM_ENABLED: tfAdmission.enabled is set by the name it had before agents of version 2.0; rename the variable to TFADMISSION_ENABLED`},
		"a variable of a Service":       {"", []string{"AUDIT_SERVICE_HOST=10.0.0.1", "ADMISSION_WEBHOOK_PORT=tcp://10.0.0.1:443", "ADMISSION_WEBHOOK_SERVICE_PORT=443", "PATH=/bin"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, warnings, err := load(test.content, test.env...)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(warningTexts(warnings), "\n"); got != test.want {
				t.Errorf("warns\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestCredentialsAreMovedOutOfAnAddress(t *testing.T) {
	c, _, err := load("audit: {sinks: {elasticSink: {address: 'https://u:p%40@h:9200', indexName: i}}}\n")
	if err != nil {
		t.Fatal(err)
	}
	sink := c.Audit.Sinks.ElasticSink
	if sink.Address != "https://h:9200" || sink.Username != "u" || string(sink.Password) != "p@" {
		t.Errorf("the address is %s, the user %s, the password %q", sink.Address, sink.Username, string(sink.Password))
	}
}
