package ui

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/assay-gitops/assay/web"
)

func built() fs.FS {
	return fstest.MapFS{
		"index.html":       {Data: []byte(`<meta nonce="__CSP_NONCE__"><script src="/assets/a-1.js"></script>`)},
		"robots.txt":       {Data: []byte("User-agent: *\n")},
		"assets/a-1.js":    {Data: []byte("plain")},
		"assets/a-1.js.br": {Data: []byte("brotli")},
		"assets/a-1.js.gz": {Data: []byte("gzip")},
	}
}

func ask(t *testing.T, files fs.FS, method, path string, headers ...string) *http.Response {
	t.Helper()
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	handler, err := Over(api, files)
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWhatAnswersWhat(t *testing.T) {
	for _, test := range []struct {
		name, method, path string
		headers            []string
		want               int
		text               string
	}{
		{"the page", "GET", "/", nil, 200, "<script"},
		{"a page inside", "GET", "/policies/weave.policies.x", nil, 200, "<script"},
		{"a file", "GET", "/robots.txt", nil, 200, "User-agent"},
		{"a file that is not there", "GET", "/assets/b-2.js", nil, 404, "reload"},
		{"no way out of the files", "GET", "/assets/../../../etc/passwd", nil, 200, "<script"},
		{"the best encoding", "GET", "/assets/a-1.js", []string{"Accept-Encoding", "gzip, br"}, 200, "brotli"},
		{"the other encoding", "GET", "/assets/a-1.js", []string{"Accept-Encoding", "gzip, br;q=0"}, 200, "gzip"},
		{"no encoding", "GET", "/assets/a-1.js", nil, 200, "plain"},
		{"the API", "GET", "/v1/violations", nil, http.StatusTeapot, ""},
		{"the way of signing in", "GET", "/auth/login", nil, http.StatusTeapot, ""},
		{"what begins like the API and is not", "GET", "/v10", nil, 200, "<script"},
		{"other methods are the API's to refuse", "POST", "/", nil, http.StatusTeapot, ""},
		{"a head", "HEAD", "/", nil, 200, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer := ask(t, built(), test.method, test.path, test.headers...)
			text := body(t, answer)
			if answer.StatusCode != test.want || !strings.Contains(text, test.text) || test.text == "" && text != "" {
				t.Errorf("got %d %q, want %d with %q", answer.StatusCode, text, test.want, test.text)
			}
		})
	}
}

func TestThePageLetsOnlyItsOwnStylesBe(t *testing.T) {
	nonces := map[string]bool{}
	for range 2 {
		answer := ask(t, built(), "GET", "/")
		policy := answer.Header.Get("Content-Security-Policy")
		found := regexp.MustCompile(`'nonce-([A-Z2-7]{26})'`).FindStringSubmatch(policy)
		if found == nil || strings.Contains(policy, "unsafe") || answer.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("got %v", answer.Header)
		}
		if text := body(t, answer); !strings.Contains(text, `nonce="`+found[1]+`"`) {
			t.Errorf("the nonce %s is not in the page %s", found[1], text)
		}
		nonces[found[1]] = true
	}
	if len(nonces) != 2 {
		t.Error("two answers have the same nonce")
	}
}

func TestFilesAreKeptByBrowsers(t *testing.T) {
	first := ask(t, built(), "GET", "/assets/a-1.js", "Accept-Encoding", "br")
	if cache := first.Header.Get("Cache-Control"); !strings.Contains(cache, "immutable") || first.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("got %v", first.Header)
	}
	if again := ask(t, built(), "GET", "/assets/a-1.js", "Accept-Encoding", "br", "If-None-Match", first.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("asked again with its tag, got %d", again.StatusCode)
	}
	if other := ask(t, built(), "GET", "/assets/a-1.js", "Accept-Encoding", "gzip", "If-None-Match", first.Header.Get("ETag")); other.StatusCode != http.StatusOK {
		t.Errorf("another encoding has the same tag: got %d", other.StatusCode)
	}
}

func TestABinaryWithoutItSaysSo(t *testing.T) {
	answer := ask(t, fstest.MapFS{"robots.txt": {Data: []byte("x")}}, "GET", "/violations")
	if text := body(t, answer); answer.StatusCode != http.StatusNotFound || !strings.Contains(text, "make web build") {
		t.Errorf("got %d %s", answer.StatusCode, text)
	}
}

func TestWhatIsInTheBinaryCanBeServed(t *testing.T) {
	files, err := web.Files()
	if err != nil {
		t.Fatal(err)
	}
	if answer := ask(t, files, "GET", "/robots.txt"); answer.StatusCode != http.StatusOK {
		t.Errorf("robots.txt: got %d", answer.StatusCode)
	}
}
