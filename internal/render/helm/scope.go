package helm

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"text/template"

	chart "helm.sh/helm/v4/pkg/chart/v2"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/engine"
)

// chartTemplate is a template in the chart that it belongs to.
type chartTemplate struct {
	// name as Helm has it: the path of the chart, aliases included, and that of the template in it.
	name string
	text string
	// source is where it was written; nil when nobody knows.
	source *source
	// scope is what the template sees; nil for one that is not executed itself. It is shared by the templates of a chart.
	scope map[string]any
	// basePath is what the template sees as .Template.BasePath.
	basePath string
	// chart leads from the topmost chart to the template's by the names that values have them under.
	chart []string
}

// templates gathers the templates of a chart and of those it depends on, in the order in which Helm's engine executes them.
// Templates may change the values for those that come later.
func templates(ctx context.Context, top *chart.Chart, values common.Values, index map[*byte]*source) ([]*chartTemplate, error) {
	scopes, err := scopes(ctx, top, values)
	if err != nil {
		return nil, err
	}
	byName := map[string]*chartTemplate{}
	var gather func(c *chart.Chart, names []string)
	gather = func(c *chart.Chart, names []string) {
		for _, child := range c.Dependencies() {
			gather(child, append(names[:len(names):len(names)], child.Name()))
		}
		library := strings.EqualFold(c.Metadata.Type, "library")
		for _, file := range c.Templates {
			// Of a library only what others include is ever used.
			if library && !isPartial(file.Name) {
				continue
			}
			t := &chartTemplate{
				name: path.Join(c.ChartFullPath(), file.Name), text: string(file.Data),
				scope: scopes[c.ChartFullPath()], basePath: path.Join(c.ChartFullPath(), "templates"), chart: names,
			}
			if len(file.Data) > 0 {
				t.source = index[&file.Data[0]]
			}
			byName[t.name] = t
		}
	}
	gather(top, nil)
	sorted := make([]*chartTemplate, 0, len(byName))
	for _, t := range byName {
		sorted = append(sorted, t)
	}
	slices.SortFunc(sorted, func(a, b *chartTemplate) int {
		return cmp.Or(cmp.Compare(strings.Count(b.name, "/"), strings.Count(a.name, "/")), strings.Compare(b.name, a.name))
	})
	return sorted, nil
}

// isPartial tells whether a template is only there to be included by others.
func isPartial(name string) bool { return strings.HasPrefix(path.Base(name), "_") }

// scopes asks Helm's engine what the templates of every chart see, by the path of the chart. It lets the engine execute
// one template for each chart, which hands its scope over.
func scopes(ctx context.Context, top *chart.Chart, values common.Values) (map[string]map[string]any, error) {
	scopes := map[string]map[string]any{}
	asking := engine.Engine{CustomTemplateFuncs: template.FuncMap{
		"scope": func(chartPath string, scope map[string]any) string {
			scopes[chartPath] = scope
			return ""
		},
	}}
	kept := map[*chart.Chart][]*common.File{}
	var ask func(c *chart.Chart)
	ask = func(c *chart.Chart) {
		kept[c] = c.Templates
		c.Templates = []*common.File{{
			Name: "templates/scope", Data: fmt.Appendf(nil, "{{ scope %q . }}", c.ChartFullPath()),
		}}
		for _, child := range c.Dependencies() {
			ask(child)
		}
	}
	ask(top)
	_, err := asking.RenderWithContext(ctx, top, values)
	for c, templates := range kept {
		c.Templates = templates
	}
	if err != nil {
		return nil, fmt.Errorf("preparing what templates see: %w", err)
	}
	return scopes, nil
}
