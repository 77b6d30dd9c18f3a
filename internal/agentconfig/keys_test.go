package agentconfig

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// another is a valid value of each kind that is no key's default.
func another(t *testing.T, k key) string {
	t.Helper()
	values := map[string]string{
		"string":                    "another",
		"string, secret":            "another",
		"path":                      "/another",
		"file name":                 "another/one.json",
		"name of a namespace":       "another",
		"name of a Secret":          "another.one",
		"name of a Service":         "another",
		"index name":                "another",
		"list of namespaces":        "another,one",
		"list of patterns":          "another-*,one",
		"list of low, medium, high": "high,Low",
		"list of violation, compliance, excepted, error": "error,Violation",
		"interval or always or never":                    "never",
		"json or text":                                   "text",
		"self or files":                                  "files",
		"Fail or Ignore":                                 map[string]string{"Fail": "Ignore", "Ignore": "Fail"}[k.value.show()],
		"insert or upsert":                               "upsert",
		"none or month or day":                           "month",
		"openreports or wgpolicy":                        "wgpolicy",
		"object or namespace":                            "namespace",
		"debug, info, warn or error":                     "debug",
		"boolean":                                        map[string]string{"true": "false", "false": "true"}[k.value.show()],
		"port":                                           "1234",
		"number":                                         "7",
		"number from 0 to 1":                             "0.5",
		"size":                                           "64Mi",
		"duration":                                       "2s",
		"hours or duration":                              "6",
		"host:port":                                      "127.0.0.1:1235",
		"host:port or off":                               "127.0.0.1:1236",
		"list of GROUP/KIND=PATH":                        "example.com/Thing=spec.template:Job",
		"host:port or URL":                               "collector:4317",
		"URL, https":                                     "https://another",
		"URL, http or https":                             "http://another",
	}
	value, ok := values[k.value.kind]
	if !ok {
		t.Fatalf("%s has the kind %q, which this test does not know", k.name, k.value.kind)
	}
	if k.name == "admission.webhook.certificateValidity" {
		return "48h"
	}
	return value
}

// Both ways of setting each key lead to the same configuration, which differs from the defaults, and a running agent takes it
// over if the table says so.
func TestEveryKeyCanBeSetByFileAndEnvironment(t *testing.T) {
	for _, k := range keys(newDraft(defaults())) {
		t.Run(k.name, func(t *testing.T) {
			text := another(t, k)
			// One gate, and what sinks need beside the key.
			env := []string{"AUDIT_ENABLED=true"}
			if k.name == "audit.enabled" {
				env = nil
				text = "true"
			}
			for _, needed := range []struct{ sink, name, value string }{
				{"elasticSink", "address", "http://a"}, {"elasticSink", "indexName", "a"}, {"filesystemSink", "fileName", "a"}, {"webhookSink", "url", "http://a"}, {"hubSink", "url", "http://a"},
			} {
				section, name, ok := strings.Cut(k.name, "."+needed.sink+".")
				if ok && name != needed.name {
					env = append(env, strings.ToUpper(strings.ReplaceAll(section+"."+needed.sink+"."+needed.name, ".", "_"))+"="+needed.value)
				}
			}
			if k.name == "admission.enabled" || k.name == "tfAdmission.enabled" {
				text = "true"
			}
			before, _, err := Load("config.yaml", []byte("audit: {enabled: true}\n"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if k.name == "audit.enabled" {
				before.Audit.Enabled = false
			}
			byFile, _, err := Load("config.yaml", []byte(k.name+": '"+text+"'\n"), env)
			if err != nil {
				t.Fatal(err)
			}
			byVariable, _, err := Load("config.yaml", nil, append(env, k.variable()+"="+text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := compare(byFile, byVariable); diff != "" {
				t.Errorf("file and environment differ:\n%s", diff)
			}
			if compare(before, byFile) == "" {
				t.Error("nothing changes")
			}
			restart := before.RestartNeeded(byFile)
			if k.reload != (len(restart) == 0) {
				t.Errorf("a reload suffices: %t, and a restart is needed for %v", k.reload, restart)
			}
		})
	}
}

func TestRestartIsNeededForKeysThatAreNamed(t *testing.T) {
	parse := func(content string) *Config {
		t.Helper()
		c, _, err := load(content)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := parse("logLevel: info\nprobesListen: ':9000'\naudit: {interval: 1, sinks: {elasticSink: {address: 'http://h', indexName: i, username: u, password: hunter2}}}\n")
	tests := map[string]struct {
		content string
		want    []string
	}{
		"nothing changes": {
			"audit: {interval: 1, sinks: {elasticSink: {address: 'http://h', indexName: i, username: u, password: hunter2}}}\n", nil,
		},
		"what a running agent takes over": {
			"logLevel: debug\naudit: {interval: 2, sinks: {elasticSink: {address: 'http://h', indexName: i, username: u, password: hunter2}}}\n", nil,
		},
		"a password": {
			"audit: {interval: 1, sinks: {elasticSink: {address: 'http://h', indexName: i, username: u, password: hunter3}}}\n",
			[]string{"audit.sinks.elasticSink"},
		},
		"a port, and a sink that comes and one that goes": {
			"probesListen: ':9001'\nadmission: {enabled: true, sinks: {k8sEventsSink: {enabled: true}}}\n",
			[]string{"probesListen", "admission.enabled", "admission.sinks.k8sEventsSink", "audit.sinks.elasticSink"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, before.RestartNeeded(parse(test.content))); diff != "" {
				t.Errorf("differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefaultsAreValid(t *testing.T) {
	for _, k := range keys(newDraft(defaults())) {
		if shown := k.value.show(); shown != "" {
			if err := k.value.set(shown); err != nil {
				t.Errorf("%s is %s by default, which %v", k.name, shown, err)
			}
		}
	}
}
