package agent

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/agentconfig"
)

// What the agent may ask of the API server; client-go's own bounds would make it wait for seconds when policies change.
const (
	clientQPS   = 100
	clientBurst = 200
)

// The kinds that the agent knows by their metadata only.
var (
	configMapKind  = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	crdKind        = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}
	validatingKind = schema.GroupVersionKind{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"}
	mutatingKind   = schema.GroupVersionKind{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingWebhookConfiguration"}
)

// restConfig says how the API server is reached: by the file that the configuration names, from within a pod, or by
// $KUBECONFIG and what kubectl uses.
func restConfig(c *agentconfig.Config, version string) (*rest.Config, error) {
	var config *rest.Config
	var err error
	if c.KubeConfigFile == "" {
		config, err = rest.InClusterConfig()
	}
	if config == nil {
		rules := clientcmd.NewDefaultClientConfigLoadingRules()
		if c.KubeConfigFile != "" {
			rules.ExplicitPath = c.KubeConfigFile
		}
		config, err = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
	}
	if err != nil {
		return nil, fmt.Errorf("finding the API server: %w", err)
	}
	config.QPS, config.Burst = clientQPS, clientBurst
	config.UserAgent = "assay-agent/" + version
	return config, nil
}

func scheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v2.AddToScheme} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("setting up the API types: %w", err)
		}
	}
	return s, nil
}

// newCluster makes the clients and the cache. The cache holds no more than the agent needs: its own kinds, namespaces, one
// ConfigMap, one Secret, and the names of CRDs.
func newCluster(c *agentconfig.Config, version string) (cluster.Cluster, error) {
	config, err := restConfig(c, version)
	if err != nil {
		return nil, err
	}
	types, err := scheme()
	if err != nil {
		return nil, err
	}
	named := func(name string) cache.ByObject {
		return cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", name)}
	}
	own := func(name string) cache.ByObject {
		return cache.ByObject{Namespaces: map[string]cache.Config{c.Namespace: {FieldSelector: fields.OneTermEqualSelector("metadata.name", name)}}}
	}
	made, err := cluster.New(config, func(o *cluster.Options) {
		o.Scheme = types
		o.Client = client.Options{Cache: &client.CacheOptions{Unstructured: true}}
		o.Cache = cache.Options{
			DefaultTransform:             cache.TransformStripManagedFields(),
			DefaultUnsafeDisableDeepCopy: ptr.To(true),
			ByObject: map[client.Object]cache.ByObject{
				metadataOf(configMapKind):  own(ConfigMapName),
				&corev1.Secret{}:           own(c.Admission.Webhook.CertificateSecret),
				metadataOf(validatingKind): named(registrationName),
				metadataOf(mutatingKind):   named(registrationName),
			},
		}
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the clients: %w", err)
	}
	return made, nil
}

func metadataOf(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(kind)
	return m
}
