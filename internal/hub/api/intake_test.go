package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// past is a result of a time that the hub's clock of the tests does not find far ahead.
func past(replace ...string) string {
	return resultJSON(append(replace, `2026-11-26`, `2026-03-10`)...)
}

func gzipped(t testing.TB, text io.Reader) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.Copy(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t testing.TB, text io.Reader) string {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// spaces are JSON that says nothing, for as long as is wanted.
func spaces(n int64) io.Reader { return io.LimitReader(endless{}, n) }

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestIntake(t *testing.T) {
	b := newBed(t)
	bomb := func() io.Reader {
		return io.MultiReader(strings.NewReader(`{"version":1,"results":[`), spaces(256<<20))
	}
	tests := map[string]struct {
		token, body string
		headers     []string
		status      int
		says        string
	}{
		"plain":                       {agent, batchJSON(past(`"r1"`, `"plain"`)), nil, 200, `{"added":1}`},
		"with gzip":                   {agent, gzipped(t, strings.NewReader(batchJSON(past(`"r1"`, `"gzip"`)))), []string{"Content-Encoding", "gzip"}, 200, `{"added":1}`},
		"with zstd":                   {agent, zstded(t, strings.NewReader(batchJSON(past(`"r1"`, `"zstd"`)))), []string{"Content-Encoding", "zstd"}, 200, `{"added":1}`},
		"of another cluster":          {farAgent, batchJSON(past(`"r1"`, `"far"`)), nil, 200, `{"added":1}`},
		"of the cluster it is for":    {agent, `{"version":1,"cluster":"here","results":[]}`, nil, 200, `{"added":0}`},
		"that says it is another":     {agent, `{"version":1,"cluster":"there","results":[]}`, nil, 403, "the token is for cluster here"},
		"with a charset":              {agent, batchJSON(), []string{"Content-Type", "application/json; charset=utf-8"}, 200, `{"added":0}`},
		"of no media type":            {agent, batchJSON(), []string{"Content-Type", "text/plain"}, 415, "application/json"},
		"of an encoding nobody knows": {agent, batchJSON(), []string{"Content-Encoding", "br"}, 415, "gzip or zstd"},
		"of two encodings":            {agent, batchJSON(), []string{"Content-Encoding", "gzip, gzip"}, 415, "gzip or zstd"},
		"that is not gzip":            {agent, batchJSON(), []string{"Content-Encoding", "gzip"}, 400, "not gzip"},
		"that is not zstd":            {agent, batchJSON(), []string{"Content-Encoding", "zstd"}, 400, "could not be read"},
		"a bomb of gzip":              {agent, gzipped(t, bomb()), []string{"Content-Encoding", "gzip"}, 413, "more than 32 MiB"},
		"a bomb of zstd":              {agent, zstded(t, bomb()), []string{"Content-Encoding", "zstd"}, 413, "more than 32 MiB"},
		"of an older hub's future":    {agent, `{"version":9,"results":[]}`, nil, 501, "knows 1 to 1"},
		"with a bad result":           {agent, batchJSON(past(), past(`"audit"`, `"x"`)), nil, 422, "body.results[1]"},
		"with an unreadable result":   {agent, batchJSON(past(), "{,"), nil, 400, "body.results[1]"},
		"that ends early":             {agent, batchJSON(past())[:100], nil, 400, "too early"},
		"with a query":                {agent, batchJSON(), []string{"?", "?cluster=there"}, 400, "no such parameter"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := intakePath
			if len(test.headers) > 0 && test.headers[0] == "?" {
				path, test.headers = path+test.headers[1], nil
			}
			got := b.send(t, http.MethodPost, test.token, path, test.body, append([]string{"Content-Type", "application/json"}, test.headers...)...)
			if got.status != test.status {
				t.Fatalf("%d, want %d: %s", got.status, test.status, got.body)
			}
			text := got.body
			if got.status != 200 {
				text = got.problem(t)
			}
			if !strings.Contains(text, test.says) {
				t.Errorf("%q does not say %q", text, test.says)
			}
		})
	}
	if got := b.send(t, http.MethodPost, agent, intakePath, batchJSON(past(`"r1"`, `"plain"`)), "Content-Type", "application/json"); got.body != "{\"added\":0}\n" {
		t.Errorf("the same again: %d %s", got.status, got.body)
	}
	found, err := b.store.Violations(t.Context(), store.Query{Scope: store.Scope{All: true}}, store.Page{Order: store.ByLastSeen, Limit: 10})
	if err != nil || len(found.Items) != 2 {
		t.Fatalf("a result of a refused request was kept: %+v, %v", found, err)
	}
}

func TestABodyThatIsTooLongIsRefused(t *testing.T) {
	b := newBed(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+intakePath, io.MultiReader(strings.NewReader(`{"version":1,`), spaces(MaxBody+1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+agent)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %s", response.Status)
	}
}

func TestWhatAnAgentSentIsShownExactly(t *testing.T) {
	b := newBed(t)
	if got := b.send(t, http.MethodPost, agent, intakePath, batchJSON(past()), "Content-Type", "application/json"); got.status != 200 {
		t.Fatal(got.body)
	}
	list := ask[Violations](t, b, platform, "/v1/violations")
	if len(list.Items) != 1 {
		t.Fatalf("got %+v", list)
	}
	got := b.get(t, platform, "/v1/violations/"+list.Items[0].ID)
	for _, want := range []string{
		`"occurrences":[{"message":"too few","violating_key":"spec.replicas","recommended_value":3}]`,
		`"parameters":[{"name":"replicas","type":"integer","value":9007199254740993,"required":true,"config_ref":"shop-config"}]`,
		`"manifest":{"spec":{"replicas":9007199254740993}}`,
		`"app":{"kind":"Kustomization","namespace":"flux-system","name":"shop","revision":"main@sha1:abc"}`,
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("there is no %s in %s", want, got.body)
		}
	}
	history := ask[History](t, b, platform, "/v1/violations/"+list.Items[0].ID+"/history")
	if len(history.Items) != 1 || history.Items[0].ResultID != "r1" || history.Items[0].Revision != "main@sha1:abc" {
		t.Errorf("got %+v", history)
	}
}

func TestAgentsWaitForTheirTurn(t *testing.T) {
	b := newBed(t)
	// A thousand large results from several agents at once, which the hub reads a few at a time.
	results := make([]string, 1000)
	for i := range results {
		results[i] = past(`"r1"`, fmt.Sprintf(`"r%d"`, i), `"web"`, fmt.Sprintf(`"web-%d"`, i))
	}
	body := zstded(t, strings.NewReader(batchJSON(results...)))
	answers := make(chan answer)
	for range 2 * parallelIntakes {
		go func() {
			answers <- b.send(t, http.MethodPost, agent, intakePath, body, "Content-Type", "application/json", "Content-Encoding", "zstd")
		}()
	}
	added := 0
	for range 2 * parallelIntakes {
		got := <-answers
		var n int
		switch {
		case got.status == http.StatusServiceUnavailable && got.header.Get("Retry-After") != "":
		case got.status != 200:
			t.Errorf("%d %s", got.status, got.body)
		default:
			if _, err := fmt.Sscanf(got.body, `{"added":%d}`, &n); err != nil {
				t.Errorf("%v in %s", err, got.body)
			}
		}
		added += n
	}
	if added != 1000 {
		t.Errorf("%d were added", added)
	}
}
