package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/changes"
	"github.com/assay-gitops/assay/internal/hub/live"
	"github.com/assay-gitops/assay/internal/hub/quick"
	"github.com/assay-gitops/assay/internal/hub/store"
)

// Options say what the API works with.
type Options struct {
	// Store is asked. When it is a changes.Store, what is added to it elsewhere is told to those who follow changes as well.
	Store store.Store
	Auth  *auth.Auth
	// Live is what the hub's own cluster holds now.
	Live *live.Cluster
	// Impacts of changes of its policies.
	Impacts Impacts
	// Logger gets a line for each request, and the causes of failures; nil logs nothing.
	Logger *slog.Logger
	// Version of Assay, for the document.
	Version string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Metrics is what /metrics shows, and where the API's own are registered; nil is a registry with those only.
	Metrics *prometheus.Registry
	// Rate is how many requests a client may make in a second, in the long run; 0 is DefaultRate, less is without a limit.
	Rate float64
	// TrustedProxies are believed about whom they speak for, in X-Forwarded-For.
	TrustedProxies []netip.Prefix

	// pace of streams; zero is the usual one.
	pace pace
}

// DefaultRate is the requests a second of a client. A page of a user interface makes some ten at once; a client may make ten seconds' worth.
const DefaultRate = 20

// service is what the operations share.
type service struct {
	store   store.Store
	auth    *auth.Auth
	live    *live.Cluster
	logger  *slog.Logger
	now     func() time.Time
	metrics *metrics
	api     huma.API
	// intakes and exports are turns: each takes memory, or a long time.
	intakes, exports, impacts chan struct{}
	// policies are those that agents sent before.
	policies quick.Policies
	impact   Impacts
	// changes is the store, as those follow it who have one of the streams.
	changes *changes.Store
	streams streams
	pace    pace
	limiter *limiter
	origins *http.CrossOriginProtection
}

// Handler is the API. Its End ends streams of changes, which would go on otherwise; all else is answered still.
type Handler struct {
	http.Handler
	changes *changes.Store
}

// End ends streams.
func (h *Handler) End() { h.changes.End() }

// New makes the handler of all the API's paths: /v1/…, /auth/…, /openapi.json, /docs, /healthz, /readyz and /metrics. What is not there is answered
// as such, so it may be the handler of everything.
func New(o Options) (*Handler, error) {
	if o.Store == nil || o.Auth == nil || o.Live == nil || o.Impacts == nil {
		return nil, errors.New("making the hub's API: it needs a store, an authentication and a cluster")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if o.pace == (pace{}) {
		o.pace = usualPace()
	}
	followed, ok := o.Store.(*changes.Store)
	if !ok {
		var err error
		if followed, err = changes.New(o.Store, changes.Options{Logger: o.Logger}); err != nil {
			return nil, err
		}
	}
	metrics, err := newMetrics(o.Metrics, o.Store)
	if err != nil {
		return nil, err
	}
	s := &service{
		store: followed, auth: o.Auth, live: o.Live, logger: o.Logger, now: o.Now, metrics: metrics,
		intakes: make(chan struct{}, parallelIntakes), exports: make(chan struct{}, parallelExports), impacts: make(chan struct{}, 1), impact: o.Impacts,
		changes: followed, streams: streams{each: map[string]int{}}, pace: o.pace, limiter: newLimiter(o.Rate, o.Now, o.TrustedProxies),
		origins: http.NewCrossOriginProtection(),
	}
	if external := o.Auth.External(); external != "" {
		if err := s.origins.AddTrustedOrigin(external); err != nil {
			return nil, fmt.Errorf("making the hub's API: where browsers find it: %w", err)
		}
	}
	mux := http.NewServeMux()
	s.api = humago.New(mux, document(o.Version))
	s.registerIntake()
	s.registerState()
	s.registerViolations()
	s.registerChanges()
	s.registerCounts()
	s.registerApplications()
	s.registerExport()
	s.registerOld()
	s.registerPolicies()
	s.registerSets()
	s.registerParameters()
	s.registerWorkspaces()
	s.registerStandards()
	s.registerVersions()
	s.registerAudits()
	s.registerImpact()
	s.registerSession()
	s.registerProbes(mux, o.Metrics)
	if err := errors.Join(s.registerDocument(mux), s.registerSignIn(mux)); err != nil {
		return nil, err
	}
	registerNothing(mux)
	handler, err := s.around(mux)
	if err != nil {
		return nil, err
	}
	return &Handler{handler, followed}, nil
}

// document is the beginning of the OpenAPI document. Its paths are served by registerDocument.
func document(version string) huma.Config {
	config := huma.DefaultConfig("Assay hub", version)
	config.Info.Description = "What the agents of your clusters found. Readers see what RBAC of the hub's cluster lets them see."
	config.Info.License = &huma.License{Name: "Apache 2.0", Identifier: "Apache-2.0"}
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		readerToken:    {Type: "http", Scheme: "bearer", Description: "A token that the API server of the hub's cluster takes."},
		readerPassword: {Type: "http", Scheme: "basic", Description: "A name and a password of the hub's file of users, over TLS."},
		readerSession:  {Type: "apiKey", In: "cookie", Name: auth.SessionCookie, Description: "A session of a browser, as POST /v1/session or /auth/login begin it. Over TLS its name begins with __Host-."},
		agentToken:     {Type: "http", Scheme: "bearer", Description: "A token of the agent's ServiceAccount for the audience assay-hub, or one that is registered for its cluster."},
	}
	// What is answered grows.
	config.AllowAdditionalPropertiesByDefault = true
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	// The only hook would add $schema to every answer.
	config.CreateHooks = nil
	return config
}

const (
	readerToken    = "readerToken"
	readerPassword = "readerPassword"
	readerSession  = "readerSession"
	agentToken     = "agentToken"
)

const (
	requestTimeout = 30 * time.Second
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	// maxHeader has room for a long query.
	maxHeader = 64 << 10
)

// NewServer is a server for the handler with the limits that it counts on, which ends streams when it is shut down. Its caller sets an address or gives it a listener. There is
// no timeout for writing: an export takes as long as it takes, and the handler bounds all else.
func NewServer(handler *Handler, logger *slog.Logger) *http.Server {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	server.RegisterOnShutdown(handler.End)
	return server
}
