package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/ptr"
)

// Change is what happened to an object.
type Change int

// The changes. A list is some Listed (Deleted if they go meanwhile), then one Complete; then come Changed and Deleted.
const (
	// Listed: the object is there.
	Listed Change = iota
	// Restarted: the list begins anew; what was Listed before does not count. It has no object.
	Restarted
	// Complete: all there is was Listed. It has no object.
	Complete
	// Changed: the object is new or different.
	Changed
	// Deleted: the object is gone; what is told is how it last was.
	Deleted
)

// Event is a change of an object. The object is the receiver's to keep.
type Event struct {
	Change Change
	Object *unstructured.Unstructured
}

// Reader reads objects. It is safe for concurrent use.
type Reader struct {
	// Client should speak JSON, whose numbers are exact.
	Client dynamic.Interface
	// Silence is how long a list that is streamed may say nothing before it is paged instead; a minute when zero.
	Silence time.Duration

	mu sync.Mutex
	// paged are the resources whose lists the server does not stream.
	paged map[schema.GroupResource]bool
}

const (
	// pageSize bounds what is in memory at once of a list that is paged.
	pageSize = 250
	// maxRestarts of a list whose continuation expired, before somebody has to know of it.
	maxRestarts = 5
	// maxThrottled is how often in a row a request is made again that the server throttled, after what client-go has done.
	maxThrottled   = 10
	defaultSilence = time.Minute
)

// List calls visit for each object of a resource, in one namespace or, when that is empty, in all. When a list has to begin
// anew, what was visited already is not visited again. Errors of visit end it.
func (r *Reader) List(ctx context.Context, resource Resource, namespace string, visit func(*unstructured.Unstructured) error) error {
	seen := map[string]bool{}
	handle := func(e Event) error {
		if e.Change != Listed {
			return nil
		}
		if id := string(e.Object.GetUID()); id != "" {
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		return visit(e.Object)
	}
	if namespace == "" && r.streams(resource) {
		err := r.stream(ctx, resource, func(e Event) error {
			if err := handle(e); err != nil || e.Change != Complete {
				return err
			}
			return io.EOF
		})
		if !errors.Is(err, errUnstreamed) {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return err
		}
	}
	_, err := r.pages(ctx, resource, namespace, handle)
	return err
}

// Follow lists the objects of a resource in all namespaces and then tells of changes, until the context ends, handle fails, or
// the server does not know the changes any more (apierrors.IsResourceExpired and IsGone tell that): then somebody has to list
// again. A resource that is not Watchable is only listed.
func (r *Reader) Follow(ctx context.Context, resource Resource, handle func(Event) error) error {
	if r.streams(resource) {
		err := r.stream(ctx, resource, handle)
		if !errors.Is(err, errUnstreamed) {
			return err
		}
		if err := handle(Event{Change: Restarted}); err != nil {
			return err
		}
	}
	version, err := r.pages(ctx, resource, "", handle)
	if err != nil {
		return err
	}
	if err := handle(Event{Change: Complete}); err != nil || !resource.Watchable {
		return err
	}
	return r.watch(ctx, resource, version, handle)
}

// streams tells whether it is worth trying to have the list streamed.
func (r *Reader) streams(resource Resource) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return resource.Watchable && !r.paged[resource.GroupResource()]
}

// errUnstreamed says that the server did not stream the list, which has to be paged.
var errUnstreamed = errors.New("the server does not stream this list")

// stream has the list streamed, which costs the server the least, and goes on with the changes.
func (r *Reader) stream(ctx context.Context, resource Resource, handle func(Event) error) error {
	var opened watch.Interface
	err := throttled(ctx, func() (err error) {
		opened, err = r.Client.Resource(resource.GroupVersionResource).Watch(ctx, metav1.ListOptions{
			SendInitialEvents: ptr.To(true), ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, AllowWatchBookmarks: true,
		})
		return err
	})
	switch {
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsMethodNotSupported(err):
		r.page(resource)
		return errUnstreamed
	case apierrors.IsForbidden(err):
		return errUnstreamed // who may not watch may still list
	case err != nil:
		return fmt.Errorf("listing %s: %w", resource, err)
	}
	defer opened.Stop()
	silence := r.Silence
	if silence == 0 {
		silence = defaultSilence
	}
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-quiet.C:
			r.page(resource) // a server that ignores what it does not know waits for changes
			return errUnstreamed
		case e, more := <-opened.ResultChan():
			if !more {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return errUnstreamed // the server gave up on a slow reader, which a page does not mind
			}
			version, done, err := initial(e, resource, handle)
			if err != nil {
				return err
			}
			if done {
				return r.continued(ctx, resource, version, opened, handle)
			}
			quiet.Reset(silence)
		}
	}
}

// page makes lists of a resource be paged from now on.
func (r *Reader) page(resource Resource) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.paged == nil {
		r.paged = map[schema.GroupResource]bool{}
	}
	r.paged[resource.GroupResource()] = true
}

// initial handles an event of a list that is streamed; done is true for the last one.
func initial(e watch.Event, resource Resource, handle func(Event) error) (version string, done bool, err error) {
	object, ok := e.Object.(*unstructured.Unstructured)
	if !ok || e.Type == watch.Error {
		return "", false, fmt.Errorf("listing %s: %w", resource, apierrors.FromObject(e.Object))
	}
	switch e.Type {
	case watch.Added, watch.Modified:
		return "", false, handle(Event{Listed, object})
	case watch.Deleted: // while the list was on its way
		return "", false, handle(Event{Deleted, object})
	case watch.Bookmark:
		if object.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
			return object.GetResourceVersion(), true, handle(Event{Change: Complete})
		}
	}
	return "", false, nil
}

// watch tells of the changes since a version.
func (r *Reader) watch(ctx context.Context, resource Resource, version string, handle func(Event) error) error {
	return r.continued(ctx, resource, version, nil, handle)
}

// continued goes on with a watch that is open, and opens the next one when the server ends it, as it does now and then.
func (r *Reader) continued(ctx context.Context, resource Resource, version string, opened watch.Interface, handle func(Event) error) error {
	for {
		if opened == nil {
			err := throttled(ctx, func() (err error) {
				opened, err = r.Client.Resource(resource.GroupVersionResource).Watch(ctx, metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true})
				return err
			})
			if err != nil {
				return fmt.Errorf("watching %s: %w", resource, err)
			}
		}
		before := version
		err := changes(ctx, resource, &version, opened, handle)
		opened.Stop()
		opened = nil
		if err != nil {
			return err
		}
		// A server that ends watches at once must not be asked as fast as it answers.
		if version == before && !sleep(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

// changes hands on what a watch tells until it ends, and keeps the version.
func changes(ctx context.Context, resource Resource, version *string, opened watch.Interface, handle func(Event) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, more := <-opened.ResultChan():
			if !more {
				return nil
			}
			object, ok := e.Object.(*unstructured.Unstructured)
			if !ok || e.Type == watch.Error {
				return fmt.Errorf("watching %s: %w", resource, apierrors.FromObject(e.Object))
			}
			var err error
			switch e.Type {
			case watch.Added, watch.Modified:
				err = handle(Event{Changed, object})
			case watch.Deleted:
				err = handle(Event{Deleted, object})
			}
			if err != nil {
				return err
			}
			*version = object.GetResourceVersion()
		}
	}
}

// pages lists by pages and returns the version that the list is of.
func (r *Reader) pages(ctx context.Context, resource Resource, namespace string, handle func(Event) error) (version string, err error) {
	var client dynamic.ResourceInterface = r.Client.Resource(resource.GroupVersionResource)
	if namespace != "" {
		client = r.Client.Resource(resource.GroupVersionResource).Namespace(namespace)
	}
	next, restarts := "", 0
	for {
		var page *unstructured.UnstructuredList
		err := throttled(ctx, func() (err error) {
			page, err = client.List(ctx, metav1.ListOptions{Limit: pageSize, Continue: next})
			return err
		})
		switch {
		// The server offers to go on from where we were, at a later moment. What changed in between in what was read before
		// would be missed, so we begin anew.
		case err != nil && next != "" && (apierrors.IsResourceExpired(err) || apierrors.IsGone(err)) && restarts < maxRestarts:
			next = ""
			restarts++
			if err := handle(Event{Change: Restarted}); err != nil {
				return "", err
			}
			continue
		case err != nil:
			return "", fmt.Errorf("listing %s: %w", resource, err)
		}
		next = page.GetContinue()
		for i := range page.Items {
			object := page.Items[i]
			page.Items[i] = unstructured.Unstructured{} // what was handed on is not kept
			if err := handle(Event{Listed, &object}); err != nil {
				return "", err
			}
		}
		if next == "" {
			return page.GetResourceVersion(), nil
		}
	}
}

// throttled makes a request again that the server throttled, after the time that it asks for. client-go has waited some times
// by then, but only where the server said for how long.
func throttled(ctx context.Context, request func() error) error {
	for try := 1; ; try++ {
		err := request()
		if err == nil || try > maxThrottled || !apierrors.IsTooManyRequests(err) && !isUnavailable(err) {
			return err
		}
		wait := time.Second
		if seconds, ok := apierrors.SuggestsClientDelay(err); ok && seconds > 0 {
			wait = time.Duration(seconds) * time.Second
		}
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
	}
}

func isUnavailable(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Code == http.StatusServiceUnavailable
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
