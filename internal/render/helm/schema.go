package helm

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	chart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/assay-gitops/assay/policy"
)

// maxSchemaProblems bounds what is reported of one schema.
const maxSchemaProblems = 20

// offline loads no schemas.
type offline struct{}

// Load refuses.
func (offline) Load(url string) (any, error) { return nil, fmt.Errorf("%s is not fetched", url) }

// checkSchemas holds the values against the schemas of a chart and of those it depends on.
func (b *builder) checkSchemas(c *chart.Chart, values map[string]any, names []string) {
	if c.Schema != nil {
		b.checkSchema(c, values, names)
	}
	for _, child := range c.Dependencies() {
		if inner, ok := values[child.Name()].(map[string]any); ok {
			b.checkSchemas(child, inner, append(names[:len(names):len(names)], child.Name()))
		}
	}
}

func (b *builder) checkSchema(c *chart.Chart, values map[string]any, names []string) {
	file := b.chartFile
	if len(c.Schema) > 0 {
		if s := b.index[&c.Schema[0]]; s != nil {
			file = s.file
		}
	}
	err := validate(c.Schema, values)
	var invalid *jsonschema.ValidationError
	var elsewhere *jsonschema.LoadURLError
	switch {
	case err == nil:
	case errors.As(err, &invalid):
		var problems []policy.Problem
		for _, leaf := range leavesOf(invalid, nil) {
			problems = append(problems, b.schemaProblem(leaf, file, names))
		}
		// The validator walks maps.
		slices.SortFunc(problems, func(x, y policy.Problem) int {
			return cmp.Or(strings.Compare(x.Location.File, y.Location.File), cmp.Compare(x.Location.Line, y.Location.Line), strings.Compare(x.Message, y.Message))
		})
		b.problems = append(b.problems, problems[:min(len(problems), maxSchemaProblems)]...)
	case errors.As(err, &elsewhere):
		b.problems = append(b.problems, policy.Problem{
			Kind: policy.RenderProblem, Location: policy.Location{File: file}, Warning: true,
			Message: fmt.Sprintf("the values were not held against the schema: it refers to %s, which is not fetched", elsewhere.URL),
		})
	default:
		b.fault(policy.Location{File: file}, fmt.Sprintf("the schema cannot be used: %v", err), "")
	}
}

func validate(schema []byte, values map[string]any) (err error) {
	defer func() {
		// The validator is not ours, and the schema may come from anybody.
		if r := recover(); r != nil {
			err = fmt.Errorf("the validator failed: %v", r)
		}
	}()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return err
	}
	const url = "file:///values.schema.json"
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(offline{})
	if err := compiler.AddResource(url, parsed); err != nil {
		return err
	}
	compiled, err := compiler.Compile(url)
	if err != nil {
		return err
	}
	return compiled.Validate(values)
}

// leavesOf are the errors that have no further cause.
func leavesOf(err *jsonschema.ValidationError, leaves []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(err.Causes) == 0 {
		return append(leaves, err)
	}
	for _, cause := range err.Causes {
		leaves = leavesOf(cause, leaves)
	}
	return leaves
}

func (b *builder) schemaProblem(leaf *jsonschema.ValidationError, schemaFile string, names []string) policy.Problem {
	var path policy.Path
	for _, step := range leaf.InstanceLocation {
		if index, err := strconv.Atoi(step); err == nil {
			path = append(path, policy.Index(index))
		} else {
			path = append(path, policy.Key(step))
		}
	}
	said := leaf.ErrorKind.LocalizedString(message.NewPrinter(language.English))
	where := strings.Join(append(names[:len(names):len(names)], path.String()), ".")
	if len(path) == 0 && len(names) == 0 {
		where = "the values"
	}
	location, found := find(b.values, names, path, nil)
	if !found {
		location = policy.Location{File: schemaFile}
	}
	return policy.Problem{
		Kind: policy.RenderProblem, Location: location, Message: fmt.Sprintf("%s: %s", where, said),
		Hint: "Helm refuses these values: the schema of the chart, " + schemaFile + ", does not allow them",
	}
}
