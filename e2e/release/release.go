package release

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/kube"
	helm "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/assay-gitops/assay/e2e/cluster"
)

// Name of the release, and of the chart.
const Name = "policy-agent"

// wait bounds how long the chart's workloads and hooks may take on a busy machine.
const wait = 4 * time.Minute

// Releases are those of one namespace of a cluster.
type Releases struct {
	// Kubeconfig is the path of a configuration with the rights to install the chart.
	Kubeconfig string
	Namespace  string
	// Chart is the chart's folder.
	Chart string
}

func (r Releases) configuration() (*action.Configuration, error) {
	flags := genericclioptions.NewConfigFlags(true)
	flags.KubeConfig, flags.Namespace = &r.Kubeconfig, &r.Namespace
	configuration := action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler))
	if err := configuration.Init(flags, r.Namespace, "secret"); err != nil {
		return nil, fmt.Errorf("setting Helm up: %w", err)
	}
	return configuration, nil
}

// Install installs the chart with its CRDs and waits until all of it is ready.
func (r Releases) Install(ctx context.Context, values map[string]any) error {
	loaded, err := loader.Load(r.Chart)
	if err != nil {
		return fmt.Errorf("loading the chart: %w", err)
	}
	configuration, err := r.configuration()
	if err != nil {
		return err
	}
	install := action.NewInstall(configuration)
	install.ReleaseName, install.Namespace, install.CreateNamespace = Name, r.Namespace, true
	install.WaitStrategy, install.Timeout = kube.StatusWatcherStrategy, wait
	if _, err := install.RunWithContext(ctx, loaded, values); err != nil {
		return fmt.Errorf("installing the chart: %w", err)
	}
	return nil
}

// Upgrade changes the values of what is installed and waits until all of it is ready.
func (r Releases) Upgrade(ctx context.Context, values map[string]any) error {
	loaded, err := loader.Load(r.Chart)
	if err != nil {
		return fmt.Errorf("loading the chart: %w", err)
	}
	configuration, err := r.configuration()
	if err != nil {
		return err
	}
	upgrade := action.NewUpgrade(configuration)
	upgrade.Namespace, upgrade.WaitStrategy, upgrade.Timeout = r.Namespace, kube.StatusWatcherStrategy, wait
	if _, err := upgrade.RunWithContext(ctx, Name, loaded, values); err != nil {
		return fmt.Errorf("upgrading the release: %w", err)
	}
	return nil
}

// Uninstall deletes the release, after its hooks, and waits until its objects are gone.
func (r Releases) Uninstall() error {
	configuration, err := r.configuration()
	if err != nil {
		return err
	}
	uninstall := action.NewUninstall(configuration)
	uninstall.WaitStrategy, uninstall.Timeout = kube.StatusWatcherStrategy, wait
	if _, err := uninstall.Run(Name); err != nil {
		return fmt.Errorf("uninstalling the release: %w", err)
	}
	return nil
}

// Rendered is what a chart comes to for some values.
type Rendered struct {
	// Manifest and Hooks are YAML streams: what is installed, and what is made at moments of a release's life.
	Manifest string
	Hooks    []string
	Notes    string
}

// Render renders a chart as `helm template` does, without a cluster.
func Render(ctx context.Context, folder, namespace string, values map[string]any) (*Rendered, error) {
	loaded, err := loader.Load(folder)
	if err != nil {
		return nil, fmt.Errorf("loading the chart: %w", err)
	}
	return renderChart(ctx, loaded, namespace, values)
}

func renderChart(ctx context.Context, loaded *chart.Chart, namespace string, values map[string]any) (*Rendered, error) {
	configuration := action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler))
	install := action.NewInstall(configuration)
	install.KubeVersion = &common.KubeVersion{Version: cluster.Version, Major: "1", Minor: "37"}
	install.ReleaseName, install.Namespace = Name, namespace
	install.DryRunStrategy, install.Replace = action.DryRunClient, true
	made, err := install.RunWithContext(ctx, loaded, values)
	if err != nil {
		return nil, fmt.Errorf("rendering the chart: %w", err)
	}
	release, ok := made.(*helm.Release)
	if !ok {
		return nil, fmt.Errorf("rendering the chart: Helm made a %T", made)
	}
	rendered := &Rendered{Manifest: release.Manifest, Notes: release.Info.Notes}
	for _, hook := range release.Hooks {
		rendered.Hooks = append(rendered.Hooks, hook.Manifest)
	}
	return rendered, nil
}
