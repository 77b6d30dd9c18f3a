package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// serviceRange are the addresses of Services.
const serviceRange = "10.0.0.0/24"

// writeServerConfiguration writes the files by which the API server sends what is for Services to the network, and keeps
// record of who asked for what.
func (c *Cluster) writeServerConfiguration() (egress, audit string, err error) {
	egress, audit = filepath.Join(c.dir, "egress.yaml"), filepath.Join(c.dir, "audit-policy.yaml")
	if err := os.WriteFile(egress, fmt.Appendf(nil, `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
  - name: cluster
    connection: {proxyProtocol: HTTPConnect, transport: {uds: {udsName: %q}}}
`, c.network.socket), 0o600); err != nil {
		return "", "", err
	}
	// Metadata only: what was sent may be secret.
	return egress, audit, os.WriteFile(audit, []byte(`apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
`), 0o600)
}

// waitForServer waits until the API server is ready.
func (c *Cluster) waitForServer(ctx context.Context) error {
	return c.waitFor(ctx, "the API server to be ready", func(ctx context.Context) error {
		return c.Client.CoreV1().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

// waitForAccounts waits until the controllers work: pods of namespace default can be made.
func (c *Cluster) waitForAccounts(ctx context.Context) error {
	return c.waitFor(ctx, "ServiceAccount default", func(ctx context.Context) error {
		_, err := c.Client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// waitFor asks until there is no error, and ends early when a part of the control plane ended.
func (c *Cluster) waitFor(ctx context.Context, what string, ask func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		for _, p := range []*process{c.etcd, c.apiserver, c.controllers} {
			if p != nil && p.ended() {
				return fmt.Errorf("waiting for %s: %s ended:\n%s", what, p.name, p.tail())
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s took longer than %s: %w\n%s", what, startTimeout, err, c.apiserver.tail())
		case <-tick.C:
		}
	}
}

// RestartAPIServer ends the API server and starts it again, on the same port with the same data.
func (c *Cluster) RestartAPIServer(ctx context.Context) error {
	if err := c.StopAPIServer(); err != nil {
		return err
	}
	return c.StartAPIServer(ctx)
}

// StopAPIServer ends the API server; the rest of the cluster stays.
func (c *Cluster) StopAPIServer() error { return c.apiserver.stop(stopTimeout) }

// StartAPIServer starts the API server again and waits until it is ready.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	started, err := c.run("kube-apiserver", c.apiserverArgs...)
	if err != nil {
		return err
	}
	c.apiserver = started
	return c.waitForServer(ctx)
}

// PauseAPIServer stops the process in its tracks.
func (c *Cluster) PauseAPIServer() error { return c.apiserver.pause() }

// ResumeAPIServer lets a paused API server go on.
func (c *Cluster) ResumeAPIServer() error { return c.apiserver.resume() }
