package agent

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/internal/agentconfig"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
)

// What is configured reaches the sink: an old configuration's index, mode and password, and the new keys.
func TestTheElasticSinkIsMadeAsConfigured(t *testing.T) {
	for name, test := range map[string]struct {
		keys string
		want []string
	}{
		"old keys": {
			"username: assay, password: hunter2, insertionMode: upsert",
			[]string{"Basic YXNzYXk6aHVudGVyMg== PUT /_index_template/assay-results", "Basic YXNzYXk6aHVudGVyMg== POST /_bulk " + `{"index":{"_index":"results","_id":"weave`},
		},
		"a password without a user": {"password: hunter2, template: false", []string{" POST /_bulk " + `{"create":{"_index":"results","_id":"0000`}},
		"new keys":                  {"apiKey: a2V5, indexPeriod: month, template: false", []string{`ApiKey a2V5 POST /_bulk {"create":{"_index":"results-2023.11","_id":"0000`}},
	} {
		t.Run(name, func(t *testing.T) {
			var requests []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body := make([]byte, 60)
				_, _ = r.Body.Read(body)
				requests = append(requests, r.Header.Get("Authorization")+" "+r.Method+" "+r.URL.Path+" "+string(body))
				if r.URL.Path == "/_bulk" {
					_, _ = w.Write([]byte(`{"items":[{"create":{"status":201}}]}`))
				} else {
					_, _ = w.Write([]byte(`{}`))
				}
			}))
			defer server.Close()
			config, _, err := agentconfig.Load("config.yaml", []byte("audit: {enabled: true, sinks: {elasticSink: {address: '"+server.URL+"', indexName: results, "+test.keys+"}}}\n"), nil)
			if err != nil {
				t.Fatal(err)
			}
			sinks, err := newSinks(config, sinkBuilder{})
			if err != nil || len(sinks) != 1 || sinks[0].name() != "audit-elastic" {
				t.Fatal(sinks, err)
			}
			result := sinktest.Result(1)
			if o := sinks[0].sink.Send(t.Context(), []sink.Item{{ID: result.Validation.ID, Result: &result}}); o[0].State != sink.Delivered {
				t.Fatal(o)
			}
			for _, want := range test.want {
				if !strings.Contains(strings.Join(requests, "\n"), want) {
					t.Errorf("no request has %q:\n%s", want, strings.Join(requests, "\n"))
				}
			}
		})
	}
}

func TestASinkThatCannotBeMadeIsNamed(t *testing.T) {
	config, _, err := agentconfig.Load("config.yaml", []byte("audit: {enabled: true, sinks: {elasticSink: {address: 'https://h', indexName: results, caFile: /missing/ca.pem}}}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = newSinks(config, sinkBuilder{})
	if err == nil || err.Error() != "setting up the sinks of audit: elastic: reading the CA file for the search server: open /missing/ca.pem: no such file or directory" {
		t.Error(err)
	}
}
