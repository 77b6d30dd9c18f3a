package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// listenLoopback opens a port for a test.
func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func TestWhatIsUnderWayIsAnsweredBeforeTheServerEnds(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	server := plainServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		io.WriteString(w, "answered") //nolint:errcheck // the client tells
	}))
	listener := listenLoopback(t)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, server, listener, time.Minute) }()
	answer := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		answer <- string(body) + " " + http.StatusText(response.StatusCode)
		if err != nil {
			t.Error(err)
		}
	}()
	<-arrived
	end()
	// New connections are refused while the old one is waited for.
	for {
		connection, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			break
		}
		connection.Close()
		time.Sleep(time.Millisecond)
	}
	close(release)
	if got := <-answer; got != "answered OK" {
		t.Errorf("got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAServerThatCannotEndInTimeSaysSo(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	server := plainServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(arrived); <-release }))
	listener := listenLoopback(t)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, server, listener, time.Millisecond) }()
	go func() {
		if response, err := http.Get("http://" + listener.Addr().String()); err == nil {
			response.Body.Close()
		}
	}()
	<-arrived
	end()
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	close(release)
}

func TestAnswers(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	certificate := server.TLS.Certificates[0]
	webhooks := newWebhookServer(http.NotFoundHandler(), func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }, nil, slog.New(slog.DiscardHandler))
	listener := listenLoopback(t)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, webhooks, listener, time.Minute) }()
	if err := answers(t.Context(), listener.Addr().String()); err != nil {
		t.Errorf("a server that answers: %v", err)
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := answers(t.Context(), listener.Addr().String()); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("a server that is gone: %v", err)
	}
}

func TestClientCAs(t *testing.T) {
	if pool, err := clientCAs(""); pool != nil || err != nil {
		t.Errorf("without a file: %v, %v", pool, err)
	}
	for file, want := range map[string]string{"nowhere.pem": "reading the client CA", "server_test.go": "holds no PEM certificate"} {
		if _, err := clientCAs(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
}
