package agentconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestSecretsAreNotShown(t *testing.T) {
	const text = "hunter2"
	sink := ElasticSink{Username: "u", Password: text}
	shown := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown[verb] = fmt.Sprintf(verb, sink)
		shown[verb+" of a pointer"] = fmt.Sprintf(verb, &sink)
	}
	asJSON, err := json.Marshal(sink)
	if err != nil {
		t.Fatal(err)
	}
	shown["JSON"] = string(asJSON)
	asYAML, err := yaml.Marshal(sink)
	if err != nil {
		t.Fatal(err)
	}
	shown["YAML"] = string(asYAML)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("text", "password", sink.Password, "sink", sink)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "password", sink.Password, "sink", sink)
	shown["log"] = log.String()
	for how, got := range shown {
		if strings.Contains(got, text) || strings.Contains(got, fmt.Sprintf("%x", text)) {
			t.Errorf("%s shows it: %s", how, got)
		}
		if !strings.Contains(got, "***") {
			t.Errorf("%s does not show that there is one: %s", how, got)
		}
	}
	if got := Secret("").String(); got != "" {
		t.Errorf("a secret that is not set shows as %q", got)
	}
}

// Each of these is refused or warned of; none of the messages may have the password.
func TestMessagesHaveNoPasswords(t *testing.T) {
	const elastic = "audit:\n  enabled: true\n  sinks:\n    elasticSink:\n      indexName: i\n      "
	tests := map[string]struct {
		content string
		env     []string
	}{
		"in an address that is none":              {elastic + "address: 'ftp://u:hunter2@h'\n", nil},
		"in an address that does not parse":       {elastic + "address: 'http://u:hunter2@h:x'\n", nil},
		"in the parameters of an address":         {elastic + "address: 'http://h?token=hunter2'\n", nil},
		"in an address that is used":              {elastic + "address: 'http://u:hunter2@h'\n", nil},
		"in an address of Flux":                   {"audit: {enabled: true, sinks: {fluxNotificationSink: {address: 'http://u:hunter2@h'}}}\n", nil},
		"in an address of the environment":        {elastic + "username: u\n", []string{"AUDIT_SINKS_ELASTICSINK_ADDRESS=x://u:hunter2@h"}},
		"in an endpoint":                          {"audit: {enabled: true}\ntracing: {endpoint: 'u:hunter2@h:4317'}\n", nil},
		"in a list":                               {elastic + "password: [hunter2]\n", nil},
		"in a map":                                {elastic + "password: {secret: hunter2}\n", nil},
		"with a tag":                              {elastic + "password: !vault hunter2\n", nil},
		"instead of its section":                  {"audit: {enabled: true, sinks: {elasticSink: hunter2}}\n", nil},
		"with an unknown key":                     {elastic + "passwrd: hunter2\n", nil},
		"that looks like an alias":                {elastic + "password: *hunter2\n", nil},
		"that looks like a tag":                   {elastic + "password: !hunter2\n", nil},
		"twice":                                   {elastic + "password: hunter2\n      PASSWORD: hunter2\n", nil},
		"with an address that is missing":         {elastic + "password: hunter2\n", nil},
		"in a gateway that is gone":               {"audit: {enabled: true, sinks: {saasGatewaySink: {secret: hunter2}}}\n", nil},
		"in a variable that sets no key":          {"audit: {enabled: true}\n", []string{"AUDIT_SINKS_ELASTICSINK_PASWORD=hunter2"}},
		"in a file that does not parse behind it": {elastic + "password: \"hunter2\n", nil},
		"in quotes that end too soon":             {elastic + "password: \"hunter2\"hunter2\n", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, warnings, err := Load("config.yaml", []byte(test.content), test.env)
			messages := strings.Join(warningTexts(warnings), "\n")
			if err != nil {
				messages += "\n" + err.Error()
			}
			if strings.TrimSpace(messages) == "" {
				t.Fatal("there is no message")
			}
			if strings.Contains(messages, "hunter2") {
				t.Errorf("the password is told:\n%s", messages)
			}
		})
	}
}
