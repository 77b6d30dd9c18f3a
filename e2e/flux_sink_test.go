package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/e2e/flux"
)

// TestFluxNotifiesOfResults runs the sink's own tests against notification-controller, which they ask this test to end and start.
func TestFluxNotifiesOfResults(t *testing.T) {
	f := startFlux(t, flux.Options{})
	mux := http.NewServeMux()
	for path, do := range map[string]func(r *http.Request) (string, error){
		"/address": func(*http.Request) (string, error) { return f.EventsAddress(), nil },
		"/kill":    func(*http.Request) (string, error) { return "", f.KillController(flux.Notification) },
		"/start":   func(r *http.Request) (string, error) { return "", f.StartController(r.Context(), flux.Notification) },
		// The first line has the arguments, the rest is for its input.
		"/kubectl": func(r *http.Request) (string, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return "", err
			}
			args, stdin, _ := strings.Cut(string(body), "\n")
			return shared.Kubectl(r.Context(), stdin, strings.Fields(args)...)
		},
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			said, err := do(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			fmt.Fprint(w, said)
		})
	}
	control := httptest.NewServer(mux)
	defer control.Close()
	t.Setenv("ASSAY_TEST_FLUX", control.URL)
	testRoom(t, "internal/sink/flux", "RealController")
}
