package flux

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/assay-gitops/assay/e2e/cluster"
)

// Namespace of Flux.
const Namespace = "flux-system"

// The controllers.
const (
	Source       = "source-controller"
	Kustomize    = "kustomize-controller"
	Helm         = "helm-controller"
	Notification = "notification-controller"
)

// Options of a Flux.
type Options struct {
	// Lockdown is what Flux's documentation asks for where tenants share a cluster: references stay within a namespace, what is
	// applied without an account is applied as account default, and kustomizations build from nothing remote.
	Lockdown bool
}

// Flux is what runs.
type Flux struct {
	cluster     *cluster.Cluster
	dir         string
	bin         string
	controllers map[string]*controller
	events      *service
}

type controller struct {
	args   []string
	health string
	// reconcilers are those without which it does not do its work.
	reconcilers []string
	process     *cluster.Process
	log         string
	starts      int
}

//go:embed rights.yaml
var rights string

// Start builds the controllers, which takes minutes the first time, installs their CRDs and accounts in the cluster, and starts
// them. They keep what they have in the folder. Stop ends them, and so does the end of this process.
func Start(ctx context.Context, c *cluster.Cluster, dir string, o Options) (*Flux, error) {
	module, err := cluster.ModuleFolder(ctx)
	if err != nil {
		return nil, err
	}
	f := &Flux{cluster: c, dir: dir, bin: filepath.Join(module, "bin"), controllers: map[string]*controller{}}
	source := filepath.Join(module, "flux", "controllers")
	if err := cluster.GoBuild(ctx, source, "-trimpath", "-ldflags", "-s -w", "-o", f.bin+"/", "tool"); err != nil {
		return nil, err
	}
	if err := f.configure(o); err != nil {
		return nil, err
	}
	if err := f.install(ctx); err != nil {
		return nil, errors.Join(err, f.Stop())
	}
	for _, name := range []string{Notification, Source, Kustomize, Helm} {
		if err := f.StartController(ctx, name); err != nil {
			return nil, errors.Join(err, f.Stop())
		}
	}
	return f, nil
}

func (f *Flux) configure(o Options) error {
	ports, err := cluster.FreeAddresses(7)
	if err != nil {
		return err
	}
	if f.events, err = newService(ports[0]); err != nil {
		return err
	}
	storage := filepath.Join(f.dir, "storage")
	for _, dir := range []string{storage, filepath.Join(f.dir, "tuf")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	common := func(health string) []string {
		return []string{"--enable-leader-election=false", "--watch-all-namespaces", "--metrics-addr", "127.0.0.1:0", "--health-addr", health, "--log-encoding", "json"}
	}
	f.controllers[Notification] = &controller{reconcilers: []string{"alert", "provider"}, health: ports[1], args: append(common(ports[1]), "--events-addr", ports[0], "--receiverAddr", ports[2])}
	f.controllers[Source] = &controller{reconcilers: []string{"gitrepository", "helmchart"}, health: ports[3], args: append(common(ports[3]), "--events-addr", f.EventsAddress(),
		"--storage-path", storage, "--storage-addr", ports[4], "--storage-adv-addr", ports[4])}
	f.controllers[Kustomize] = &controller{reconcilers: []string{"kustomization"}, health: ports[5], args: append(common(ports[5]), "--events-addr", f.EventsAddress(), "--requeue-dependency", "2s")}
	f.controllers[Helm] = &controller{reconcilers: []string{"helmrelease"}, health: ports[6], args: append(common(ports[6]), "--events-addr", f.EventsAddress(), "--requeue-dependency", "2s")}
	if o.Lockdown {
		for _, name := range []string{Notification, Kustomize, Helm} {
			f.controllers[name].args = append(f.controllers[name].args, "--no-cross-namespace-refs=true")
		}
		for _, name := range []string{Kustomize, Helm} {
			f.controllers[name].args = append(f.controllers[name].args, "--default-service-account=default")
		}
		f.controllers[Kustomize].args = append(f.controllers[Kustomize].args, "--no-remote-bases=true")
	}
	return nil
}

// install installs the CRDs that the modules carry, and the controllers' rights.
func (f *Flux) install(ctx context.Context) error {
	if err := InstallKinds(ctx, f.cluster); err != nil {
		return err
	}
	_, err := f.cluster.Kubectl(ctx, rights, "apply", "--server-side", "-f", "-")
	return err
}

// InstallKinds installs what Flux's controllers define, without the controllers.
func InstallKinds(ctx context.Context, c *cluster.Cluster) error {
	module, err := cluster.ModuleFolder(ctx)
	if err != nil {
		return err
	}
	args := []string{"apply", "--server-side"}
	for _, name := range []string{Source, Kustomize, Helm, Notification} {
		command := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/fluxcd/"+name)
		command.Dir = filepath.Join(module, "flux", "controllers")
		out, err := command.Output()
		if err != nil {
			return fmt.Errorf("finding the module of %s: %w", name, err)
		}
		args = append(args, "-f", filepath.Join(strings.TrimSpace(string(out)), "config", "crd", "bases"))
	}
	if _, err := c.Kubectl(ctx, "", args...); err != nil {
		return err
	}
	_, err = c.Kubectl(ctx, "", "wait", "--for", "condition=Established", "--timeout", "120s", "crd",
		"gitrepositories.source.toolkit.fluxcd.io", "kustomizations.kustomize.toolkit.fluxcd.io", "helmreleases.helm.toolkit.fluxcd.io",
		"alerts.notification.toolkit.fluxcd.io", "providers.notification.toolkit.fluxcd.io")
	return err
}

// EventsAddress is where notification-controller takes events.
func (f *Flux) EventsAddress() string { return "http://" + f.events.listener.Addr().String() + "/" }

// StartController starts a controller that does not run, and waits until it works.
func (f *Flux) StartController(ctx context.Context, name string) error {
	c := f.controllers[name]
	kubeconfig, err := f.cluster.ServiceAccountKubeconfig(ctx, Namespace, name)
	if err != nil {
		return err
	}
	c.starts++
	c.log = filepath.Join(f.dir, fmt.Sprintf("%s.%d.log", name, c.starts))
	command := exec.Command(filepath.Join(f.bin, name), c.args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "RUNTIME_NAMESPACE="+Namespace, "TUF_ROOT="+filepath.Join(f.dir, "tuf"), "TMPDIR="+f.dir)
	if c.process, err = cluster.StartProcess(name, c.log, command); err != nil {
		return err
	}
	if err := c.wait(ctx, name); err != nil {
		return err
	}
	if name == Notification {
		f.events.ready.Store(true)
	}
	return nil
}

// startTimeout bounds how long a controller may take to work on a busy machine.
const startTimeout = 3 * time.Minute

// wait waits until the controller is ready and has the caches that it works from, of which its probe knows nothing.
func (c *controller) wait(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := c.works(ctx)
		switch {
		case err == nil:
			return nil
		case c.process.Ended():
			return fmt.Errorf("%s ended:\n%s", name, c.process.Tail())
		case ctx.Err() != nil:
			return fmt.Errorf("%s did not work within %s: %w\n%s", name, startTimeout, err, c.process.Tail())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (c *controller) works(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.health+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	log, err := os.ReadFile(c.log)
	if err != nil {
		return err
	}
	for _, reconciler := range c.reconcilers {
		if !strings.Contains(string(log), `"Starting workers","controller":"`+reconciler+`"`) {
			return fmt.Errorf("the reconciler of %ss does not work yet", reconciler)
		}
	}
	return nil
}

// StopController asks a controller to end.
func (f *Flux) StopController(name string) error { return f.end(name, (*cluster.Process).Stop) }

// KillController ends a controller at once.
func (f *Flux) KillController(name string) error { return f.end(name, (*cluster.Process).Kill) }

func (f *Flux) end(name string, how func(*cluster.Process) error) error {
	if name == Notification {
		f.events.ready.Store(false)
	}
	return how(f.controllers[name].process)
}

// Log is the end of what a controller logged since it was started last.
func (f *Flux) Log(name string) string { return f.controllers[name].process.Tail() }

// Stop ends all controllers.
func (f *Flux) Stop() error {
	errs := []error{f.events.listener.Close()}
	for name, c := range f.controllers {
		if c.process != nil {
			errs = append(errs, f.StopController(name))
		}
	}
	return errors.Join(errs...)
}
