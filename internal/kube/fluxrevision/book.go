package fluxrevision

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/policy"
)

// Revisions of an application. Each is empty when it is not known.
type Revisions struct {
	// Attempted is what Flux applies or tried to apply last.
	Attempted string
	// Applied is what it applied with success.
	Applied string
}

// maxRevision bounds what is kept of each object: a branch's name and a hash are far shorter.
const maxRevision = 512

// The resources that are followed, in the versions that every Flux since 2.3 serves.
var (
	kustomizations = resource("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization")
	helmReleases   = resource("helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease")
	helmCharts     = resource("source.toolkit.fluxcd.io", "v1", "helmcharts", "HelmChart")
)

func resource(group, version, name, kind string) objects.Resource {
	return objects.Resource{
		GroupVersionResource: schema.GroupVersionResource{Group: group, Version: version, Resource: name}, Kind: kind, Namespaced: true, Watchable: true,
	}
}

// Options of a Book. Reader is required.
type Options struct {
	Reader *objects.Reader
	// Retry is how long to wait before a resource is tried again that is not there or may not be read; a minute when zero.
	Retry  time.Duration
	Logger *slog.Logger
}

// Book knows revisions. It is safe for concurrent use.
type Book struct {
	o  Options
	mu sync.RWMutex
	// known has what is kept of each object, by its resource's kind.
	known map[string]map[types.NamespacedName]fact
}

// fact is what is kept of an object.
type fact struct {
	Revisions
	// chart is where a HelmRelease's HelmChart is.
	chart types.NamespacedName
}

// New makes a book that knows nothing until it is run.
func New(o Options) *Book {
	if o.Retry == 0 {
		o.Retry = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Book{o: o, known: map[string]map[types.NamespacedName]fact{}}
}

// Of tells the revisions of an application.
func (b *Book) Of(app policy.App) Revisions {
	b.mu.RLock()
	defer b.mu.RUnlock()
	f := b.known[app.Kind][types.NamespacedName{Namespace: app.Namespace, Name: app.Name}]
	built, found := b.known[helmCharts.Kind][f.chart]
	if !found || built.Attempted == "" {
		return f.Revisions
	}
	// The chart's version says little about a chart that is built from a tree.
	if f.Applied == f.Attempted {
		f.Applied = built.Attempted
	}
	f.Attempted = built.Attempted
	return f.Revisions
}

// Run follows what it must know until the context ends.
func (b *Book) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, r := range []objects.Resource{kustomizations, helmReleases, helmCharts} {
		all.Go(func() { b.follow(ctx, r) })
	}
	all.Wait()
}

func (b *Book) follow(ctx context.Context, r objects.Resource) {
	said := false
	for ctx.Err() == nil {
		err := b.once(ctx, r)
		wait := b.o.Retry
		switch {
		case ctx.Err() != nil:
			return
		case apierrors.IsNotFound(err):
			b.replace(r, nil) // Flux, or this part of it, is not installed
		case apierrors.IsForbidden(err):
			b.replace(r, nil)
			if !said {
				b.o.Logger.Warn("the source revisions of Flux applications are not known: the agent may not read them", "resource", r.String(), "error", err)
				said = true
			}
		case err == nil, apierrors.IsResourceExpired(err), apierrors.IsGone(err):
			wait = min(wait, time.Second) // it is listed again
		default: // what was known still is, and the API server may be back in a moment
			wait = min(wait, 5*time.Second)
			b.o.Logger.Debug("following Flux applications", "resource", r.String(), "error", err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// once lists a resource and follows its changes. What was known before is known until the list is complete.
func (b *Book) once(ctx context.Context, r objects.Resource) error {
	listed := map[types.NamespacedName]fact{}
	return b.o.Reader.Follow(ctx, r, func(e objects.Event) error {
		switch e.Change {
		case objects.Restarted:
			clear(listed)
			return nil
		case objects.Complete:
			if listed == nil {
				return errors.New("a list was completed twice")
			}
			b.replace(r, listed)
			listed = nil
			return nil
		}
		name := types.NamespacedName{Namespace: e.Object.GetNamespace(), Name: e.Object.GetName()}
		f := read(e.Object)
		gone := e.Change == objects.Deleted || f == fact{}
		switch {
		case listed == nil:
			b.set(r, name, f, gone)
		case gone:
			delete(listed, name)
		default:
			listed[name] = f
		}
		return nil
	})
}

func (b *Book) replace(r objects.Resource, listed map[types.NamespacedName]fact) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if listed == nil {
		listed = map[types.NamespacedName]fact{}
	}
	b.known[r.Kind] = listed
}

func (b *Book) set(r objects.Resource, name types.NamespacedName, f fact, gone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if gone {
		delete(b.known[r.Kind], name)
	} else {
		b.known[r.Kind][name] = f
	}
}

// read takes what is kept from an object.
func read(o *unstructured.Unstructured) fact {
	var f fact
	switch o.GetKind() {
	case kustomizations.Kind:
		f.Attempted, f.Applied = text(o, "status", "lastAttemptedRevision"), text(o, "status", "lastAppliedRevision")
		// The Git revision that the applied artifact was made from, where that is not itself one.
		if origin := text(o, "status", "lastAppliedOriginRevision"); origin != "" {
			if f.Attempted == f.Applied {
				f.Attempted = origin
			}
			f.Applied = origin
		}
	case helmReleases.Kind:
		f.Attempted = text(o, "status", "lastAttemptedRevision")
		f.Applied = deployed(o)
		if namespace, name, found := strings.Cut(text(o, "status", "helmChart"), "/"); found {
			f.chart = types.NamespacedName{Namespace: namespace, Name: name}
		}
	case helmCharts.Kind:
		if text(o, "spec", "sourceRef", "kind") == "GitRepository" {
			f.Attempted = text(o, "status", "observedSourceArtifactRevision")
		}
	}
	return f
}

// deployed is the version of the chart that a HelmRelease's history has as deployed; the newest comes first.
func deployed(o *unstructured.Unstructured) string {
	history, _, _ := unstructured.NestedFieldNoCopy(o.Object, "status", "history")
	list, _ := history.([]any)
	for _, each := range list {
		snapshot, _ := each.(map[string]any)
		if status, _ := snapshot["status"].(string); status == "deployed" {
			version, _ := snapshot["chartVersion"].(string)
			return bounded(version)
		}
	}
	return ""
}

func text(o *unstructured.Unstructured, path ...string) string {
	value, _, _ := unstructured.NestedFieldNoCopy(o.Object, path...)
	s, _ := value.(string)
	return bounded(s)
}

// bounded copies a text, which else would keep the whole document in memory, and is empty for one that is no revision.
func bounded(s string) string {
	if len(s) > maxRevision {
		return ""
	}
	return strings.Clone(s)
}
