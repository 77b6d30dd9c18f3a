package elastic_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/elastic"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
)

func TestOptionsThatCannotBe(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for want, change := range map[string]func(o *elastic.Options){
		"cannot be read as a URL":                   func(o *elastic.Options) { o.Address = "http://u:hunter2@h:port" },
		"must begin with https://":                  func(o *elastic.Options) { o.Address = "hunter2" },
		"must not have a user":                      func(o *elastic.Options) { o.Address = "http://u:hunter2@h" },
		"must end with its host or path":            func(o *elastic.Options) { o.Address = "http://h/?key=hunter2" },
		`"Mine" cannot be the name of an index`:     func(o *elastic.Options) { o.Index = "Mine" },
		`"a/b" cannot be`:                           func(o *elastic.Options) { o.Index = "a/b" },
		`"" cannot be`:                              func(o *elastic.Options) { o.Index = "" },
		`"replace" is no way to insert`:             func(o *elastic.Options) { o.Mode = "replace" },
		`"year" is no period`:                       func(o *elastic.Options) { o.Period = "year" },
		"a password for the search server and a":    func(o *elastic.Options) { o.Username, o.Password, o.PasswordFile = "u", "hunter2", missing },
		"no user":                                   func(o *elastic.Options) { o.Password = "hunter2" },
		"an API key for the search server and a":    func(o *elastic.Options) { o.APIKey, o.APIKeyFile = "hunter2", missing },
		"a user and an API key":                     func(o *elastic.Options) { o.APIKey, o.Username = "hunter2", "u" },
		"reading the API key for the search server": func(o *elastic.Options) { o.APIKeyFile = missing },
		"reading the password for the search":       func(o *elastic.Options) { o.Username, o.PasswordFile = "u", missing },
		"reading the CA file":                       func(o *elastic.Options) { o.CAFile = missing },
		"has no certificate in PEM":                 func(o *elastic.Options) { o.CAFile = "sink_test.go" },
		"no use when any certificate is taken":      func(o *elastic.Options) { o.CAFile, o.InsecureSkipVerify = missing, true },
	} {
		o := elastic.Options{Address: "http://127.0.0.1:1", Index: "i"}
		change(&o)
		if _, err := elastic.New(o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// What a server that is well does, the tests with real servers know. These are answers that it gives only when it is not, and
// those of what is in front of it.
func TestWhatAnswersMean(t *testing.T) {
	for name, test := range map[string]struct {
		code  int
		body  string
		want  sink.State
		after time.Duration
		err   string
	}{
		"429 is for later":               {429, `{"error":{"type":"circuit_breaking_exception","reason":"Data too large"},"status":429}`, sink.Retry, 7 * time.Second, "circuit_breaking_exception: Data too large"},
		"503 of a proxy":                 {503, "<html>\nno upstream</html>", sink.Retry, 7 * time.Second, "no upstream"},
		"a redirect is not followed":     {302, "", sink.Retry, 7 * time.Second, "302"},
		"400 of another server":          {400, "<html>what?</html>", sink.Retry, 7 * time.Second, "what?"},
		"400 of the server":              {400, `{"error":{"type":"parse_exception","reason":"too deep"}}`, sink.Refused, 0, "too deep"},
		"403 names the rights":           {403, `{"error":{"type":"security_exception","reason":"no"}}`, sink.Retry, 7 * time.Second, "needs create_doc"},
		"a text instead of an error":     {500, `{"error":"it hurts","status":500}`, sink.Retry, 7 * time.Second, "it hurts"},
		"200 of another server":          {200, "<html>welcome</html>", sink.Retry, 0, "is the address right?"},
		"200 without items":              {200, `{}`, sink.Retry, 0, "answered for 0 of 1 results; is the address right?"},
		"200 with an item without words": {200, `{"items":[{}]}`, sink.Retry, 0, "did not say what came of it"},
		"an item for later":              {200, `{"items":[{"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"queue"}}}]}`, sink.Retry, time.Second, "queue"},
		"an item that nobody may write":  {200, `{"items":[{"create":{"status":403,"error":{"type":"cluster_block_exception","reason":"disk usage exceeded"}}}]}`, sink.Retry, 0, "disk usage"},
		"an alias without an index":      {200, `{"items":[{"create":{"status":400,"error":{"type":"illegal_argument_exception","reason":"no write index is defined for alias [x]"}}}]}`, sink.Retry, 0, "no write index"},
		"too many shards":                {200, `{"items":[{"create":{"status":400,"error":{"type":"validation_exception","reason":"this cluster currently has [1000]/[1000] maximum shards open;"}}}]}`, sink.Retry, 0, "1000"},
		"an item that does not fit":      {200, `{"items":[{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"failed","caused_by":{"type":"x","reason":"deep"}}}}]}`, sink.Refused, 0, "failed; x: deep"},
		"an item that is there":          {200, `{"items":[{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"exists"}}}]}`, sink.Delivered, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			address := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/search/_bulk" || r.Method != http.MethodPost {
					t.Errorf("%s %s", r.Method, r.URL)
				}
				w.Header().Set("Retry-After", "7")
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.code)
				_, _ = w.Write([]byte(test.body))
			}))
			got := newSink(t, elastic.Options{Address: address + "/search/", Index: "i", NoTemplate: true}).Send(t.Context(), items(t, sinktest.Result(1)))[0]
			if got.State != test.want || got.After != test.after || (got.Err == nil) != (test.err == "") || test.err != "" && !strings.Contains(got.Err.Error(), test.err) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestErrorsKeepWhatIsInTheAddress(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, o := range newSink(t, elastic.Options{Address: "http://127.0.0.1:1/hunter2", Index: "i"}).Send(ctx, items(t, sinktest.Result(1))) {
		if o.State != sink.Retry || strings.Contains(o.Err.Error(), "hunter2") || !strings.Contains(o.Err.Error(), "127.0.0.1:1") {
			t.Errorf("%+v", o)
		}
	}
}

// A user who may only write goes on writing.
func TestAServerThatDoesNotLetItsIndexBePrepared(t *testing.T) {
	bulks := 0
	address := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_bulk" {
			http.Error(w, `{"error":{"type":"security_exception","reason":"no"}}`, http.StatusForbidden)
			return
		}
		bulks++
		_, _ = w.Write([]byte(`{"items":[{"create":{"status":201}}]}`))
	}))
	send(t, newSink(t, elastic.Options{Address: address, Index: "i"}), sinktest.Result(1))
	if bulks != 1 {
		t.Errorf("%d requests", bulks)
	}
}

func TestAnIDIsNeverTooLong(t *testing.T) {
	onEach(t, func(t *testing.T, address, index string) {
		one, two := sinktest.Result(1), sinktest.Result(2)
		for i, r := range []*sink.Result{&one, &two} {
			r.Validation.Entity.ID = ""
			r.Validation.Policy.ID = strings.Repeat("ä", 250)
			r.Validation.Entity.Name = strings.Repeat("x", 252) + string(rune('a'+i))
		}
		send(t, newSink(t, elastic.Options{Address: address, Index: index, Mode: elastic.Upsert}), one, two, one)
		if found := find(t, address, index, ""); len(found) != 2 {
			t.Errorf("%d documents", len(found))
		}
	})
}
