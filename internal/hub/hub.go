// Package hub is the process that keeps what agents found and answers questions about it: it wires the store, the authentication
// and the API, serves them, and forgets what is old.
package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/assay-gitops/assay/internal/hub/api"
	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/auth/provider"
	"github.com/assay-gitops/assay/internal/hub/changes"
	"github.com/assay-gitops/assay/internal/hub/events"
	"github.com/assay-gitops/assay/internal/hub/impact"
	"github.com/assay-gitops/assay/internal/hub/live"
	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/search"
	"github.com/assay-gitops/assay/internal/hub/store/sqlite"
	"github.com/assay-gitops/assay/internal/hub/ui"
	"github.com/assay-gitops/assay/internal/kube/certs"
	"github.com/assay-gitops/assay/web"
)

// Options of the hub.
type Options struct {
	// Listen is the host:port to serve on.
	Listen string
	// CertDir holds tls.crt and tls.key; they are read again when they change. Empty is plain HTTP, which is refused unless Listen is
	// on loopback: tokens and passwords are sent with every request.
	CertDir string
	// Dir is where the database is. It belongs to one process.
	Dir string
	// Search is the search server that is the store instead, which many hubs may share; nil for the database.
	Search *search.Options
	// Keep is how long results are kept, and violations that are not open any more.
	Keep time.Duration
	// MaxSize is how many bytes of the database may be used before the oldest results are forgotten; 0 for no limit.
	MaxSize int64
	// Client of the hub's own cluster, Objects what reads policies and workspaces in it, Impacts what tells what changes of policies would do,
	// Cluster its name.
	Client  kubernetes.Interface
	Objects client.Reader
	Impacts *impact.Surveyor
	Cluster string
	// Agents, AgentTokens and Users are those of auth.Options.
	Agents             []string
	AgentTokens, Users string
	// Provider, External, SessionKeys and SessionMaxAge are those of auth.Options, TrustedProxies those of api.Options.
	Provider       *provider.Provider
	External       *url.URL
	SessionKeys    string
	SessionMaxAge  time.Duration
	TrustedProxies []netip.Prefix
	// ReadEvents keeps what the events of the Weave Policy Agent in the hub's own cluster say.
	ReadEvents bool
	Version    string
	Logger     *slog.Logger
	// Serving is told the address when it is listened on; may be nil.
	Serving func(net.Addr)
}

const (
	// shutdown is how long requests that are under way have to end.
	shutdown = 20 * time.Second
)

// Run serves until the context ends.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	database, err := o.open(ctx)
	if err != nil {
		return err
	}
	kept, err := changes.New(database, changes.Options{Logger: o.Logger})
	if err != nil {
		return errors.Join(err, database.Close())
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	who, err := auth.New(auth.Options{
		Client: o.Client, Cluster: o.Cluster, Agents: o.Agents, AgentTokens: o.AgentTokens, Users: o.Users, Logger: o.Logger,
		Provider: o.Provider, External: o.External, SessionKeys: o.SessionKeys, SessionMaxAge: o.SessionMaxAge,
	})
	if err != nil {
		return fmt.Errorf("setting up authentication: %w", err)
	}
	metrics := prometheus.NewRegistry()
	handler, err := api.New(api.Options{
		Store: kept, Auth: who, Live: live.New(o.Cluster, o.Objects, time.Now), Impacts: o.Impacts, Logger: o.Logger, Version: o.Version, Metrics: metrics,
		TrustedProxies: o.TrustedProxies,
	})
	if err != nil {
		return fmt.Errorf("setting up the API: %w", err)
	}
	files, err := web.Files()
	if err != nil {
		return fmt.Errorf("opening the user interface in the binary: %w", err)
	}
	if handler.Handler, err = ui.Over(handler.Handler, files); err != nil {
		return err
	}
	retention, err := newRetention(database, &o, metrics)
	if err != nil {
		return err
	}
	var reader *events.Reader
	if o.ReadEvents {
		reader, err = events.New(events.Options{Client: o.Client, Cluster: o.Cluster, Store: kept, Logger: o.Logger, Metrics: metrics})
		if err != nil {
			return fmt.Errorf("setting up the reading of events: %w", err)
		}
	}
	server := api.NewServer(handler, o.Logger)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	if o.CertDir != "" {
		files, err := certs.NewFiles(o.CertDir, o.Logger)
		if err != nil {
			return errors.Join(fmt.Errorf("reading the certificate in %s: %w", o.CertDir, err), listener.Close())
		}
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: files.GetCertificate}
		group.Go(func() error { return files.Run(ctx) })
	}
	o.Logger.Info("serving", "address", listener.Addr().String(), "tls", o.CertDir != "", "cluster", o.Cluster)
	if o.Serving != nil {
		o.Serving(listener.Addr())
	}
	group.Go(func() error { return serve(ctx, server, listener) })
	if reader != nil {
		group.Go(func() error { reader.Run(ctx); return nil })
	}
	group.Go(func() error { retention.run(ctx); return nil })
	return group.Wait() //nolint:wrapcheck // each says what it did
}

// ErrPlain is a hub that would send secrets in clear.
var ErrPlain = errors.New("without a certificate the hub serves on loopback only, since tokens and passwords would be sent in clear")

func (o *Options) check() error {
	if o.CertDir != "" {
		return nil
	}
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("the address to listen on: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return ErrPlain
	}
	return nil
}

// open opens the store.
func (o *Options) open(ctx context.Context) (store.Store, error) {
	if o.Search == nil {
		s, err := sqlite.Open(ctx, o.Dir, sqlite.Options{})
		if err != nil {
			return nil, fmt.Errorf("opening the store in %s: %w", o.Dir, err)
		}
		return s, nil
	}
	s, err := search.Open(ctx, *o.Search)
	if err != nil {
		return nil, fmt.Errorf("opening the store in a search server: %w", err)
	}
	return s, nil
}

// serve serves until the context ends, and then finishes the requests that are under way.
func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
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
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // exports go on until somebody has read them
	}
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("ending the server on %s: %w", listener.Addr(), err)
	}
	return nil
}
