package hub_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/hub"
)

func items(ids ...string) []sink.Item {
	all := make([]sink.Item, len(ids))
	for i, id := range ids {
		all[i] = sink.Item{ID: id, Raw: []byte(`{"version":1,"validation":{"id":"` + id + `"}}`)}
	}
	return all
}

func TestResultsAreSentCompressedAndWithTheToken(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/intake" || r.Header.Get("Content-Encoding") != "zstd" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		if r.Header.Get("Authorization") != "Bearer second" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		decoder, err := zstd.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		defer decoder.Close()
		content, err := io.ReadAll(decoder)
		if err != nil {
			t.Error(err)
		}
		var body struct {
			Version int
			Results []struct{ Validation struct{ ID string } }
		}
		if err := json.Unmarshal(content, &body); err != nil || body.Version != 1 {
			t.Errorf("%v in %s", err, content)
		}
		for _, r := range body.Results {
			if r.Validation.ID == "bad" {
				w.WriteHeader(http.StatusUnprocessableEntity)
				return
			}
		}
		for _, r := range body.Results {
			got = append(got, r.Validation.ID)
		}
	}))
	defer server.Close()
	s, err := hub.New(hub.Options{URL: server.URL + "/", TokenFile: token})
	if err != nil {
		t.Fatal(err)
	}
	send := func(want sink.State, message string, ids ...string) []sink.Outcome {
		t.Helper()
		outcomes := s.Send(context.Background(), items(ids...))
		if last := outcomes[len(outcomes)-1]; last.State != want || message != "" && (last.Err == nil || !strings.Contains(last.Err.Error(), message)) {
			t.Fatalf("got %+v, want state %d with %q", last, want, message)
		}
		return outcomes
	}
	send(sink.Retry, "reading the token", "a")
	for content, message := range map[string]string{"\n": "holds none", "first\n": "401", "two words": "holds none"} {
		if err := os.WriteFile(token, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if outcomes := send(sink.Retry, message, "a"); strings.Contains(outcomes[0].Err.Error(), "words") {
			t.Errorf("the token is in %v", outcomes[0].Err)
		}
	}
	if err := os.WriteFile(token, []byte("second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if outcomes := send(sink.Delivered, "", "a", "bad", "b", "c"); outcomes[1].State != sink.Refused {
		t.Errorf("what the hub refused came to %+v", outcomes[1])
	}
	if want := "a b c"; strings.Join(got, " ") != want {
		t.Errorf("the hub got %v, want %s", got, want)
	}
}

func TestWhatCannotBeAHub(t *testing.T) {
	for _, url := range []string{"ftp://hub", "https://user:password@hub", "hub"} {
		if _, err := hub.New(hub.Options{URL: url, TokenFile: "token"}); err == nil || !strings.Contains(err.Error(), "the hub's URL") || strings.Contains(err.Error(), "password@") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
