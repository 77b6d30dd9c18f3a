package cli

import (
	"path/filepath"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/internal/render"
)

// helmFlags say how charts are rendered; they are named as helm's own.
type helmFlags struct {
	values, set, apiVersions            []string
	kubeVersion, releaseName, namespace string
}

func (h *helmFlags) define(f *pflag.FlagSet) {
	f.StringArrayVarP(&h.values, "values", "f", nil, "values `file` for Helm charts, looked for in the chart's folder first; repeatable")
	f.StringArrayVar(&h.set, "set", nil, "value for Helm charts as `KEY=VALUE`, over the values files; repeatable")
	f.StringVar(&h.releaseName, "release-name", "", "`name` of the Helm release (default: the chart's name)")
	f.StringVar(&h.namespace, "namespace", "", "`namespace` of the Helm release (default \"default\")")
	f.StringVar(&h.kubeVersion, "kube-version", "", "Kubernetes `version` that charts are rendered for")
	f.StringSliceVar(&h.apiVersions, "api-versions", nil, "Kubernetes API `versions` that charts find in .Capabilities; repeatable")
}

func (h *helmFlags) options() render.HelmOptions {
	return render.HelmOptions{
		ValuesFiles: h.values,
		Set:         h.set,
		ReleaseName: h.releaseName,
		Namespace:   h.namespace,
		KubeVersion: h.kubeVersion,
		APIVersions: h.apiVersions,
	}
}

// filterFlags choose policies.
type filterFlags struct {
	policies, severities, categories []string
}

func (o *filterFlags) define(f *pflag.FlagSet) {
	f.StringSliceVar(&o.policies, "policy", nil, "only the policies with these `ids`; weave.policies. may be left out, * stands for anything")
	f.StringSliceVar(&o.severities, "severity", nil, "only policies of these `severities`: low, medium, high")
	f.StringSliceVar(&o.categories, "category", nil, "only policies of these `categories`; weave.categories. may be left out")
}

func (o *filterFlags) filter() (catalog.Filter, error) {
	filter := catalog.Filter{Policies: o.policies, Categories: o.categories}
	for _, name := range o.severities {
		severity, ok := parseSeverity(name)
		if !ok {
			return filter, badFlag("severity", name, severityNames())
		}
		filter.Severities = append(filter.Severities, v2.Severity(severity))
	}
	return filter, nil
}

// rootDir is the absolute folder that places are relative to.
func rootDir(env *Env, root string) string {
	switch {
	case root == "":
		return env.Dir
	case filepath.IsAbs(root):
		return filepath.Clean(root)
	}
	return filepath.Join(env.Dir, root)
}

// parseSize reads a number of bytes with a unit as Kubernetes writes them: 32Mi, 100M, 4096.
func parseSize(flag, s string) (int64, error) {
	quantity, err := resource.ParseQuantity(s)
	if err != nil || quantity.Sign() <= 0 {
		return 0, usageErrorf("--%s %q: must be a positive number of bytes such as 4096, 500k or 32Mi", flag, s)
	}
	return quantity.Value(), nil
}
