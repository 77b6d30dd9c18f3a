package scene

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/assay-gitops/assay/e2e/cluster"
)

// Options of a scene.
type Options struct {
	// Listen is the address of the hub, on loopback.
	Listen string
	// Password of everybody; empty makes one up for each.
	Password string
	// Arguments of the hub beside the usual.
	Arguments []string
	// Findings are how many are invented of other clusters, about.
	Findings int
	// Tell is told what is going on; may be nil.
	Tell io.Writer
}

// Scene is one that was set.
type Scene struct {
	Hub *Hub

	cluster       *cluster.Cluster
	dir, checkout string
	out           io.Writer
}

func (s *Scene) tell(what string) {
	fmt.Fprintln(s.out, time.Now().Format(time.TimeOnly), what) //nolint:errcheck // nobody listens
}

// Set makes a scene in a cluster that has nothing yet of what it consists of. The folder is for files. Stop ends its hub; the rest stays in the
// cluster.
func Set(ctx context.Context, c *cluster.Cluster, dir string, o Options) (*Scene, error) {
	module, err := cluster.ModuleFolder(ctx)
	if err != nil {
		return nil, err
	}
	s := &Scene{cluster: c, dir: dir, checkout: filepath.Dir(module), out: o.Tell}
	if s.out == nil {
		s.out = io.Discard
	}
	if err := s.furnish(ctx); err != nil {
		return nil, err
	}
	s.tell("starting the hub")
	if s.Hub, err = newHub(ctx, c, dir, o); err != nil {
		return nil, err
	}
	if err := s.Hub.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	for _, step := range []func(context.Context) error{s.guard, s.provoke, s.accept, func(ctx context.Context) error { return s.invent(ctx, o.Findings) }} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}
	return s, nil
}

// invent sends findings of other clusters.
func (s *Scene) invent(ctx context.Context, findings int) error {
	if findings == 0 {
		return nil
	}
	s.tell(fmt.Sprintf("sending %d findings of other clusters", findings))
	program := filepath.Join(s.checkout, "e2e", "bin", "fleet")
	if err := cluster.GoBuild(ctx, s.checkout, "-o", program, "./hack/fleet"); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, program, "-hub", s.Hub.URL, "-findings", fmt.Sprint(findings))
	command.Env = os.Environ()
	for name, token := range s.Hub.Tokens {
		// Not as arguments, which everybody on the machine sees.
		command.Env = append(command.Env, "FLEET_TOKEN_"+name+"="+token)
	}
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("sending findings: %w\n%s", err, out)
	}
	return nil
}

// Stop ends the hub.
func (s *Scene) Stop() error {
	if s.Hub == nil || s.Hub.process == nil {
		return nil
	}
	return s.Hub.process.Stop()
}
