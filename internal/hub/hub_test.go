package hub_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/assay-gitops/assay/internal/hub"
)

// options are those of a hub whose cluster does not answer.
func options(t *testing.T) hub.Options {
	t.Helper()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: "http://127.0.0.1:1", Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return hub.Options{
		Listen: "127.0.0.1:0", Dir: filepath.Join(t.TempDir(), "new", "hub"), Keep: time.Hour, Client: client, Cluster: "home",
		Version: "test", Logger: slog.New(slog.DiscardHandler),
	}
}

func TestSecretsAreNotSentInClear(t *testing.T) {
	for listen, plain := range map[string]bool{":8474": true, "0.0.0.0:0": true, "example.com:80": true, "[::]:0": true, "8474": false} {
		o := options(t)
		o.Listen = listen
		if err := hub.Run(t.Context(), o); err == nil || errors.Is(err, hub.ErrPlain) != plain {
			t.Errorf("listening on %s: %v", listen, err)
		}
	}
}

func TestAHubServesUntilItIsTold(t *testing.T) {
	o := options(t)
	o.ReadEvents = true // from a cluster that does not answer, which keeps nobody else waiting
	for range 2 {       // the second finds the database of the first
		ctx, end := context.WithCancel(t.Context())
		serving, ended := make(chan net.Addr, 1), make(chan error, 1)
		o.Serving = func(a net.Addr) { serving <- a }
		go func() { ended <- hub.Run(ctx, o) }()
		var address net.Addr
		select {
		case address = <-serving:
		case err := <-ended:
			t.Fatal(err)
		}
		for path, want := range map[string]int{"/healthz": http.StatusOK, "/openapi.json": http.StatusOK, "/v1/violations": http.StatusUnauthorized} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address.String()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err := errors.Join(err, response.Body.Close()); err != nil || response.StatusCode != want {
				t.Errorf("%s: %s, %v: %s", path, response.Status, err, body)
			}
		}
		if err := hub.Run(t.Context(), o); err == nil {
			t.Error("two hubs have one database")
		}
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestWhatAHubCannotStartWith(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*hub.Options)
		want   string
	}{
		"no certificate": {func(o *hub.Options) { o.CertDir = "nowhere" }, "reading the certificate in nowhere"},
		"no users":       {func(o *hub.Options) { o.Users = "nowhere" }, "nowhere"},
		"a folder that is a file": {func(o *hub.Options) {
			o.Dir = filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(o.Dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "opening the store in"},
		"an address that is taken": {func(o *hub.Options) {
			taken, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // of a test
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = taken.Close() })
			o.Listen = taken.Addr().String()
		}, "listening"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			test.change(&o)
			if err := hub.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}
