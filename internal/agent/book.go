package agent

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/policy"
)

// edition is what the policies of the cluster came to at one moment. It is immutable.
type edition struct {
	snapshot *engine.Snapshot
	sources  engine.Sources
	problems []engine.Problem
	// at is when it came into force, took how long compiling was.
	at   time.Time
	took time.Duration
}

// acting are the policies that act in a mode.
func (e *edition) acting(mode v2.Mode) []*v2.Policy {
	var all []*v2.Policy
	for _, p := range e.snapshot.Policies() {
		if slices.Contains(e.snapshot.Modes(p.Spec.ID), mode) {
			all = append(all, p)
		}
	}
	return all
}

// book keeps the edition in force current: it watches policies, sets, configs and exceptions and compiles what changed.
type book struct {
	reader  client.Reader
	options func() engine.Options
	// workloads are kinds that contain a pod template.
	workloads policy.Workloads
	logger    *slog.Logger

	current atomic.Pointer[edition]
	changed signal
	// compiling is when the compilation that is going on began, in nanoseconds since 1970; zero when none is.
	compiling atomic.Int64
	// listeners are told of each new edition, touched of each event at all.
	listeners []func(*edition)
	touched   []signal
}

// settle is how long changes are gathered before they are compiled: a commit brings several at once.
const settle = 30 * time.Millisecond

// retry is how long a compilation waits that could not read its sources.
const retry = time.Second

func newBook(reader client.Reader, options func() engine.Options, workloads policy.Workloads, logger *slog.Logger) *book {
	return &book{reader: reader, options: options, workloads: workloads, logger: logger, changed: newSignal()}
}

// snapshot in force; nil before the first.
func (b *book) snapshot() *engine.Snapshot {
	if e := b.current.Load(); e != nil {
		return e.snapshot
	}
	return nil
}

// sourcesInForce are what the snapshot in force was made of.
func (b *book) sourcesInForce() (engine.Sources, *engine.Snapshot, bool) {
	e := b.current.Load()
	if e == nil {
		return engine.Sources{}, nil, false
	}
	return e.sources, e.snapshot, true
}

// watch makes the informers of the cache tell of changes.
func (b *book) watch(ctx context.Context, informers cache.Cache) error {
	for _, kind := range []client.Object{&v2.Policy{}, &v2.PolicySet{}, &v2.PolicyConfig{}, &v2.PolicyException{}} {
		informer, err := informers.GetInformer(ctx, kind)
		if err != nil {
			return fmt.Errorf("watching %T: %w", kind, err)
		}
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { b.touch(true) },
			UpdateFunc: func(before, after any) {
				old, ok := before.(client.Object)
				current, isObject := after.(client.Object)
				// A status of ours, or a label, changes no verdict.
				b.touch(!ok || !isObject || old.GetGeneration() != current.GetGeneration() || old.GetUID() != current.GetUID())
			},
			DeleteFunc: func(any) { b.touch(true) },
		})
		if err != nil {
			return fmt.Errorf("watching %T: %w", kind, err)
		}
	}
	return nil
}

func (b *book) touch(compile bool) {
	if compile {
		b.changed.notify()
	}
	for _, s := range b.touched {
		s.notify()
	}
}

// run compiles whenever something changed, until the context ends. The informers have to be synced.
func (b *book) run(ctx context.Context) error {
	b.changed.notify()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.changed:
		}
		if b.current.Load() != nil && !pause(ctx, settle) {
			return nil
		}
		if err := b.compile(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			b.logger.Error("policies could not be compiled; the ones before stay in force", "error", err, "retry", retry)
			if !pause(ctx, retry) {
				return nil
			}
			b.changed.notify()
		}
	}
}

func (b *book) compile(ctx context.Context) error {
	start := time.Now()
	b.compiling.Store(start.UnixNano())
	defer b.compiling.Store(0)
	sources, err := b.list(ctx)
	if err != nil {
		return err
	}
	options := b.options()
	options.Previous = b.snapshot()
	snapshot, problems, err := engine.Compile(ctx, sources, options)
	if err != nil {
		return fmt.Errorf("compiling: %w", err)
	}
	e := &edition{snapshot: snapshot, sources: sources, problems: problems, at: time.Now(), took: time.Since(start)}
	b.current.Store(e)
	b.logger.Debug("policies compiled", "policies", len(snapshot.Policies()), "problems", len(problems), "took", e.took)
	for _, listener := range b.listeners {
		listener(e)
	}
	return nil
}

// list reads the sources from the cache, whose objects are never changed. Older objects come first: where two policies
// have one id, the one that was there first keeps it.
func (b *book) list(ctx context.Context) (engine.Sources, error) {
	var sources engine.Sources
	var policies v2.PolicyList
	if err := b.reader.List(ctx, &policies); err != nil {
		return sources, fmt.Errorf("listing policies: %w", err)
	}
	var sets v2.PolicySetList
	if err := b.reader.List(ctx, &sets); err != nil {
		return sources, fmt.Errorf("listing policy sets: %w", err)
	}
	var configs v2.PolicyConfigList
	if err := b.reader.List(ctx, &configs); err != nil {
		return sources, fmt.Errorf("listing policy configs: %w", err)
	}
	var exceptions v2.PolicyExceptionList
	if err := b.reader.List(ctx, &exceptions); err != nil {
		return sources, fmt.Errorf("listing policy exceptions: %w", err)
	}
	return engine.Sources{
		Policies: oldestFirst(policies.Items), Sets: oldestFirst(sets.Items),
		Configs: oldestFirst(configs.Items), Exceptions: oldestFirst(exceptions.Items), Workloads: b.workloads,
	}, nil
}

func oldestFirst[T any, P interface {
	*T
	client.Object
}](items []T) []*T {
	all := make([]*T, len(items))
	for i := range items {
		all[i] = &items[i]
	}
	slices.SortFunc(all, func(a, b *T) int {
		x, y := P(a), P(b)
		return cmp.Or(x.GetCreationTimestamp().Compare(y.GetCreationTimestamp().Time), cmp.Compare(x.GetName(), y.GetName()))
	})
	return all
}

// pause waits; it is false when the context ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
