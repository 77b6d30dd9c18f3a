// Cluster starts a cluster for a person and leaves it running until it is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/assay-gitops/assay/e2e/cluster"
	"github.com/assay-gitops/assay/e2e/release"
)

// agentNamespace is where the chart is installed, as its documentation does.
const agentNamespace = "policy-system"

func main() {
	agent := flag.Bool("agent", false, "install the chart and run the agent")
	flag.Parse()
	if err := run(*agent); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(agent bool) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "assay-cluster-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(os.Stderr, "building and starting Kubernetes "+cluster.Version+"; the first build takes minutes")
	c, err := cluster.Start(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	if agent {
		if err := install(ctx, c); err != nil {
			return err
		}
	}
	fmt.Println("export KUBECONFIG=" + c.Kubeconfig)
	fmt.Fprintln(os.Stderr, "running; interrupt to stop and delete it")
	<-ctx.Done()
	return nil
}

// install runs the agent from this checkout by its chart.
func install(ctx context.Context, c *cluster.Cluster) error {
	fmt.Fprintln(os.Stderr, "building assay and installing its chart in namespace "+agentNamespace)
	if err := c.ProvideAssay(ctx); err != nil {
		return err
	}
	// It is run by `make cluster`, in the module's folder.
	folder, err := filepath.Abs("../charts/policy-agent")
	if err != nil {
		return err
	}
	return release.Releases{Kubeconfig: c.Kubeconfig, Namespace: agentNamespace, Chart: folder}.Install(ctx, nil)
}
