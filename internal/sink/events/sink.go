package events

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/lru"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/policy"
)

// Options of the sink. Config is required; zero means the default elsewhere.
type Options struct {
	// Config reaches the API server, with the rights to create and patch events in all namespaces. Its limits are not used.
	Config *rest.Config
	// QPS and Burst bound the requests, per second and at once: 50 and 100. They are the sink's own, so that results take
	// nothing from what else the agent asks for.
	QPS   float32
	Burst int
	// WithoutManifests leaves nothing of the manifests in events but what identifies the object. What is likely to be secret is never in
	// them: see hideSensitive.
	WithoutManifests bool
	// Instance is what reports, such as the name of the pod; the host's name.
	Instance string
	// Remembered is how many events are known for counting repeats in them: 4096.
	Remembered int
}

const (
	// missingAttempts is how often a namespace that does not exist is tried before the event goes to default.
	missingAttempts = 3
	// maxOutages is how many requests in a row may meet an outage before the rest is left for later.
	maxOutages = 3
	// busy is how long the API server is left alone when it is busy and does not say for how long.
	busy = time.Second
)

// Sink writes events. One goroutine may use it at a time.
type Sink struct {
	client    rest.Interface
	limit     flowcontrol.RateLimiter
	instance  string
	manifests bool
	// known are the events that repeats are counted in, by what they repeat.
	known *lru.Cache
	// missing counts attempts by the ID of results whose namespace does not exist.
	missing *lru.Cache
}

// written is an event that the API server has.
type written struct {
	namespace, name string
	count           int32
	last            metav1.Time
}

// New checks the options. It does not speak to the API server.
func New(o Options) (*Sink, error) {
	if o.Config == nil {
		return nil, errors.New("the sink for Kubernetes events needs to know the API server")
	}
	if o.QPS < 0 || o.Burst < 0 || o.Remembered < 0 {
		return nil, fmt.Errorf("the sink for Kubernetes events can have no negative limits: %v requests a second, %d at once, %d events remembered", o.QPS, o.Burst, o.Remembered)
	}
	if o.QPS == 0 {
		o.QPS = 50
	}
	if o.Burst == 0 {
		o.Burst = max(int(2*o.QPS), 1)
	}
	if o.Remembered == 0 {
		o.Remembered = 4096
	}
	if o.Instance == "" {
		var err error
		if o.Instance, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("finding the host's name for Kubernetes events: %w", err)
		}
	}
	config := rest.CopyConfig(o.Config)
	config.QPS, config.RateLimiter = -1, nil
	client, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the client for Kubernetes events: %w", err)
	}
	return &Sink{
		client: client.RESTClient(), limit: flowcontrol.NewTokenBucketRateLimiter(o.QPS, o.Burst),
		instance: o.Instance, manifests: !o.WithoutManifests,
		known: lru.New(o.Remembered), missing: lru.New(o.Remembered),
	}, nil
}

// Send writes an event for each item, or counts it in one that says the same already. When the API server wants to be left
// alone or cannot be reached, the rest of the items is not tried.
func (s *Sink) Send(ctx context.Context, items []sink.Item) []sink.Outcome {
	outcomes := make([]sink.Outcome, 0, len(items))
	outages := 0
	for i, item := range items {
		event, err := s.send(ctx, item)
		o := outcome(event, err)
		outcomes = append(outcomes, o)
		if isOutage(err) {
			outages++
		} else {
			outages = 0
		}
		if o.State == sink.Untried || outages >= maxOutages || err != nil && ctx.Err() != nil {
			o.State = sink.Untried
			return append(outcomes, sink.Same(items[i+1:], o)...)
		}
	}
	return outcomes
}

// send returns the event that it tried to write, nil when there is none.
func (s *Sink) send(ctx context.Context, item sink.Item) (*corev1.Event, error) {
	event, err := encode(item.Result, s.instance, s.manifests)
	if err != nil {
		return nil, err
	}
	key := keyOf(item.Result, event)
	if known, found := s.known.Get(key); found {
		err := s.repeat(ctx, key, known.(written), event.LastTimestamp)
		if !apierrors.IsNotFound(err) {
			return event, err
		}
		s.known.Remove(key) // events do not live long
	}
	err = s.create(ctx, event)
	if s.isMissing(err, item.ID) {
		moveToDefault(event)
		err = s.create(ctx, event)
	}
	switch {
	case err == nil:
		s.known.Add(key, written{event.Namespace, event.Name, event.Count, event.LastTimestamp})
	case apierrors.IsAlreadyExists(err):
		err = nil // by an attempt whose answer was lost; what has been counted in it since is not known
	}
	if err == nil {
		s.missing.Remove(item.ID)
	}
	return event, err
}

// isMissing tells whether the namespace of an event cannot have it, now and, as far as can be told, later.
func (s *Sink) isMissing(err error, id string) bool {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return true
	}
	if !isNamespaceMissing(err) {
		return false
	}
	attempts := 1
	if before, found := s.missing.Get(id); found {
		attempts += before.(int)
	}
	s.missing.Add(id, attempts)
	return attempts >= missingAttempts
}

func isNamespaceMissing(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Kind == "namespaces"
}

// errLimit wraps why the sink's own limit was not waited for.
var errLimit = errors.New("waiting for the limit of requests a second")

func (s *Sink) create(ctx context.Context, event *corev1.Event) error {
	if err := s.limit.Wait(ctx); err != nil {
		return fmt.Errorf("%w: %w", errLimit, err)
	}
	// The runner tries again, not the client.
	return s.client.Post().Namespace(event.Namespace).Resource("events").Body(event).MaxRetries(0).Do(ctx).Error()
}

// repeat counts another result in an event. The count is set rather than increased, so that it is right when the answer
// to an attempt was lost.
func (s *Sink) repeat(ctx context.Context, key string, w written, at metav1.Time) error {
	if at.Before(&w.last) {
		at = w.last
	}
	w.count, w.last = w.count+1, at
	patch, err := json.Marshal(map[string]any{"count": w.count, "lastTimestamp": w.last})
	if err != nil {
		return fmt.Errorf("counting a repeated event: %w", err)
	}
	if err := s.limit.Wait(ctx); err != nil {
		return fmt.Errorf("%w: %w", errLimit, err)
	}
	if err := s.client.Patch(types.MergePatchType).Namespace(w.namespace).Resource("events").Name(w.name).Body(patch).MaxRetries(0).Do(ctx).Error(); err != nil {
		return err
	}
	s.known.Add(key, w)
	return nil
}

// keyOf is the same for events that say the same of the same object.
func keyOf(r *sink.Result, event *corev1.Event) string {
	e := &r.Validation.Entity
	uid := e.ID
	if r.Operation == policy.Create {
		uid = "" // another one for each attempt to create the object, and those are what is repeated most
	}
	hash := sha256.New()
	write := func(parts ...string) {
		for _, part := range parts {
			fmt.Fprintf(hash, "%d %s", len(part), part)
		}
	}
	write(e.APIVersion, e.Kind, e.Namespace, e.Name, uid)
	write(event.InvolvedObject.Kind, event.InvolvedObject.Namespace, event.InvolvedObject.Name)
	write(event.Reason, event.Message, event.Labels[LabelType], event.Labels[LabelTrigger])
	for _, key := range []string{
		keyPolicyID, keyOccurrences, keyParameters, keyEnforce, AnnotationEnforced, AnnotationRevision, AnnotationException, AnnotationResolution,
	} {
		write(event.Annotations[key])
	}
	return string(hash.Sum(nil))
}

// isOutage tells whether the API server is the reason, and would be with any other event.
func isOutage(err error) bool {
	if err == nil {
		return false
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true // no answer
	}
	switch status.Status().Code {
	case http.StatusUnauthorized, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// outcome says what an answer means for an item.
func outcome(event *corev1.Event, err error) sink.Outcome {
	if err == nil {
		return sink.Outcome{State: sink.Delivered}
	}
	if event == nil {
		return sink.Outcome{State: sink.Refused, Err: err}
	}
	o := sink.Outcome{State: sink.Retry, Err: fmt.Errorf("writing the event %s/%s: %w", event.Namespace, event.Name, err)}
	if errors.Is(err, errLimit) {
		o.State = sink.Untried
		return o
	}
	if seconds, wanted := apierrors.SuggestsClientDelay(err); wanted {
		o.After = time.Duration(max(seconds, 0)) * time.Second
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return o
	}
	switch status.Status().Code {
	case http.StatusTooManyRequests:
		o.State, o.After = sink.Untried, max(o.After, busy)
	case http.StatusForbidden:
		o.Err = fmt.Errorf("%w; the agent needs the rights to create and patch events, which its chart grants when the sink is enabled", o.Err)
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		o.State = sink.Refused
	}
	return o
}
