package search_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/e2e/search"
)

// start gives a server that ends with the test.
func start(t testing.TB, product search.Product) *search.Server {
	t.Helper()
	server, err := search.Start(t.Context(), product, filepath.Join(t.TempDir(), "node"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
		if response, err := http.Get(server.URL); err == nil {
			response.Body.Close()
			t.Errorf("%s still answers", product)
		}
	})
	return server
}

func TestEveryProductKeepsAndFindsDocuments(t *testing.T) {
	for _, product := range search.Products {
		t.Run(string(product), func(t *testing.T) {
			server := start(t, product)
			var answer struct {
				Result string
				Hits   struct{ Total struct{ Value int } }
			}
			call(t, http.MethodPut, server.URL+"/fruit/_doc/1?refresh=true", `{"name":"apple"}`, &answer)
			call(t, http.MethodPost, server.URL+"/fruit/_search", `{"query":{"term":{"name":"apple"}}}`, &answer)
			if answer.Result != "created" || answer.Hits.Total.Value != 1 {
				t.Errorf("%+v", answer)
			}
		})
	}
}

// The tests of the packages that speak to search servers, of which those that need real ones get them here. This module does not link Assay.
func TestAssayKnowsRealServers(t *testing.T) {
	var servers []string
	for _, product := range search.Products {
		servers = append(servers, string(product)+"="+start(t, product).URL)
	}
	command := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-timeout=20m", "-p=1", "./internal/sink/elastic", "./internal/hub/store/search")
	command.Dir = filepath.Join("..", "..")
	command.Env = append(os.Environ(), "ASSAY_TEST_SEARCH_SERVERS="+strings.Join(servers, " "))
	out, err := command.CombinedOutput()
	if said := string(out); err != nil || strings.Contains(said, "--- SKIP") || !strings.Contains(said, "--- PASS: TestNothingIsLost") || !strings.Contains(said, "--- PASS: TestStore") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestAProductThatDoesNotExist(t *testing.T) {
	if _, err := search.Start(t.Context(), "solr", t.TempDir()); err == nil || !strings.Contains(err.Error(), `no search server "solr"`) {
		t.Error(err)
	}
}

// call wants a good answer and decodes it, unless that is nil.
func call(t testing.TB, method, url, body string, answer any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var raw json.RawMessage
	if err := json.NewDecoder(response.Body).Decode(&raw); err != nil || response.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s %v\n%s", method, url, response.Status, err, raw)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		t.Fatal(err)
	}
}
