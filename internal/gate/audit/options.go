package audit

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"

	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/policy"
)

// Options of an Auditor. Its functions are called from many goroutines.
type Options struct {
	Reader    *objects.Reader
	Discovery discovery.DiscoveryInterface
	// Metadata looks for the controllers that objects say made them.
	Metadata metadata.Interface
	// Client keeps what is open and the passes in ConfigMaps of OwnNamespace.
	Client kubernetes.Interface
	// OwnNamespace is that of the agent, whose objects are not judged.
	OwnNamespace string
	// Owner of those ConfigMaps; may be nil.
	Owner *metav1.OwnerReference
	// Policies are the sources in force and what they compiled to; nil before the first.
	Policies func() (engine.Sources, *engine.Snapshot)
	// Namespace returns a Namespace object, nil when there is none of that name.
	Namespace func(ctx context.Context, name string) (map[string]any, error)
	// ExemptNamespaces are others that are not judged, as at admission; may be nil.
	ExemptNamespaces func() []string
	// Record is given results. When it fails they are found again later.
	Record func(ctx context.Context, results []sink.Result) error
	// Told is told of full passes as they begin and when they have ended, and at first of the last one; it must not wait. May be nil.
	Told func(pass *Pass)
	// Meta is what results say of where they come from: account and cluster.
	AccountID, ClusterID string
	// Revision is the source revision of the Flux object that applies an object; may be nil.
	Revision func(app policy.App) string
	// WriteCompliance asks for results about what complies, too; may be nil.
	WriteCompliance func() bool
	// Interval is the time from the start of a full pass to that of the next one.
	Interval func() time.Duration
	// Requested changes its value when somebody wants a full pass; may be nil.
	Requested func() string
	// Workers is how many objects are judged at once: half of the processors when zero, since admission must not wait.
	Workers int
	Logger  *slog.Logger
}

func (o *Options) setDefaults() {
	if o.Workers <= 0 {
		o.Workers = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.ExemptNamespaces == nil {
		o.ExemptNamespaces = func() []string { return nil }
	}
	if o.Told == nil {
		o.Told = func(*Pass) {}
	}
	if o.WriteCompliance == nil {
		o.WriteCompliance = func() bool { return false }
	}
	if o.Requested == nil {
		o.Requested = func() string { return "" }
	}
	if o.Revision == nil {
		o.Revision = func(policy.App) string { return "" }
	}
}

// The times by which the auditor looks for what nobody tells it of.
const (
	// rediscover: kinds may have come by API services, which no watch tells of.
	rediscover = time.Minute
	// retryForbidden: rights may have been granted.
	retryForbidden = 30 * time.Second
	// retryJudging what could not be judged, at first; a policy may have been suspended for a while. The time doubles until it is
	// maxRetryJudging.
	retryJudging    = time.Minute
	maxRetryJudging = time.Hour
	// relist what cannot be watched.
	relist = 10 * time.Minute
)
