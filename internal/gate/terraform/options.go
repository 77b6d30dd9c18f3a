package terraform

import (
	"context"
	"log/slog"
	"time"

	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/policy"
)

// Options of the handler. Its functions are called from many goroutines.
type Options struct {
	// AccountID and ClusterID are copied into the reply.
	AccountID, ClusterID string
	// Snapshot is what plans are judged by; nil until the first one is compiled. Each request asks once.
	Snapshot func() *engine.Snapshot
	// Namespace returns a Namespace object, nil when there is none of that name. An error means that nobody knows whether
	// there is, and is the answer. When nil, policies see no namespaces.
	Namespace func(ctx context.Context, name string) (map[string]any, error)
	// Brake tells whether the emergency brake is on, and why: everything passes then. When nil, there is none.
	Brake func() (reason string, on bool)
	// Tokens are the bearer tokens that are accepted, asked for with each request so that they can be replaced. With nil
	// and without RequireClientCertificate, whoever reaches the port may ask, as with the Weave Policy Agent. Tokens that
	// returns none accepts nobody: a file that has gone must not open the gate.
	Tokens func() [][]byte
	// RequireClientCertificate accepts those whose client certificate the TLS layer has verified. Where there are Tokens
	// too, either will do: the Tofu controller can send a certificate and no token, most pipelines the reverse.
	RequireClientCertificate bool
	// MaxBodySize of a request in bytes; DefaultMaxBodySize when not positive.
	MaxBodySize int64
	// Timeout of a request, from its header to the answer; DefaultTimeout when not positive.
	Timeout time.Duration
	// MaxConcurrent is how many requests are read and judged at once, others wait; DefaultMaxConcurrent when not positive.
	// A plan takes several times the memory of its JSON.
	MaxConcurrent int
	// Record is told of each request that was let in, once. It must not block. May be nil.
	Record func(ctx context.Context, d Decision)
	// Logger hears of failures; never of what is in a plan. May be nil.
	Logger *slog.Logger
}

// The defaults of Options.
const (
	DefaultMaxBodySize   = 16 << 20
	DefaultTimeout       = 30 * time.Second
	DefaultMaxConcurrent = 4
)

// Decision is what was answered to one request, and why.
type Decision struct {
	// Namespace and Name of the Terraform object; empty when only a plan was sent.
	Namespace, Name string
	// Passed is what the reply says. It is false when Err is set.
	Passed bool
	// Braked says that it passed only because the emergency brake is on.
	Braked bool
	// Results are those of the verdict that are not compliance.
	Results []policy.Result
	// Object that was judged, with the plan in it, which may hold secrets; nil when it could not be read.
	Object *policy.Object
	// Evaluated is how many policies apply to the object.
	Evaluated int
	// Took is the time until the answer was known.
	Took time.Duration
	// Err is why the request was not, or not completely, judged.
	Err error
}

func (o *Options) setDefaults() {
	if o.Brake == nil {
		o.Brake = func() (string, bool) { return "", false }
	}
	if o.MaxBodySize <= 0 {
		o.MaxBodySize = DefaultMaxBodySize
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxConcurrent <= 0 {
		o.MaxConcurrent = DefaultMaxConcurrent
	}
	if o.Record == nil {
		o.Record = func(context.Context, Decision) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}
