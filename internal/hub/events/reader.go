package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
	sinkevents "github.com/assay-gitops/assay/internal/sink/events"
)

// Options of a reader. All but Metrics and Wait are required.
type Options struct {
	// Client has the right to list and watch events in all namespaces.
	Client kubernetes.Interface
	// Cluster is the name of the client's cluster.
	Cluster string
	// Store keeps what is read.
	Store interface {
		Add(ctx context.Context, cluster string, results []*sink.Result) (added int, err error)
	}
	Logger *slog.Logger
	// Metrics is where the reader counts events; may be nil.
	Metrics prometheus.Registerer
	// Wait is how long the reader waits after the first failure, on average; a second when zero. It doubles up to 64 times that.
	Wait time.Duration
}

const (
	// pageSize is how many events are in memory at once. One may have 256 KiB.
	pageSize = 100
	// watchSeconds is how long a watch lasts at least; it is up to twice that, so that watches do not end together.
	watchSeconds = 300
	// logEvery is how often the log says that events could not be read.
	logEvery = 10 * time.Minute
	// doublings of the time between attempts.
	doublings = 6
)

// The outcomes of events that are counted.
const (
	added    = "added"
	known    = "known"
	ours     = "ours"
	partly   = "partly"
	rejected = "rejected"
)

// Reader reads events. Run it once.
type Reader struct {
	o      Options
	events *prometheus.CounterVec
	// failures in a row.
	failures int
	// unread since it was logged, and when that was.
	unread int
	logged time.Time
	// told that events of this agent are there.
	told bool
}

// New checks the options. It does not speak to the API server.
func New(o Options) (*Reader, error) {
	if o.Client == nil || o.Cluster == "" || o.Store == nil || o.Logger == nil {
		return nil, errors.New("reading events needs a client, the name of its cluster, a store and a logger")
	}
	if o.Wait <= 0 {
		o.Wait = time.Second
	}
	r := &Reader{o: o, events: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "assay_hub_events_total",
		Help: "Kubernetes events of policy agents that were read: added, known already, partly readable (and added or known), rejected, or ours, which are left alone.",
	}, []string{"outcome"})}
	if o.Metrics != nil {
		if err := o.Metrics.Register(r.events); err != nil {
			return nil, fmt.Errorf("registering the metrics of reading events: %w", err)
		}
	}
	return r, nil
}

// Run reads until the context ends. Whatever fails is logged and tried again.
func (r *Reader) Run(ctx context.Context) {
	for {
		version, err := r.list(ctx)
		for err == nil {
			version, err = r.watch(ctx, version)
		}
		if ctx.Err() != nil {
			return
		}
		if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
			// As watches do when nothing happened for a while: no failure, but one that must not be met in a tight loop.
			r.o.Logger.Debug("the API server does not know what happened since events were read last; they are listed again")
			if !r.pause(ctx, r.o.Wait) {
				return
			}
			continue
		}
		wait := r.backoff()
		hint := ""
		if apierrors.IsForbidden(err) {
			hint = "the hub needs the right to list and watch events in all namespaces: docs/hub.md"
		}
		r.o.Logger.Error("events of the old agent cannot be read; it is tried again", "error", err, "after", wait, "hint", hint)
		if !r.pause(ctx, wait) {
			return
		}
	}
}

// list reads the events that there are and returns the version from which to go on. It keeps one page at a time.
func (r *Reader) list(ctx context.Context) (version string, err error) {
	next := ""
	for {
		page, err := r.o.Client.CoreV1().Events(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: sinkevents.LabelType, Limit: pageSize, Continue: next})
		if err != nil {
			return "", fmt.Errorf("listing events: %w", err)
		}
		r.failures = 0
		if err := r.take(ctx, page.Items); err != nil {
			return "", err
		}
		if next = page.Continue; next == "" {
			return page.ResourceVersion, nil
		}
	}
}

// watch reads what happens from a version on, until the server ends the watch, and returns the version to go on from.
func (r *Reader) watch(ctx context.Context, version string) (string, error) {
	lasts := int64(watchSeconds + rand.IntN(watchSeconds)) //nolint:gosec // no secret
	began := time.Now()
	opened, err := r.o.Client.CoreV1().Events(metav1.NamespaceAll).Watch(ctx, metav1.ListOptions{
		LabelSelector: sinkevents.LabelType, ResourceVersion: version, AllowWatchBookmarks: true, TimeoutSeconds: &lasts,
	})
	if err != nil {
		return "", fmt.Errorf("watching events: %w", err)
	}
	defer opened.Stop()
	for {
		batch, newest, more, err := next(ctx, opened)
		if err == nil {
			err = r.take(ctx, batch)
		}
		if err != nil {
			return "", err
		}
		if newest != "" {
			version, r.failures = newest, 0
		}
		switch {
		case more:
		case time.Since(began) < r.o.Wait && !r.pause(ctx, r.backoff()):
			return "", ctx.Err() // a server that ends watches at once is not asked as fast as it answers
		default:
			return version, nil
		}
	}
}

// next waits for something and takes what else is there, a page of it at most. More is false when the watch has ended.
func next(ctx context.Context, opened watch.Interface) (batch []corev1.Event, newest string, more bool, err error) {
	for len(batch) < pageSize {
		var change watch.Event
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
				return nil, "", false, ctx.Err()
			case change, more = <-opened.ResultChan():
			}
		} else {
			select {
			case change, more = <-opened.ResultChan():
			default:
				return batch, newest, true, nil
			}
		}
		if !more {
			return batch, newest, false, nil
		}
		event, is := change.Object.(*corev1.Event)
		if !is || change.Type == watch.Error {
			// What was taken is not lost: it is listed again.
			return nil, "", false, fmt.Errorf("watching events: %w", apierrors.FromObject(change.Object))
		}
		newest = event.ResourceVersion
		if change.Type == watch.Added || change.Type == watch.Modified {
			batch = append(batch, *event)
		}
	}
	return batch, newest, true, nil
}

// take keeps what events say. It tries until the store takes it: the API server keeps events meanwhile.
func (r *Reader) take(ctx context.Context, events []corev1.Event) error {
	results := make([]*sink.Result, 0, len(events))
	for i := range events {
		if sinkevents.IsOurs(&events[i]) {
			r.leave()
			continue
		}
		result, unread, err := Result(&events[i])
		switch {
		case err != nil:
			r.reject(err)
		case len(unread) > 0:
			r.events.WithLabelValues(partly).Inc()
			r.complain("annotations that cannot be read", unread)
			fallthrough
		default:
			results = append(results, result)
		}
	}
	if len(results) == 0 {
		return nil // it is no sign of life of an agent
	}
	return r.add(ctx, results)
}

func (r *Reader) add(ctx context.Context, results []*sink.Result) error {
	for {
		n, err := r.o.Store.Add(ctx, r.o.Cluster, results)
		switch {
		case err == nil:
			r.events.WithLabelValues(added).Add(float64(n))
			r.events.WithLabelValues(known).Add(float64(len(results) - n))
			return nil
		case ctx.Err() != nil:
			return err
		case errors.Is(err, store.ErrInvalid) && len(results) == 1:
			r.reject(store.ErrInvalid)
			return nil
		case errors.Is(err, store.ErrInvalid):
			// One that the store does not take is no reason to lose the others.
			if err := r.add(ctx, results[:len(results)/2]); err != nil {
				return err
			}
			results = results[len(results)/2:]
			continue
		}
		wait := r.backoff()
		r.o.Logger.Error("what events say cannot be kept; it is tried again", "error", err, "after", wait)
		if !r.pause(ctx, wait) {
			return ctx.Err()
		}
	}
}

// leave counts an event of this agent: its hubSink sends the same result with more in it, and what came first would stay.
func (r *Reader) leave() {
	r.events.WithLabelValues(ours).Inc()
	if !r.told {
		r.told = true
		r.o.Logger.Info("there are events of Assay's own agent, which are left alone: its hubSink sends what they say, and more")
	}
}

func (r *Reader) reject(why error) {
	r.events.WithLabelValues(rejected).Inc()
	r.complain("no result", why.Error())
}

// complain logs that an event could not be read, without its content, and not each time.
func (r *Reader) complain(what string, why any) {
	r.unread++
	if time.Since(r.logged) < logEvery {
		return
	}
	r.o.Logger.Warn("events of policy agents could not be read, or not whole", "events", r.unread, "last", what, "because", why)
	r.unread, r.logged = 0, time.Now()
}

// backoff is how long to wait after another failure: twice as long as before, and somewhat more or less.
func (r *Reader) backoff() time.Duration {
	wait := r.o.Wait << min(r.failures, doublings)
	r.failures++
	return wait/2 + rand.N(wait) //nolint:gosec // no secret
}

func (r *Reader) pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
