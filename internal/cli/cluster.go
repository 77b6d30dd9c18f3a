package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// clusterFlags say which cluster a command speaks to; they are named as kubectl's own.
type clusterFlags struct {
	kubeconfig, context, namespace string
}

func (c *clusterFlags) section(command *cobra.Command) {
	section(command, "Cluster", func(f *pflag.FlagSet) {
		c.connection(f)
		f.StringVarP(&c.namespace, "namespace", "n", "", "`namespace` of the agent (default: where its ConfigMap is found)")
	})
}

// connection defines the flags that say how the cluster is reached.
func (c *clusterFlags) connection(f *pflag.FlagSet) {
	f.StringVar(&c.kubeconfig, "kubeconfig", "", "kubeconfig `file` (default: $KUBECONFIG, else ~/.kube/config)")
	f.StringVar(&c.context, "context", "", "`name` of the kubeconfig's context (default: the current one)")
}

// config says how the cluster is reached.
func (c *clusterFlags) config(env *Env) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: c.context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	config.UserAgent = "assay/" + env.Version
	config.QPS, config.Burst = 50, 100
	return config, nil
}

func (c *clusterFlags) client(env *Env) (kubernetes.Interface, error) {
	config, err := c.config(env)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return client, nil
}
