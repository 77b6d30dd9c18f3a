package agent

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/assay-gitops/assay/internal/agentconfig"
	"github.com/assay-gitops/assay/internal/gate/admission"
	"github.com/assay-gitops/assay/internal/gate/policies"
	"github.com/assay-gitops/assay/internal/gate/terraform"
)

// server is an HTTP server with the listener that it will serve on.
type server struct {
	what     string
	server   *http.Server
	listener net.Listener
}

// servers opens all addresses at once, so that one that is taken is told before anything runs.
func (a *agent) servers(ctx context.Context, c *agentconfig.Config) (all []server, err error) {
	defer func() {
		if err != nil {
			for _, s := range all {
				err = errors.Join(err, s.listener.Close())
			}
			all = nil
		}
	}()
	cas, err := clientCAs(c.TFAdmission.Auth.ClientCAFile)
	if err != nil {
		return nil, err
	}
	add := func(what, key, address string, s *http.Server) error {
		listener, err := listen(ctx, what, key, address)
		if err == nil {
			all = append(all, server{what, s, listener})
		}
		return err
	}
	webhooks := newWebhookServer(a.untilDrained(a.webhooks(c)), a.certificates.GetCertificate, cas, a.logger)
	if err := add("webhooks", "admission.webhook.listen", ":"+strconv.Itoa(c.Admission.Webhook.Listen), webhooks); err != nil {
		return all, err
	}
	if err := add("probes", "probesListen", c.ProbesListen, plainServer(a.probes(all[0].listener.Addr().String()))); err != nil {
		return all, err
	}
	if c.MetricsAddress == "" || c.MetricsAddress == "0" || c.MetricsAddress == "off" {
		return all, nil
	}
	return all, add("metrics", "metricsAddress", c.MetricsAddress, plainServer(a.metricsHandler()))
}

// untilDrained makes clients open new connections when the agent is ending: those lead to other replicas. Connections that
// are idle are not closed yet, since a request may be on its way over them.
func (a *agent) untilDrained(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	})
}

func plainServer(handler http.Handler) *http.Server {
	return &http.Server{Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes}
}

// webhooks are the paths of the one TLS server, those of the old agent among them.
func (a *agent) webhooks(c *agentconfig.Config) http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, handler http.Handler) {
		if c.Tracing.Endpoint != "" {
			handler = otelhttp.NewHandler(handler, path)
		}
		mux.Handle(path, handler)
	}
	own := policies.Handler(policies.Options{
		Sources: a.book.sourcesInForce, Compile: a.compileOptions, Timeout: a.webhookTimeout, Logger: a.logger, MaxConcurrent: runtime.GOMAXPROCS(0),
	})
	for _, path := range []string{"/validate-policies", "/validate-v2beta2-policyconfig", "/validate-v2beta3-policyconfig"} {
		handle(path, own)
	}
	if c.Admission.Enabled {
		o := admission.Options{
			Snapshot: a.book.snapshot, Namespace: a.namespaces.get, Brake: a.brake.state, OwnNamespace: c.Namespace,
			ExemptNamespaces: func() []string { return a.config.Load().Admission.Webhook.ExcludeNamespaces },
			Timeout:          a.webhookTimeout,
			FailOpen:         func() bool { return a.config.Load().Admission.Webhook.FailurePolicy == agentconfig.FailurePolicyIgnore },
			Record:           a.admitted, Logger: a.logger,
		}
		validating := admission.Validating(o)
		for _, path := range []string{"/admission", "/admission/fail", "/admission/ignore"} {
			handle(path, validating)
		}
		if c.Admission.Mutate {
			handle("/mutation", admission.Mutating(o))
		}
	}
	if c.TFAdmission.Enabled {
		o := terraform.Options{
			AccountID: c.AccountID, ClusterID: c.ClusterID, Snapshot: a.book.snapshot, Namespace: a.namespaces.get, Brake: a.brake.state,
			RequireClientCertificate: c.TFAdmission.Auth.ClientCAFile != "", MaxBodySize: c.TFAdmission.MaxBodySize, Record: a.planned, Logger: a.logger,
		}
		if file := c.TFAdmission.Auth.TokenFile; file != "" {
			o.Tokens = func() [][]byte { return a.tokensIn(file) }
		}
		handle("/terraform/admission", terraform.Handler(o))
	}
	return mux
}

func (a *agent) webhookTimeout() time.Duration { return a.config.Load().Admission.Webhook.Timeout }

// tokensIn reads the accepted tokens of a file, one a line, at each request: a Secret may be changed at any time. A file
// that holds none accepts nobody.
func (a *agent) tokensIn(file string) [][]byte {
	content, err := os.ReadFile(file)
	if err != nil {
		a.logger.Error("Terraform admission accepts no token: they cannot be read", "error", err)
	}
	var tokens [][]byte
	for line := range bytes.Lines(content) {
		if token := bytes.TrimSpace(line); len(token) > 0 {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

func (a *agent) metricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(prometheus.Gatherers{a.metrics.registry, ctrlmetrics.Registry}, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	return mux
}
