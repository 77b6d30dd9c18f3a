package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/net/netutil"
)

// The webhook server's bounds. The API server is quick with its requests; who is not is cut off.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 45 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	// maxConnections is far more than all API servers of a cluster keep open.
	maxConnections = 2048
)

// newWebhookServer serves TLS with whatever certificate is in force at the moment of a handshake.
func newWebhookServer(handler http.Handler, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), clientCAs *x509.CertPool, logger *slog.Logger) *http.Server {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: certificate,
		// As the API server wants it for webhooks: a connection of HTTP/2 would bind it to one replica.
		NextProtos: []string{"http/1.1"},
	}
	if clientCAs != nil {
		config.ClientCAs, config.ClientAuth = clientCAs, tls.VerifyClientCertIfGiven
	}
	return &http.Server{
		Handler: handler, TLSConfig: config, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// clientCAs reads the certificates that client certificates are verified with; nil without a file.
func clientCAs(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the client CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("the client CA %s holds no PEM certificate", file)
	}
	return pool, nil
}

// serve serves on the address until the context ends, and then finishes the requests that are under way.
func serve(ctx context.Context, server *http.Server, listener net.Listener, shutdown time.Duration) error {
	ended := make(chan error, 1)
	go func() {
		if server.TLSConfig != nil {
			ended <- server.ServeTLS(listener, "", "")
			return
		}
		ended <- server.Serve(listener)
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdown)
	defer cancel()
	err := server.Shutdown(bound)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("ending the server on %s: %w", listener.Addr(), err)
	}
	return nil
}

// listen opens the address, with an error that says what to do.
func listen(ctx context.Context, what, key, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for %s: %w (%s in the configuration sets the address)", what, err, key)
	}
	return netutil.LimitListener(listener, maxConnections), nil
}

// answers tells whether the server on the address shakes hands.
func answers(ctx context.Context, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Second}, Config: &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // whether it answers is asked, not whether it is right: the certificate has a check of its own
		NextProtos:         []string{"http/1.1"},
	}}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort("localhost", port))
	if err != nil {
		return fmt.Errorf("the webhook server does not answer: %w", err)
	}
	return connection.Close()
}
