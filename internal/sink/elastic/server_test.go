package elastic_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/journal"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/elastic"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
)

// serversVariable has the servers for the tests that need real ones: opensearch=URL and elasticsearch=URL, separated by spaces.
// e2e/search runs them with both; make search-server starts one for yourself.
const serversVariable = "ASSAY_TEST_SEARCH_SERVERS"

func TestMain(m *testing.M) {
	if arguments := strings.Fields(os.Getenv(victim)); len(arguments) == 3 {
		fmt.Println("error", appendAndSend(arguments[0], arguments[1], arguments[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// onEach runs a test against every real server, with the name of an index that nobody else has.
func onEach(t *testing.T, test func(t *testing.T, address, index string)) {
	servers := strings.Fields(os.Getenv(serversVariable))
	if len(servers) == 0 {
		t.Skip("needs a search server: " + serversVariable + " names none")
	}
	for _, server := range servers {
		product, address, _ := strings.Cut(server, "=")
		t.Run(product, func(t *testing.T) { test(t, address, newIndex()) })
	}
}

func newIndex() string { return "assay" + strings.ToLower(rand.Text()) }

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

// hit is a document that was found.
type hit struct {
	Index  string `json:"_index"`
	ID     string `json:"_id"`
	Source struct {
		ID     string
		Status string
		Policy struct {
			Code       string
			Parameters []struct{ Value any }
			Targets    struct{ Labels []string }
		}
	} `json:"_source"`
}

// find is what a query, null for all, finds in an index that may have wildcards: at most 1000.
func find(t testing.TB, address, index, query string) []hit {
	t.Helper()
	var found struct{ Hits struct{ Hits []hit } }
	call(t, http.MethodPost, address+"/"+index+"/_refresh", "", nil)
	if query == "" {
		query = `{"match_all":{}}`
	}
	call(t, http.MethodPost, address+"/"+index+"/_search", `{"size":1000,"query":`+query+`}`, &found)
	return found.Hits.Hits
}

// everyOne checks that an index has the results from first up to before last, but for those that are left out.
func everyOne(t testing.TB, address, index string, first, last int, without ...string) {
	t.Helper()
	var received sinktest.Received
	for _, hit := range find(t, address, index, "") {
		if hit.Source.ID != hit.ID {
			t.Errorf("the document %s has the result %s", hit.ID, hit.Source.ID)
		}
		received.Add(hit.ID)
	}
	if twice := received.Want(t, first, last, without...); twice > 0 {
		t.Errorf("%d are there twice", twice)
	}
}

// proxy is in front of a server.
func proxy(t testing.TB, address string) *httputil.ReverseProxy {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	p := httputil.NewSingleHostReverseProxy(u)
	p.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	return p
}

func newSink(t testing.TB, o elastic.Options) *elastic.Sink {
	t.Helper()
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := elastic.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func options(t testing.TB, j *journal.Journal, s sink.Sink) sink.Options {
	return sink.Options{
		Name: "elastic", Sink: s, Journal: j, DeadLetters: filepath.Join(t.TempDir(), "dead"), MaxItems: 50,
		Linger: time.Millisecond, MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond, Drain: 10 * time.Millisecond,
	}
}

// send delivers results and fails when one is not.
func send(t testing.TB, s *elastic.Sink, results ...sink.Result) {
	t.Helper()
	for i, o := range s.Send(t.Context(), items(t, results...)) {
		if o.State != sink.Delivered {
			t.Fatalf("result %d: %+v", i, o)
		}
	}
}

// items are results as they come from the journal.
func items(t testing.TB, results ...sink.Result) (all []sink.Item) {
	t.Helper()
	for _, result := range results {
		record, err := result.Record()
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := sink.Decode(record)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sink.Item{ID: record.ID, Result: decoded, Raw: record.Payload})
	}
	return all
}

func newServer(t testing.TB, handler http.Handler) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// secured is a server with TLS.
type secured struct{ url, ca string }

func newTLSServer(t testing.TB, handler http.Handler) secured {
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that do not trust it
	server.StartTLS()
	t.Cleanup(server.Close)
	return secured{server.URL, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))}
}

// otherCA is an authority that signed nothing.
func otherCA(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	certificate, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
}
