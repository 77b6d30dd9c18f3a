package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/assay-gitops/assay/internal/agentconfig"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/elastic"
	"github.com/assay-gitops/assay/internal/sink/events"
	"github.com/assay-gitops/assay/internal/sink/file"
	"github.com/assay-gitops/assay/internal/sink/flux"
	"github.com/assay-gitops/assay/internal/sink/hub"
	"github.com/assay-gitops/assay/internal/sink/policyreport"
	"github.com/assay-gitops/assay/internal/sink/webhook"
)

// gateSink is one destination of one gate's results.
type gateSink struct {
	gate   sink.Gate
	kind   string
	sink   sink.Sink
	filter sink.Filter
	// batch is how many results are sent at once; 0 for what the runner takes.
	batch int
}

// name of the sink in metrics, logs and the journal.
func (s *gateSink) name() string { return string(s.gate) + "-" + s.kind }

// newSinks makes the sinks of the gates that are enabled.
func newSinks(c *agentconfig.Config, b sinkBuilder) ([]gateSink, error) {
	var all []gateSink
	for _, g := range []struct {
		gate    sink.Gate
		enabled bool
		sinks   agentconfig.Sinks
	}{
		{sink.Admission, c.Admission.Enabled, c.Admission.Sinks},
		{sink.Audit, c.Audit.Enabled, c.Audit.Sinks},
		{sink.Terraform, c.TFAdmission.Enabled, c.TFAdmission.Sinks},
	} {
		if !g.enabled {
			continue
		}
		made, err := b.make(g.gate, g.sinks)
		if err != nil {
			return nil, fmt.Errorf("setting up the sinks of %s: %w", g.gate, err)
		}
		all = append(all, made...)
	}
	return all, nil
}

// sinkBuilder makes sinks from the configuration.
type sinkBuilder struct {
	// kubernetes reaches the API server.
	kubernetes *rest.Config
	// instance and version of the agent, for those who receive.
	instance, version string
	logger            *slog.Logger
	// folder for files with results.
	folder string
}

func (b sinkBuilder) make(gate sink.Gate, configured agentconfig.Sinks) ([]gateSink, error) {
	var all []gateSink
	var failures []error
	add := func(kind string, filter agentconfig.Filter, batch int, made sink.Sink, err error) {
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", kind, err))
			return
		}
		all = append(all, gateSink{gate: gate, kind: kind, sink: made, batch: batch, filter: sink.Filter{
			Severities: filter.Severities, Policies: filter.Policies, Namespaces: filter.Namespaces, Statuses: filter.Statuses,
		}})
	}
	if s := configured.FilesystemSink; s != nil {
		made, err := file.New(file.Options{Path: filepath.Join(b.folder, s.FileName), MaxBytes: s.MaxSize, MaxAge: s.MaxAge, Keep: s.MaxFiles, Sync: s.Sync})
		add("file", s.Filter, 0, made, err)
	}
	if s := configured.K8sEventsSink; s != nil && s.Enabled {
		made, err := b.events(!s.Manifests)
		add("events", s.Filter, 0, made, err)
	}
	if s := configured.FluxNotificationSink; s != nil {
		if s.Address == "" {
			made, err := b.events(false)
			add("flux", s.Filter, 0, ofApplications{made}, err)
		} else {
			made, err := flux.New(flux.Options{Address: s.Address, Instance: b.instance, UserAgent: b.userAgent()})
			add("flux", s.Filter, 0, made, err)
		}
	}
	if s := configured.ElasticSink; s != nil {
		made, err := b.elastic(s)
		add("elastic", s.Filter, 0, made, err)
	}
	if s := configured.WebhookSink; s != nil {
		made, err := b.webhook(s)
		add("webhook", s.Filter, 0, made, err)
	}
	if s := configured.HubSink; s != nil {
		made, err := b.hub(s)
		add("hub", s.Filter, 0, made, err)
	}
	if s := configured.PolicyReportSink; s != nil && s.Enabled {
		made, err := b.policyReports(s)
		// Each report is a request or two; a batch must fit into the time that one attempt has.
		add("reports", s.Filter, 100, made, err)
	}
	return all, errors.Join(failures...)
}

func (b sinkBuilder) policyReports(s *agentconfig.PolicyReportSink) (*policyreport.Sink, error) {
	client, err := dynamic.NewForConfig(b.kubernetes)
	if err != nil {
		return nil, fmt.Errorf("making a client of the API server: %w", err)
	}
	return policyreport.New(policyreport.Options{Client: client, API: policyreport.API(s.API), Scope: policyreport.Scope(s.Scope)})
}

func (b sinkBuilder) userAgent() string { return "assay/" + b.version }

func (b sinkBuilder) events(withoutManifests bool) (*events.Sink, error) {
	return events.New(events.Options{Config: b.kubernetes, WithoutManifests: withoutManifests, Instance: b.instance})
}

// ofApplications leaves out what no Flux object applies: what the notification sink of the Weave Policy Agent did without an
// address was to write Kubernetes events about Flux objects.
type ofApplications struct{ sink.Sink }

func (s ofApplications) Send(ctx context.Context, items []sink.Item) []sink.Outcome {
	outcomes := sink.Same(items, sink.Outcome{State: sink.Useless})
	var wanted []sink.Item
	var places []int
	for i, item := range items {
		if item.Result.App != nil {
			wanted, places = append(wanted, item), append(places, i)
		}
	}
	if len(wanted) > 0 {
		for i, outcome := range s.Sink.Send(ctx, wanted) {
			outcomes[places[i]] = outcome
		}
	}
	return outcomes
}

func (b sinkBuilder) elastic(s *agentconfig.ElasticSink) (*elastic.Sink, error) {
	o := elastic.Options{
		Address: s.Address, Index: s.IndexName, Mode: elastic.Mode(s.InsertionMode), NoTemplate: !s.Template,
		Username: s.Username, PasswordFile: s.PasswordFile, APIKey: string(s.APIKey), APIKeyFile: s.APIKeyFile,
		CAFile: s.CAFile, InsecureSkipVerify: s.InsecureSkipVerify, UserAgent: b.userAgent(), Logger: b.logger,
	}
	if s.Username != "" {
		o.Password = string(s.Password) // reading the configuration has warned about one without a user
	}
	if s.IndexPeriod != "none" {
		o.Period = elastic.Period(s.IndexPeriod)
	}
	return elastic.New(o)
}

func (b sinkBuilder) webhook(s *agentconfig.WebhookSink) (*webhook.Sink, error) {
	o := webhook.Options{URL: s.URL, UserAgent: b.userAgent()}
	if s.SecretFile != "" {
		o.Secrets = func() ([][]byte, error) { return secretsIn(s.SecretFile) }
	}
	if s.HeadersFile != "" {
		o.Header = func() (http.Header, error) { return headersIn(s.HeadersFile) }
	}
	if s.CAFile != "" {
		client, err := clientTrusting(s.CAFile)
		if err != nil {
			return nil, err
		}
		o.Client = client
	}
	return webhook.New(o)
}

func (b sinkBuilder) hub(s *agentconfig.HubSink) (*webhook.Sink, error) {
	o, err := b.hubOptions(s)
	if err != nil {
		return nil, err
	}
	return hub.New(o)
}

func (b sinkBuilder) hubOptions(s *agentconfig.HubSink) (hub.Options, error) {
	o := hub.Options{URL: s.URL, TokenFile: s.TokenFile, UserAgent: b.userAgent()}
	if s.CAFile != "" {
		var err error
		if o.Client, err = clientTrusting(s.CAFile); err != nil {
			return o, err
		}
	}
	return o, nil
}

// secretsIn reads the secrets of a file, one a line, when they are needed: a Secret may be changed at any time.
func secretsIn(path string) ([][]byte, error) {
	content, err := os.ReadFile(path) //nolint:gosec // the file that the configuration names
	if err != nil {
		return nil, fmt.Errorf("reading the secrets that sign requests: %w", err)
	}
	var secrets [][]byte
	for line := range bytes.Lines(content) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		secret, err := webhook.Secret(string(line))
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, secret)
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%s holds no secret to sign requests with", path)
	}
	return secrets, nil
}

// headersIn reads headers of a file, one a line. Errors do not repeat what may be a secret.
func headersIn(path string) (http.Header, error) {
	content, err := os.ReadFile(path) //nolint:gosec // the file that the configuration names
	if err != nil {
		return nil, fmt.Errorf("reading the headers of requests: %w", err)
	}
	header, number := http.Header{}, 0
	for line := range strings.Lines(string(content)) {
		number++
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if name = textproto.TrimString(name); !found || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("line %d of %s is no header: write Name: value", number, path)
		}
		header.Add(name, textproto.TrimString(value))
	}
	return header, nil
}

// clientTrusting is an HTTP client that follows no redirects and trusts the authorities of a file.
func clientTrusting(caFile string) (*http.Client, error) {
	content, err := os.ReadFile(caFile) //nolint:gosec // the file that the configuration names
	if err != nil {
		return nil, fmt.Errorf("reading the authorities of a server: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no PEM certificate", caFile)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}
