package search

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/searchserver"
)

// serversVariable has the servers for the tests that need real ones: opensearch=URL and elasticsearch=URL, separated by spaces.
// e2e/search runs them with both; make search-server starts one for yourself.
const serversVariable = "ASSAY_TEST_SEARCH_SERVERS"

// onEach runs a test against every real server.
func onEach(t *testing.T, test func(t *testing.T, address string)) {
	servers := strings.Fields(os.Getenv(serversVariable))
	if len(servers) == 0 {
		t.Skip("needs a search server: " + serversVariable + " names none")
	}
	for _, server := range servers {
		product, address, _ := strings.Cut(server, "=")
		t.Run(product, func(t *testing.T) { test(t, address) })
	}
}

// newPrefix is one that nobody else has.
func newPrefix() string { return "assay-test-" + strings.ToLower(rand.Text()) }

// open opens a store whose indices are removed with the test.
func open(t testing.TB, address, prefix string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Server: searchserver.Options{Address: address}, Prefix: prefix, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, x := range []*index{s.violations, s.history, s.records} {
			answer, err := s.server.Call(context.Background(), http.MethodDelete, "/"+x.name+"-1", nil, nil)
			if err != nil && answer.Status != http.StatusNotFound && answer.Status != 0 {
				t.Error(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		storetest.Test(t, func(t *testing.T) store.Store { return open(t, address, newPrefix()) }, storetest.Without{Moments: true, Backups: true, Speed: true})
	})
}
