package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Cluster is a running control plane with a node and a network.
type Cluster struct {
	// Kubeconfig is the path of a configuration with the rights of an administrator.
	Kubeconfig string
	// Client has the same rights.
	Client kubernetes.Interface

	config    *rest.Config
	binary    string
	dir       string
	server    string
	keys      *keys
	etcd      *process
	etcdURL   string
	apiserver *process
	// apiserverArgs are those that it is started with again.
	apiserverArgs []string
	controllers   *process
	network       *network
	node          *node
	// end stops what runs in this process.
	end context.CancelFunc
}

// startTimeout bounds how long the control plane may take to be ready on a busy machine.
const startTimeout = 3 * time.Minute

// Start starts a cluster that keeps what it has in the folder, whose path must be short: it holds Unix sockets. Stop ends it;
// so does the end of the process that started it.
func Start(ctx context.Context, dir string) (*Cluster, error) {
	binary, err := build(ctx)
	if err != nil {
		return nil, err
	}
	c := &Cluster{binary: binary, dir: dir, Kubeconfig: filepath.Join(dir, "kubeconfig")}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	c.server = "https://" + ports[2]
	if c.keys, err = newKeys(c.dir); err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	if err := c.keys.writeKubeconfig(c.Kubeconfig, c.server, "admin", "system:masters"); err != nil {
		return err
	}
	if c.config, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig); err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	c.config.QPS, c.config.UserAgent = -1, "assay-e2e"
	if c.Client, err = kubernetes.NewForConfig(c.config); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	// What runs in this process lives until Stop, not until the caller's context ends.
	inner, end := context.WithCancel(context.WithoutCancel(ctx))
	c.end = end
	if c.network, err = newNetwork(inner, c.Client, filepath.Join(c.dir, "network.sock")); err != nil {
		return err
	}
	if err := c.startControlPlane(ctx, ports); err != nil {
		return err
	}
	c.network.watch()
	if c.node, err = newNode(inner, c); err != nil {
		return err
	}
	return nil
}

func (c *Cluster) startControlPlane(ctx context.Context, ports []string) error {
	etcd, peer := "http://"+ports[0], "http://"+ports[1]
	c.etcdURL = etcd
	var err error
	if c.etcd, err = c.run("etcd",
		"--data-dir", filepath.Join(c.dir, "etcd"), "--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer,
		// What a test writes need not survive the machine.
		"--unsafe-no-fsync", "--log-level", "warn",
	); err != nil {
		return err
	}
	egress, audit, err := c.writeServerConfiguration()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(ports[2])
	if err != nil {
		return err
	}
	c.apiserverArgs = []string{
		"--etcd-servers", etcd, "--bind-address", "127.0.0.1", "--secure-port", port, "--advertise-address", "127.0.0.1",
		"--endpoint-reconciler-type", "none", "--service-cluster-ip-range", serviceRange, "--authorization-mode", "RBAC", "--allow-privileged=true",
		"--tls-cert-file", c.keys.serverCert, "--tls-private-key-file", c.keys.serverKey, "--client-ca-file", c.keys.caCert,
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", c.keys.serviceAccountKey,
		"--service-account-signing-key-file", c.keys.serviceAccountKey,
		"--egress-selector-config-file", egress,
		"--audit-policy-file", audit, "--audit-log-path", c.auditLog(), "--audit-log-maxsize", "1000",
	}
	if c.apiserver, err = c.run("kube-apiserver", c.apiserverArgs...); err != nil {
		return err
	}
	if err := c.waitForServer(ctx); err != nil {
		return err
	}
	controllers := filepath.Join(c.dir, "controller-manager.kubeconfig")
	if err := c.keys.writeKubeconfig(controllers, c.server, "system:kube-controller-manager"); err != nil {
		return err
	}
	if c.controllers, err = c.run("kube-controller-manager",
		"--kubeconfig", controllers, "--secure-port", "0", "--leader-elect=false", "--use-service-account-credentials",
		"--service-account-private-key-file", c.keys.serviceAccountKey, "--root-ca-file", c.keys.caCert,
		"--cluster-signing-cert-file", c.keys.caCert, "--cluster-signing-key-file", c.keys.caKey,
		// Tests make many objects at once.
		"--kube-api-qps", "500", "--kube-api-burst", "1000",
		// The node is always well, and gives its pods their addresses.
		"--controllers", "*,-node-lifecycle-controller,-taint-eviction-controller,-node-ipam-controller",
	); err != nil {
		return err
	}
	return c.waitForAccounts(ctx)
}

// Config is a client's configuration with the rights of an administrator and without a bound on requests.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.config) }

// build builds the program that holds the control plane and kubectl; the go command does nothing when it is up to date.
func build(ctx context.Context) (string, error) {
	module, err := ModuleFolder(ctx)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(module, "bin", "kube")
	return binary, GoBuild(ctx, module, "-ldflags", versionFlags, "-o", binary, "./cmd/kube")
}

// BuildAssay builds assay from this checkout and returns its path.
func BuildAssay(ctx context.Context) (string, error) {
	module, err := ModuleFolder(ctx)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(module, "bin", "assay")
	return binary, GoBuild(ctx, filepath.Dir(module), "-ldflags", "-X main.version=e2e", "-o", binary, "./cmd/assay")
}

// ModuleFolder is the folder of this module.
func ModuleFolder(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("finding the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// GoBuild runs go build in a folder, without cgo; the last argument is what it builds.
func GoBuild(ctx context.Context, dir string, args ...string) error {
	command := exec.CommandContext(ctx, "go", append([]string{"build"}, args...)...)
	command.Dir = dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", args[len(args)-1], err, out)
	}
	return nil
}

// Version of Kubernetes that is built: that of k8s.io/kubernetes in go.mod.
const Version = "v1.37.2"

const versionFlags = "-s -w -X k8s.io/component-base/version.gitVersion=" + Version +
	" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37 -X k8s.io/component-base/version.gitTreeState=clean"

// Kubectl runs kubectl with the rights of an administrator and returns what it prints; an error has what it complains about.
func (c *Cluster) Kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	return c.KubectlAs(ctx, c.Kubeconfig, stdin, args...)
}

// KubectlAs runs kubectl with a kubeconfig.
func (c *Cluster) KubectlAs(ctx context.Context, kubeconfig, stdin string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, c.binary, append([]string{"kubectl", "--kubeconfig", kubeconfig}, args...)...)
	command.Stdin = strings.NewReader(stdin)
	var stdout, stderr strings.Builder
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// Stop ends the cluster: the pods' processes, then the control plane from the top down.
func (c *Cluster) Stop() error {
	if c.end != nil {
		c.end()
	}
	if c.node != nil {
		c.node.wait()
	}
	var errs []error
	for _, p := range []*process{c.controllers, c.apiserver, c.etcd} {
		if p != nil {
			errs = append(errs, p.stop(stopTimeout))
		}
	}
	if c.network != nil {
		c.network.wait()
	}
	return errors.Join(errs...)
}

// stopTimeout is how long a part of the control plane may take to end before it is killed: the API server would wait for its watchers.
const stopTimeout = 3 * time.Second
