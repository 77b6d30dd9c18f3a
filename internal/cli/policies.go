package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/policy"
)

func newPolicies(env *Env) *cobra.Command {
	var paths, standards, tags, kinds []string
	var only filterFlags
	var format string
	formats := []string{"table", "wide", "names", "json", "yaml"}
	command := &cobra.Command{
		Use:     "policies",
		Aliases: []string{"policy"},
		GroupID: groupPolicies,
		Short:   "List policies",
		Long: `Policies lists the policies that ship, or those below the paths of --policies. Filters of different kinds must all
match; of the values of one filter, one must.`,
		Example: `  # The policies that ship
  assay policies

  # The severe ones that judge Deployments
  assay policies --severity high --kind Deployment

  # What helps with a standard, as YAML that can be applied
  assay policies --standard pci-dss -o yaml`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			filter, err := only.filter()
			if err != nil {
				return err
			}
			filter.Standards, filter.Tags, filter.Kinds = standards, tags, kinds
			c, err := loadPolicies(command.Context(), env, paths)
			if err != nil {
				return err
			}
			incomplete := reportProblems(env, c.Problems)
			if err := filter.Check(c.Sources.Policies); err != nil {
				return err
			}
			var chosen []*v2.Policy
			for _, p := range c.Sources.Policies {
				if filter.Match(p) {
					chosen = append(chosen, p)
				}
			}
			evaluators := map[string]string{}
			if format == "wide" {
				problems, err := compileAll(command.Context(), c, evaluators)
				if err != nil {
					return err
				}
				incomplete = reportProblems(env, problems) || incomplete
			}
			if err := writePolicies(env, format, formats, chosen, evaluators); err != nil {
				return err
			}
			if incomplete {
				return code(exitFailure)
			}
			return nil
		},
	}
	section(command, "Flags", func(f *pflag.FlagSet) {
		f.StringArrayVarP(&paths, "policies", "p", nil, "`path` of policies, instead of those that ship; repeatable")
		f.StringVarP(&format, "output", "o", "table", "`format`: "+strings.Join(formats, ", "))
	})
	section(command, "Filters", func(f *pflag.FlagSet) {
		only.define(f)
		f.StringSliceVar(&standards, "standard", nil, "only policies that help with these `standards`; weave.standards. may be left out")
		f.StringSliceVar(&tags, "tag", nil, "only policies with these `tags`")
		f.StringSliceVar(&kinds, "kind", nil, "only policies that judge these `kinds` of objects")
	})
	complete(command, "output", oneOf(formats...))
	complete(command, "severity", oneOf(severityNames()...))
	complete(command, "policy", policyIDs(env, &paths))
	complete(command, "category", categories(env, &paths))
	return command
}

// compileAll compiles the policies and says by id what evaluates each: rego, rego-interpreted or cel.
func compileAll(ctx context.Context, c *catalog.Catalog, evaluators map[string]string) ([]policy.Problem, error) {
	snapshot, found, err := engine.Compile(ctx, engine.Sources{Policies: c.Sources.Policies}, engine.Options{})
	if err != nil {
		return nil, err
	}
	for _, p := range snapshot.Policies() {
		evaluators[p.Spec.ID] = snapshot.Evaluator(p.Spec.ID)
	}
	var problems []policy.Problem
	for _, p := range found {
		problems = append(problems, c.Locate(p))
	}
	return problems, nil
}

func writePolicies(env *Env, format string, formats []string, policies []*v2.Policy, evaluators map[string]string) error {
	switch format {
	case "table", "wide":
		if len(policies) == 0 {
			_, err := fmt.Fprintln(env.Stderr, "no policies")
			return err
		}
		return writeTable(env.Stdout, policies, format == "wide", evaluators)
	case "names":
		for _, p := range policies {
			if _, err := fmt.Fprintln(env.Stdout, oneLine(p.Spec.ID)); err != nil {
				return err
			}
		}
		return nil
	case "json", "yaml":
		list := v2.PolicyList{Items: make([]v2.Policy, 0, len(policies))}
		list.APIVersion = v2.GroupVersion.String()
		list.Kind = v2.PolicyKind + "List"
		for _, p := range policies {
			list.Items = append(list.Items, *p)
		}
		return writeObject(env, format, list)
	}
	return badFlag("output", format, formats)
}

func writeTable(w io.Writer, policies []*v2.Policy, wide bool, evaluators map[string]string) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	header := []string{"POLICY", "SEVERITY", "CATEGORY", "ENFORCED", "KINDS"}
	if wide {
		header = append(header, "EVALUATOR", "STANDARDS", "TAGS", "NAME")
	}
	fmt.Fprintln(table, strings.Join(header, "\t"))
	for _, p := range policies {
		s := &p.Spec
		enforced := "yes"
		if !s.IsEnforced() {
			enforced = "no"
		}
		cells := []string{s.ID, string(s.Severity), catalog.LastPart(s.Category), enforced, kindsCell(s.Targets.Kinds, wide)}
		if wide {
			var ids []string
			for _, standard := range s.Standards {
				ids = append(ids, catalog.LastPart(standard.ID))
			}
			cells = append(cells, cmp.Or(evaluators[s.ID], "does not compile"), orDash(ids), orDash(s.Tags), s.Name)
		}
		for i := range cells {
			cells[i] = oneLine(cells[i])
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

// shownKinds is how many kinds fit into a row before the others are only counted.
const shownKinds = 2

func kindsCell(kinds []string, wide bool) string {
	switch {
	case len(kinds) == 0:
		return "all"
	case wide || len(kinds) <= shownKinds+1:
		return strings.Join(kinds, ",")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(kinds[:shownKinds], ","), len(kinds)-shownKinds)
}

func orDash(items []string) string {
	if len(items) == 0 {
		return "-"
	}
	return strings.Join(items, ",")
}
