package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/agentconfig"
	"github.com/assay-gitops/assay/internal/gate/admission"
	"github.com/assay-gitops/assay/internal/gate/audit"
	"github.com/assay-gitops/assay/policy"
)

// Options of the agent.
type Options struct {
	// ConfigFile is the configuration file.
	ConfigFile string
	// Environ are the environment's variables as K=V; those that name configuration keys override the file.
	Environ []string
	// Version of the program.
	Version string
	// ClusterRole is the name of the ClusterRole that owns the webhook registration: when it is deleted, Kubernetes deletes
	// the registration too. Empty for no owner.
	ClusterRole string
	// Log is where log lines go.
	Log io.Writer
}

// Load reads the configuration that the options name.
func Load(o Options) (*agentconfig.Config, []agentconfig.Warning, error) {
	var content []byte
	if o.ConfigFile != "" {
		var err error
		if content, err = os.ReadFile(o.ConfigFile); err != nil {
			return nil, nil, fmt.Errorf("reading the configuration: %w", err)
		}
	}
	c, warnings, err := agentconfig.Load(filepath.Base(o.ConfigFile), content, o.Environ)
	if err != nil {
		return nil, warnings, err
	}
	if c.Namespace == "" {
		c.Namespace = ownNamespace()
	}
	return c, warnings, nil
}

// Where a pod's service account says which namespace it lives in, and what the old agent's documentation used.
const (
	namespaceFile    = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
	defaultNamespace = "policy-system"
)

func ownNamespace() string {
	content, err := os.ReadFile(namespaceFile)
	if name := strings.TrimSpace(string(content)); err == nil && name != "" {
		return name
	}
	return defaultNamespace
}

// agent is one running replica.
type agent struct {
	options  Options
	identity string
	// config in force; the level follows it.
	config atomic.Pointer[agentconfig.Config]
	level  *slog.LevelVar
	logger *slog.Logger

	cluster cluster.Cluster
	// direct reads from the API server what will be written, since the cache may be behind.
	direct       client.Client
	discovery    discovery.DiscoveryInterface
	recorder     events.EventRecorder
	book         *book
	brake        *brake
	breakers     *breakers
	guard        *engine.Guard
	namespaces   *namespaces
	certificates *certificates
	register     signal
	statuses     *statusWriter
	leadership   *leadership
	metrics      *instruments
	results      *results
	auditing     *auditing
	teller       *teller
	// rules are the uid and generation of each policy in force, by id; of the book's goroutine.
	rules    map[string]string
	draining atomic.Bool
}

// Run runs the agent until the context ends and all requests are answered.
func Run(ctx context.Context, o Options) error {
	config, warnings, err := Load(o)
	if err != nil {
		return err
	}
	a, err := newAgent(o, config)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		a.logger.Warn("configuration: " + w.String())
	}
	return a.run(ctx)
}

func newAgent(o Options, config *agentconfig.Config) (*agent, error) {
	a := &agent{options: o, level: &slog.LevelVar{}, register: newSignal()}
	a.config.Store(config)
	a.level.Set(config.LogLevel)
	a.logger = newLogger(o.Log, config, a.level)
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("finding the host's name: %w", err)
	}
	a.identity = fmt.Sprintf("%s-%d", host, os.Getpid())
	if a.cluster, err = newCluster(config, o.Version); err != nil {
		return nil, err
	}
	a.direct, err = client.New(a.cluster.GetConfig(), client.Options{Scheme: a.cluster.GetScheme(), Mapper: a.cluster.GetRESTMapper(), HTTPClient: a.cluster.GetHTTPClient()})
	if err != nil {
		return nil, fmt.Errorf("setting up a client: %w", err)
	}
	if a.discovery, err = discovery.NewDiscoveryClientForConfig(a.cluster.GetConfig()); err != nil {
		return nil, fmt.Errorf("setting up discovery: %w", err)
	}
	a.recorder = a.cluster.GetEventRecorder("policy-agent")
	limitMemory()
	a.guard = engine.NewGuard(func() int64 { return guardLimit(a.config.Load()) })
	a.namespaces = &namespaces{cached: a.cluster.GetClient(), live: a.cluster.GetAPIReader()}
	if a.certificates, err = newCertificates(config, a.direct, a.owner, a.logger); err != nil {
		return nil, err
	}
	a.leadership = &leadership{config: a.cluster.GetConfig(), namespace: config.Namespace, identity: a.identity, duties: a.lead, logger: a.logger}
	a.metrics = newInstruments(o.Version, a.leadership.leads.Load, a.certificates.NotAfter)
	a.breakers = newBreakers(a.breakerOptions(config))
	if a.results, err = a.newResults(config); err != nil {
		return nil, err
	}
	a.auditing = &auditing{}
	a.metrics.registry.MustRegister(newResultsCollector(a.results), newAuditCollector(a.auditing))
	workloads, err := workloads(config)
	if err != nil {
		return nil, err
	}
	a.book = newBook(a.cluster.GetClient(), a.compileOptions, workloads, a.logger)
	if a.teller, err = newTeller(config, a.sinkBuilder(config), a.book.list); err != nil {
		return nil, err
	}
	a.brake = &brake{logger: a.logger}
	a.statuses = &statusWriter{reader: a.cluster.GetClient(), client: a.cluster.GetClient(), book: a.book, facts: a.facts, wanted: newSignal(), logger: a.logger}
	a.book.touched = []signal{a.statuses.wanted, a.teller.wanted}
	a.book.listeners = []func(*edition){a.published}
	a.brake.changed = append(a.brake.changed, a.braked)
	return a, nil
}

// workloads are the kinds that contain a pod template: those that are known, and those that are configured.
func workloads(c *agentconfig.Config) (policy.Workloads, error) {
	declared := make([]policy.Workload, len(c.Workloads))
	for i, text := range c.Workloads {
		var err error
		if declared[i], err = policy.ParseWorkload(text); err != nil {
			return nil, fmt.Errorf("reading the workload %q of the configuration: %w", text, err)
		}
	}
	return policy.KnownWorkloads().With(declared), nil
}

func newLogger(to io.Writer, config *agentconfig.Config, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewJSONHandler(to, options)
	if config.LogFormat == "text" {
		handler = slog.NewTextHandler(to, options)
	}
	logger := slog.New(handler)
	if config.AccountID != "" || config.ClusterID != "" {
		logger = logger.With("accountID", config.AccountID, "clusterID", config.ClusterID)
	}
	// The libraries' own loggers are theirs to set once in a process.
	klog.SetSlogLogger(logger)
	ctrllog.SetLogger(logr.FromSlogHandler(logger.Handler()))
	return logger
}

// run starts the parts in the order in which they need each other and ends them in the opposite one.
func (a *agent) run(ctx context.Context) error {
	config := a.config.Load()
	servers, err := a.servers(ctx, config)
	if err != nil {
		return err
	}
	tracing, err := startTracing(ctx, config, a.options.Version)
	if err != nil {
		return err
	}
	defer tracing(context.WithoutCancel(ctx))

	// The signal to end arrives at the servers first; what they need ends after them.
	inner, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	group, inner := errgroup.WithContext(inner)
	group.Go(func() error { return a.cluster.Start(inner) })
	group.Go(func() error { a.guard.Run(inner); return nil })
	group.Go(func() error {
		if err := a.untilWatched(inner); err != nil {
			return err
		}
		return a.book.run(inner)
	})
	group.Go(func() error { return a.certificates.run(inner) })
	group.Go(func() error { return a.leadership.run(inner) })
	group.Go(func() error { return a.followConfig(inner) })
	group.Go(func() error { a.results.run(inner); return nil })
	group.Go(func() error { a.reopenOnHangup(inner); return nil })
	group.Go(func() error { return a.serveAll(ctx, inner, servers, end) })
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// serveAll serves until the context ends: then it says that it is not ready, keeps serving until that has spread, finishes
// what is under way, and ends the rest.
func (a *agent) serveAll(ctx, inner context.Context, servers []server, end func()) error {
	defer end()
	serving, stop := context.WithCancel(inner)
	defer stop()
	group, serving := errgroup.WithContext(serving)
	for _, s := range servers {
		a.logger.Info("serving", "what", s.what, "address", s.listener.Addr().String())
		group.Go(func() error { return serve(serving, s.server, s.listener, a.config.Load().Shutdown.Timeout) })
	}
	select {
	case <-serving.Done():
	case <-ctx.Done():
		delay := a.config.Load().Shutdown.Delay
		a.draining.Store(true)
		a.logger.Info("ending: no longer ready, still serving until that has spread", "delay", delay)
		pause(serving, delay)
	}
	stop()
	return group.Wait()
}

// untilWatched waits until everything that is watched was seen once. It is patient: the API server may be away for a moment,
// and the CRDs may be installed after the agent.
func (a *agent) untilWatched(ctx context.Context) error {
	for {
		err := a.watch(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		a.logger.Error("not everything can be watched yet: are the CRDs installed, and does the API server answer?", "error", err, "retry", retry)
		if !pause(ctx, retry) {
			return nil
		}
	}
	a.cluster.GetCache().WaitForCacheSync(ctx)
	return nil
}

// watch makes everybody who wants to know of changes in the cluster be told.
func (a *agent) watch(ctx context.Context) error {
	informers := a.cluster.GetCache()
	if err := a.book.watch(ctx, informers); err != nil {
		return err
	}
	if err := a.brake.watch(ctx, informers); err != nil {
		return err
	}
	if _, err := informers.GetInformer(ctx, newNamespace()); err != nil {
		return fmt.Errorf("watching namespaces: %w", err)
	}
	if err := a.certificates.watch(ctx, informers); err != nil {
		return err
	}
	if err := a.watchAudit(ctx, informers); err != nil {
		return err
	}
	return a.watchRegistration(ctx, informers)
}

// published is told of each new edition of the policies.
func (a *agent) published(e *edition) {
	a.metrics.publish(e)
	// Policies that changed get a new chance, those that are gone are forgotten.
	before := a.rules
	a.rules = map[string]string{}
	for _, p := range e.snapshot.Policies() {
		a.rules[p.Spec.ID] = fmt.Sprintf("%s/%d", p.UID, p.Generation)
	}
	a.breakers.forget(func(id string) bool { return a.rules[id] == before[id] })
	a.statuses.wanted.notify()
	a.register.notify()
	a.auditing.tell((*audit.Auditor).Changed)
}

// admitted is told of each decision of the admission gate.
func (a *agent) admitted(ctx context.Context, d admission.Decision) {
	a.metrics.admitted(ctx, d)
	a.results.admitted(ctx, d, a.workspace)
	if d.Allowed || d.DryRun || d.Err != nil {
		return
	}
	var ids []string
	for i := range d.Results {
		if d.Results[i].Enforced {
			ids = append(ids, d.Results[i].Policy.Spec.ID)
		}
	}
	a.logger.Info("denied", "request", d.String(), "user", d.User, "policies", ids)
}

// braked is told when the emergency brake was put on or taken off.
func (a *agent) braked(ctx context.Context, configMap client.Object, reason string, on bool) {
	a.metrics.brakes.Inc()
	a.metrics.brake.Set(0)
	if on {
		a.metrics.brake.Set(1)
	}
	// Whoever watches the brake must not wait for the API server.
	go func() {
		ctx, cancel := context.WithTimeout(ctx, eventTimeout)
		defer cancel()
		err := a.direct.Create(ctx, brakeEvent(configMap, reason, on, a.identity, time.Now()))
		if err != nil && !apierrors.IsAlreadyExists(err) {
			a.logger.Warn("the event about the emergency brake was not written", "error", err)
		}
	}()
	a.statuses.wanted.notify()
}

// eventTimeout is how long an event may take to be written.
const eventTimeout = 10 * time.Second

// facts for the statuses.
func (a *agent) facts() facts {
	f := facts{suspended: map[string]string{}, now: time.Now()}
	if reason, on := a.brake.state(); on {
		f.brake = reason
	}
	for _, s := range a.breakers.admission.Open() {
		f.suspended[s.PolicyID] = s.Reason
	}
	return f
}

// compileOptions are those of the configuration in force.
func (a *agent) compileOptions() engine.Options {
	c := a.config.Load()
	return engine.Options{Timeout: c.Evaluation.Timeout, AllowNetwork: c.Evaluation.AllowNetwork, Observer: a.breakers, Guard: a.guard}
}
