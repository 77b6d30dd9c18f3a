package registration

import (
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// DefaultTimeout of a call.
const DefaultTimeout = 5 * time.Second

// Options of the registration.
type Options struct {
	// Client reads and writes the configurations. It must read from the API server, not from a cache.
	Client client.Client
	// Discovery tells which resources there are. It must not be cached.
	Discovery discovery.ServerResourcesInterface
	// Name of the ValidatingWebhookConfiguration and the MutatingWebhookConfiguration. The agent's ClusterRoles and
	// ClusterRoleBindings are called so too, one of each with -registration after it.
	Name string
	// Service is what the API server calls, unless URL is given: https, without a path.
	Service *ServiceRef
	URL     string
	// CABundle is what the API server must trust, in PEM. When it is nil or gives nothing, the caBundle is left to whoever
	// injects it.
	CABundle func() []byte
	// InjectFrom is the namespace/name of cert-manager's Certificate whose CA is to be injected; may be empty.
	InjectFrom string
	// FailurePolicy Ignore makes every webhook Ignore, whatever its policies say.
	FailurePolicy v2.FailurePolicy
	// Timeout of a call, in whole seconds, 1 to 30; DefaultTimeout when zero.
	Timeout time.Duration
	// OwnNamespace is that of the agent; it and ExcludeNamespaces are not judged, nor are the system's.
	OwnNamespace      string
	ExcludeNamespaces []string
	// Admission and Mutate say which webhooks are wanted. The one that judges policies themselves always is.
	Admission, Mutate bool
	// Workloads are kinds that policies judge which target the kinds that they are like.
	Workloads policy.Workloads
	// PolicyWebhookFailurePolicy is that of the webhook that judges policies themselves; Ignore when empty.
	PolicyWebhookFailurePolicy v2.FailurePolicy
	// OwnerRef is a cluster-scoped object with which the configurations go; may be nil.
	OwnerRef *metav1.OwnerReference
	// Labels of the configurations.
	Labels map[string]string
	// Logger hears of groups that cannot be discovered; nothing is logged when it is nil.
	Logger *slog.Logger
}

// ServiceRef names a Service and its port, 443 when zero.
type ServiceRef struct {
	Namespace, Name string
	Port            int32
}

// The paths of the webhook server.
const (
	pathFail     = "/admission/fail"
	pathIgnore   = "/admission/ignore"
	pathMutation = "/mutation"
	pathPolicies = "/validate-policies"
)

// The names of the webhooks; the first and the third are the old agent's.
const (
	webhookFail     = "admission.agent.weaveworks"
	webhookIgnore   = "ignore.admission.agent.weaveworks"
	webhookMutation = "mutation.agent.weaveworks"
	webhookPolicies = "policies.pac.weave.works"
)
