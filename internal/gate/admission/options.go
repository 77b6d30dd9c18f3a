package admission

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/fix"
	"github.com/assay-gitops/assay/internal/kube"
	"github.com/assay-gitops/assay/policy"
)

// Options of the handlers. Its functions are called from many goroutines.
type Options struct {
	// Snapshot is what requests are judged by; nil until the first one is compiled. Each request asks once.
	Snapshot func() *engine.Snapshot
	// Namespace returns a Namespace object, nil when there is none of that name. An error means that nobody knows whether
	// there is. When nil, policies see no namespaces.
	Namespace func(ctx context.Context, name string) (map[string]any, error)
	// Brake tells whether the emergency brake is on, and why: nothing is refused then. When nil, there is none.
	Brake func() (reason string, on bool)
	// OwnNamespace is that of the agent, where nothing is refused.
	OwnNamespace string
	// ExemptNamespaces are others where nothing is refused; kube.ExemptNamespaces names those that always are. May be nil.
	ExemptNamespaces func() []string
	// Timeout is how long the API server waits for an answer; DefaultTimeout when nil or not positive. What it says in the
	// request wins when that is shorter.
	Timeout func() time.Duration
	// FailOpen says that a request passes, with a warning, that could not be judged by all policies in time, whatever they say:
	// the registration was told to ignore failures. May be nil.
	FailOpen func() bool
	// Record is told of each request that could be read, once. It must not block, and leaves no trace of decisions with
	// DryRun. May be nil.
	Record func(ctx context.Context, d Decision)
	// Logger hears of failures of the gate itself; may be nil.
	Logger *slog.Logger
	// MaxConcurrent is how many requests a handler judges at once, others wait; four for each processor when zero.
	MaxConcurrent int
}

// DefaultTimeout is that of a webhook whose registration names none.
const DefaultTimeout = 10 * time.Second

// The names of the webhooks in decisions.
const (
	ValidatingWebhook = "validating"
	MutatingWebhook   = "mutating"
)

// Decision is what was answered to one request, and why.
type Decision struct {
	// Webhook is validating or mutating.
	Webhook   string
	Operation policy.Operation
	// Resource is group/version/resource, such as apps/v1/deployments, and v1/pods in the core group.
	Resource    string
	Subresource string
	// Namespace and Name of the object. While its name is to be generated, Name is the prefix and an asterisk.
	Namespace, Name string
	// UID of the review.
	UID string
	// User who asked.
	User string
	// DryRun says that nothing will be stored.
	DryRun bool
	// Allowed says that the request was not refused. When Err is set and the answer was an HTTP error, it is false, though
	// the API server may have been told to ignore that.
	Allowed bool
	// Braked says that the request would have been refused but for the emergency brake.
	Braked bool
	// Exempt requests are allowed without being judged; Results is empty then.
	Exempt bool
	// Results are those of the verdict that are not compliance; at the mutating webhook, those of the first verdict on the
	// object that are of policies which mutate.
	Results []policy.Result
	// Applied is what the mutating webhook changed. The values in it may be secrets.
	Applied []fix.Applied
	// Object that was judged; nil when it could not be, or was not to be, read.
	Object *policy.Object
	// Evaluated is how many policies apply to the object.
	Evaluated int
	// Took is the time from the first byte of the request until the answer was known.
	Took time.Duration
	// Err is why the request was not, or not completely, judged.
	Err error
}

func (o *Options) snapshot() *engine.Snapshot {
	if o.Snapshot == nil {
		return nil
	}
	return o.Snapshot()
}

// exempt are the namespaces where nothing is refused.
func (o *Options) exempt() []string {
	if o.ExemptNamespaces == nil {
		return kube.ExemptNamespaces(o.OwnNamespace)
	}
	return kube.ExemptNamespaces(o.OwnNamespace, o.ExemptNamespaces()...)
}

func (o *Options) brake() (reason string, on bool) {
	if o.Brake == nil {
		return "", false
	}
	return o.Brake()
}

func (o *Options) timeout() time.Duration {
	if o.Timeout != nil {
		if timeout := o.Timeout(); timeout > 0 {
			return timeout
		}
	}
	return DefaultTimeout
}

func (o *Options) setDefaults() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxConcurrent <= 0 {
		o.MaxConcurrent = 4 * runtime.GOMAXPROCS(0)
	}
}
