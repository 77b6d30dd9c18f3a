package helm

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// Options of Build.
type Options struct {
	// Root is the absolute folder that all locations are relative to.
	Root string
	// ValuesFiles are merged over the chart's own values, later ones last. A bare file name that exists in the chart's
	// folder is taken from there, anything else is relative to the working directory.
	ValuesFiles []string
	// Set holds key=value pairs as helm's --set.
	Set []string
	// ReleaseName and Namespace of the release; the chart's name and "default" when empty.
	ReleaseName, Namespace string
	// KubeVersion and APIVersions make up .Capabilities. When empty they are what Helm's are: the Kubernetes that the
	// client library was made for. APIVersions are added to those that it knows.
	KubeVersion string
	APIVersions []string
	// MaxFileBytes bounds what is read of one file; DefaultMaxFileBytes when zero.
	MaxFileBytes int64
}

const (
	// DefaultMaxFileBytes bounds what is read of one file.
	DefaultMaxFileBytes = 32 << 20
	// maxDuration is how long the templates of one chart may run. Those that make certificates take seconds.
	maxDuration = time.Minute
)

// Result of Build.
type Result struct {
	// Objects are those that installing or upgrading a release would apply: custom resource definitions first, then those
	// of the templates by name, hooks among them; tests are left out.
	Objects []*policy.Object
	// Files are the absolute paths of the files that were read.
	Files []string
	// Problems are why objects are missing. Helm would render nothing at all if there is one that is not a warning.
	Problems []policy.Problem
}

// Build renders the chart in a folder or in an archive. A library chart has no objects of its own, and that is no problem.
func Build(ctx context.Context, chartPath string, options Options) Result {
	return buildWithin(ctx, chartPath, options, usualLimits())
}

func buildWithin(ctx context.Context, chartPath string, options Options, limits limits) (result Result) {
	options.MaxFileBytes = cmp.Or(options.MaxFileBytes, DefaultMaxFileBytes)
	b := &builder{options: options, limits: limits, name: relative(options.Root, chartPath), bundle: &bundle{}}
	b.chartFile = b.name
	defer func() {
		// Helm's code is not ours, and what it reads may come from anybody.
		if r := recover(); r != nil {
			b.fault(policy.Location{File: b.chartFile}, fmt.Sprintf("Helm's code failed: %v", r), "")
			result = b.result()
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, maxDuration, fmt.Errorf("it takes longer than %v", maxDuration))
	defer cancel()
	b.build(ctx, filepath.Clean(chartPath))
	return b.result()
}

// builder renders one chart.
type builder struct {
	options Options
	limits  limits
	// name of the chart's folder or archive as locations have it, and the file that stands for the chart as a whole.
	name, chartFile string
	bundle          *bundle
	index           map[*byte]*source
	// values are the files that set values, the one that wins first.
	values []valuesFile

	objects  []*policy.Object
	problems []policy.Problem
}

func (b *builder) result() Result {
	return Result{Objects: b.objects, Files: b.bundle.read, Problems: append(b.bundle.problems, b.problems...)}
}

func (b *builder) fault(at policy.Location, message, hint string) {
	b.problems = append(b.problems, policy.Problem{Kind: policy.RenderProblem, Location: at, Message: message, Hint: hint})
}

func (b *builder) build(ctx context.Context, chartPath string) {
	var err error
	if b.bundle, err = load(chartPath, b.options); err != nil {
		b.fault(policy.Location{File: b.name}, err.Error(), "")
		return
	}
	b.index = b.bundle.byContent()
	if s := b.bundle.find("Chart.yaml"); s != nil {
		b.chartFile = s.file
	}
	if !b.checkFiles() {
		return
	}
	c, err := loader.LoadFiles(b.bundle.buffered())
	if err != nil {
		b.fault(b.metadata(), err.Error(), "")
		return
	}
	if strings.EqualFold(c.Metadata.Type, "library") {
		return
	}
	b.checkDependencies(c)
	user, files, problem := b.bundle.userValues(b.options)
	if problem != nil {
		b.problems = append(b.problems, *problem)
		return
	}
	slices.Reverse(files)
	b.values = files
	scope, err := b.scope(c, user)
	if err != nil {
		b.fault(policy.Location{File: b.chartFile}, err.Error(), "")
		return
	}
	if scope == nil {
		return
	}
	b.customResources(c)
	b.render(ctx, c, scope)
}

// dataFile matches the YAML files that Helm loads a chart from. It skips folders whose names begin with _ or a dot.
var dataFile = regexp.MustCompile(`^(?:charts/[^/_.][^/]*/)*(Chart|values|requirements)\.yaml$`)

// checkFiles tells which of them do not parse, as Helm would say it of the first only.
func (b *builder) checkFiles() bool {
	complete := true
	for _, s := range b.bundle.sources {
		name := dataFile.FindStringSubmatch(s.name)
		if name == nil {
			continue
		}
		var err error
		switch name[1] {
		case "Chart":
			err = yaml.Unmarshal(s.data, &chart.Metadata{})
		case "values":
			_, err = loader.LoadValues(bytes.NewReader(s.data))
		case "requirements":
			err = yaml.Unmarshal(s.data, &chart.Metadata{})
		}
		if err != nil {
			b.problems = append(b.problems, *parseProblem(s, err))
			complete = false
		}
	}
	return complete
}

// metadata is the place of a key of Chart.yaml, or of requirements.yaml in charts of old, or the file.
func (b *builder) metadata(keys ...policy.Step) policy.Location {
	for _, name := range []string{"Chart.yaml", "requirements.yaml"} {
		s := b.bundle.find(name)
		if s == nil {
			continue
		}
		if at, present := raw.Open(s.file, s.data).Locate(0, keys); len(keys) > 0 && present == len(keys) {
			return at
		}
	}
	return policy.Location{File: b.chartFile}
}

// checkDependencies tells which dependencies are declared but not there. Helm refuses the chart then.
func (b *builder) checkDependencies(c *chart.Chart) {
	for i, dependency := range c.Metadata.Dependencies {
		if slices.ContainsFunc(c.Dependencies(), func(d *chart.Chart) bool { return d.Name() == dependency.Name }) {
			continue
		}
		b.fault(b.metadata(policy.Key("dependencies"), policy.Index(i), policy.Key("name")),
			fmt.Sprintf("the dependency %s is not in charts/", dependency.Name),
			"fetch it with `helm dependency build "+b.name+"`; nothing is fetched while checking")
	}
}

// scope resolves dependencies and merges values into what templates see; nil when there is a problem with the chart
// as a whole.
func (b *builder) scope(c *chart.Chart, user map[string]any) (common.Values, error) {
	capabilities := common.DefaultCapabilities.Copy()
	if b.options.KubeVersion != "" {
		version, err := common.ParseKubeVersion(b.options.KubeVersion)
		if err != nil {
			return nil, fmt.Errorf("the Kubernetes version %q: %w", b.options.KubeVersion, err)
		}
		capabilities.KubeVersion = *version
	}
	capabilities.APIVersions = append(slices.Clip(capabilities.APIVersions), b.options.APIVersions...)
	if err := chartutil.ProcessDependencies(c, user); err != nil {
		return nil, fmt.Errorf("resolving dependencies: %w", err)
	}
	b.chartValues(c, nil)
	if wanted := c.Metadata.KubeVersion; wanted != "" && !chartutil.IsCompatibleRange(wanted, capabilities.KubeVersion.String()) {
		b.fault(b.metadata(policy.Key("kubeVersion")),
			fmt.Sprintf("the chart requires Kubernetes %s and is rendered for %s", wanted, capabilities.KubeVersion.Version),
			"say for which version with --kube-version")
		return nil, nil
	}
	release := common.ReleaseOptions{
		Name: cmp.Or(b.options.ReleaseName, c.Name()), Namespace: cmp.Or(b.options.Namespace, "default"), Revision: 1, IsInstall: true,
	}
	scope, err := util.ToRenderValuesWithSchemaValidation(c, user, release, capabilities, true)
	if err != nil {
		return nil, fmt.Errorf("merging values: %w", err)
	}
	if values, err := scope.Table("Values"); err == nil {
		b.checkSchemas(c, values, nil)
	}
	return scope, nil
}

// chartValues notes the values files of a chart and of those it depends on. A parent's values win.
func (b *builder) chartValues(c *chart.Chart, names []string) {
	for _, file := range c.Raw {
		if file.Name == "values.yaml" && len(file.Data) > 0 {
			if s := b.index[&file.Data[0]]; s != nil {
				b.values = append(b.values, valuesFile{chart: names, file: raw.Open(s.file, s.data)})
			}
		}
	}
	for _, child := range c.Dependencies() {
		b.chartValues(child, append(names[:len(names):len(names)], child.Name()))
	}
}

// customResources adds what is in crds/.
func (b *builder) customResources(c *chart.Chart) {
	for _, crd := range c.CRDObjects() {
		if len(crd.File.Data) == 0 || b.index[&crd.File.Data[0]] == nil {
			continue
		}
		s := b.index[&crd.File.Data[0]]
		objects, problems := raw.Parse(s.file, s.data)
		b.problems = append(b.problems, problems...)
		for _, o := range objects {
			if written, ok := o.Origin.(*raw.Origin); ok {
				b.objects = append(b.objects, &policy.Object{Content: o.Content, Origin: crdOrigin{written, b.name}})
			}
		}
	}
}

// render executes the templates.
func (b *builder) render(ctx context.Context, c *chart.Chart, scope common.Values) {
	all, err := templates(ctx, c, scope, b.index)
	if err != nil {
		b.fault(policy.Location{File: b.chartFile}, err.Error(), "")
		return
	}
	byName := make(map[string]*chartTemplate, len(all))
	for _, t := range all {
		byName[t.name] = t
	}
	// What is amiss already lets templates fail in ways that explain nothing.
	doubtful := slices.ContainsFunc(b.problems, func(p policy.Problem) bool { return !p.Warning })
	r := newRenderer(ctx, b.limits)
	var parsed []*chartTemplate
	incomplete := false
	for _, t := range all {
		if err := r.parse(t); err != nil {
			b.problems = append(b.problems, templateProblem(err, t, byName))
			incomplete = true
			continue
		}
		parsed = append(parsed, t)
	}
	outputs := map[*chartTemplate]*sink{}
	for _, t := range parsed {
		if isPartial(t.name) || t.scope == nil {
			continue
		}
		output, err := r.execute(t)
		switch {
		case err == nil:
			outputs[t] = output
		case doubtful, incomplete && isUndefined(err.Error()):
		default:
			b.problems = append(b.problems, templateProblem(err, t, byName))
		}
		if r.exhausted() {
			break
		}
	}
	slices.SortFunc(parsed, func(x, y *chartTemplate) int { return strings.Compare(x.name, y.name) })
	for _, t := range parsed {
		output := outputs[t]
		if output == nil || strings.HasSuffix(path.Base(t.name), "NOTES.txt") {
			continue
		}
		for _, d := range b.documents(t, output) {
			b.objects = append(b.objects, d.objects()...)
		}
	}
}
