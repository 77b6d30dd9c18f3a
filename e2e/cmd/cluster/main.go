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
	"strings"
	"syscall"

	"github.com/assay-gitops/assay/e2e/cluster"
	"github.com/assay-gitops/assay/e2e/release"
	"github.com/assay-gitops/assay/e2e/scene"
)

// agentNamespace is where the chart is installed, as its documentation does.
const agentNamespace = "policy-system"

// options of the command.
type options struct {
	agent, hub bool
	// note is a file for what is printed, for others.
	note  string
	scene scene.Options
}

func main() {
	o := options{scene: scene.Options{Tell: os.Stderr}}
	flag.BoolVar(&o.agent, "agent", false, "install the chart and run the agent")
	flag.BoolVar(&o.hub, "hub", false, "run a hub beside it, with an agent, teams, applications, policies and what they find")
	flag.StringVar(&o.scene.Listen, "listen", "127.0.0.1:8790", "`address` of the hub")
	flag.StringVar(&o.scene.Password, "password", "", "`password` of the hub's users; empty makes up one for each")
	flag.IntVar(&o.scene.Findings, "findings", 0, "`number` of findings that are invented of other clusters, with a history of 60 days")
	flag.StringVar(&o.note, "note", "", "`file` to write what is printed into as well")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(o options) (err error) {
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
	note := "export KUBECONFIG=" + c.Kubeconfig + "\n"
	var again chan os.Signal
	var set *scene.Scene
	switch {
	case o.hub:
		if set, err = scene.Set(ctx, c, dir, o.scene); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, set.Stop()) }()
		note += told(set)
		again = make(chan os.Signal, 1)
		signal.Notify(again, syscall.SIGHUP)
	case o.agent:
		if err := install(ctx, c); err != nil {
			return err
		}
	}
	fmt.Print(note)
	if o.note != "" {
		if err := os.WriteFile(o.note, []byte(note), 0o600); err != nil {
			return err
		}
	}
	fmt.Fprintln(os.Stderr, "running; interrupt to stop and delete it")
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again:
			fmt.Fprintln(os.Stderr, "building the hub and starting it again")
			if err := set.Hub.Restart(ctx); err != nil {
				fmt.Fprintln(os.Stderr, "error:", err)
				continue
			}
			fmt.Fprintln(os.Stderr, "the hub runs again")
		}
	}
}

// told is how the hub is reached, as lines that a shell takes too.
func told(s *scene.Scene) string {
	var text strings.Builder
	fmt.Fprintf(&text, "export ASSAY_URL=%s\n", s.Hub.URL)
	for _, u := range s.Hub.Users {
		fmt.Fprintf(&text, "# user %-10s password %-28s sees %s\n", u.Name, u.Password, u.Sees)
	}
	fmt.Fprintf(&text, "# the hub's log is %s; SIGHUP to process %d builds and starts the hub again\n", s.Hub.Log(), os.Getpid())
	return text.String()
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
