package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/assay-gitops/assay/internal/kube/workspaces"
	"github.com/assay-gitops/assay/internal/suggest"
	"github.com/assay-gitops/assay/tenancy"
)

func newTenants(env *Env) *cobra.Command {
	command := &cobra.Command{
		Use:     "tenants",
		GroupID: groupTenants,
		Short:   "Look at tenants, compare them with a cluster",
		Long: `Tenants groups what can be done with a tenants file beside creating its workspaces, which is
` + "`assay create tenants`" + `. docs/workspaces.md explains the format and the walls.`,
		Example: `  assay tenants list --from-file tenants.yaml
  assay tenants diff --from-file tenants.yaml`,
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(command, args[0])
			}
			return command.Help()
		},
	}
	command.AddCommand(newTenantsList(env), newTenantsShow(env), newTenantsDiff(env), newTenantsVerify(env), newTenantsRemove(env), newTenantsRename(env), newTenantsSchema(env))
	return command
}

func newTenantsSchema(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of tenants files, for editors",
		Long: `Schema prints the JSON schema (draft 2020-12) of tenants files. Editors with the YAML language server use it when
the file begins with

  # yaml-language-server: $schema=tenants.schema.json`,
		Example: "  assay tenants schema > tenants.schema.json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			schema, err := tenancy.Schema()
			if err != nil {
				return fmt.Errorf("make the schema: %w", err)
			}
			_, err = env.Stdout.Write(schema)
			return err
		},
	}
}

func newTenantsList(env *Env) *cobra.Command {
	var input tenantsFlags
	var format string
	formats := []string{"table", "names", "json", "yaml"}
	command := &cobra.Command{
		Use:     "list",
		Short:   "List the tenants of files",
		Long:    "List tells what tenants the files have, with templates and defaults worked in.",
		Example: "  assay tenants list --from-file tenants.yaml",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			if !slices.Contains(formats, format) {
				return badFlag("output", format, formats)
			}
			made, err := input.workspaces(env)
			if err != nil {
				return err
			}
			return writeTenants(env, format, made)
		},
	}
	input.define(command)
	section(command, "Flags", func(f *pflag.FlagSet) {
		f.StringVarP(&format, "output", "o", "table", "`format`: "+strings.Join(formats, ", "))
	})
	complete(command, "output", oneOf(formats...))
	return command
}

func writeTenants(env *Env, format string, made []tenancy.Workspace) error {
	switch format {
	case "names":
		for _, w := range made {
			fmt.Fprintln(env.Stdout, w.Tenant.Name)
		}
		return nil
	case "json", "yaml":
		tenants := make([]*tenancy.Tenant, len(made))
		for i, w := range made {
			tenants[i] = w.Tenant
		}
		return writeObject(env, format, map[string]any{"tenants": tenants})
	}
	table := tabwriter.NewWriter(env.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "TENANT\tNAMESPACES\tACCOUNT\tREPOSITORIES\tCLUSTERS\tOBJECTS\tWRITTEN AT")
	for _, w := range made {
		t := w.Tenant
		repositories, clusters := "any", "this one"
		if n := len(t.AllowedRepositories); n > 0 {
			repositories = fmt.Sprint(n)
		}
		if n := len(t.AllowedClusters); n > 0 {
			clusters = fmt.Sprintf("and %d more", n)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", t.Name, strings.Join(t.NamespaceNames(), ","), t.Account(), repositories, clusters, len(w.Objects), oneLine(t.Place()))
	}
	return table.Flush()
}

func newTenantsShow(env *Env) *cobra.Command {
	var input tenantsFlags
	command := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show one tenant and the objects that it is made of",
		Long:    "Show prints the tenant with its template and the defaults worked in, and names the objects that are generated for it.",
		Example: "  assay tenants show team-a --from-file tenants.yaml",
		Args:    oneArgument("the name of a tenant"),
		RunE: func(_ *cobra.Command, args []string) error {
			made, err := input.workspaces(env)
			if err != nil {
				return err
			}
			w, err := findTenant(made, args[0])
			if err != nil {
				return err
			}
			if err := writeObject(env, "yaml", w.Tenant); err != nil {
				return err
			}
			fmt.Fprintf(env.Stdout, "\n# %d objects, written at %s:\n", len(w.Objects), oneLine(w.Tenant.Place()))
			for _, o := range w.Objects {
				fmt.Fprintf(env.Stdout, "# %s\n", workspaces.ID(o))
			}
			return nil
		},
	}
	input.define(command)
	return command
}

func findTenant(made []tenancy.Workspace, name string) (*tenancy.Workspace, error) {
	var names []string
	for i := range made {
		if made[i].Tenant.Name == name {
			return &made[i], nil
		}
		names = append(names, made[i].Tenant.Name)
	}
	return nil, suggest.Unknown("tenant", name, names, "`assay tenants list` lists them")
}

func newTenantsDiff(env *Env) *cobra.Command {
	var input tenantsFlags
	var cluster clusterFlags
	var format string
	formats := []string{"text", "json"}
	command := &cobra.Command{
		Use:   "diff",
		Short: "Tell how a cluster differs from the tenants",
		Long: `Diff tells what ` + "`assay create tenants --prune --prune-namespaces`" + ` would change in the cluster, by reading and by dry runs.
Nothing is changed.

Exit codes: 0 the cluster is as the tenants say, 1 it differs, 2 the command could not do its work.`,
		Example: "  assay tenants diff --from-file tenants.yaml --format json",
		Args:    noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			if !slices.Contains(formats, format) {
				return badFlag("format", format, formats)
			}
			made, err := input.workspaces(env)
			if err != nil {
				return err
			}
			target, err := cluster.workspaces(env)
			if err != nil {
				return err
			}
			plan, err := target.Plan(command.Context(), objectsOf(made), workspaces.Pruning{Objects: true, Namespaces: true})
			if err != nil {
				return fmt.Errorf("compare the tenants with the cluster: %w", err)
			}
			if format == "json" {
				err = writePlanJSON(env, plan)
			} else {
				writePlan(env, plan)
			}
			if err != nil {
				return err
			}
			if len(plan.Changes) > 0 {
				return code(exitViolations)
			}
			return nil
		},
	}
	input.define(command)
	section(command, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&format, "format", "text", "`format`: "+strings.Join(formats, ", "))
	})
	section(command, "Cluster", cluster.connection)
	complete(command, "format", oneOf(formats...))
	return command
}

func objectsOf(made []tenancy.Workspace) []*unstructured.Unstructured {
	var objects []*unstructured.Unstructured
	for _, w := range made {
		objects = append(objects, w.Objects...)
	}
	return objects
}

// maxShownValue is how much of a value is shown of a field that changes.
const maxShownValue = 100

// writePlan tells what would be done, an object a line and below it the fields that change.
func writePlan(env *Env, plan *workspaces.Plan) {
	signs := map[workspaces.Action]string{
		workspaces.Created: "+", workspaces.Updated: "~", workspaces.Recreated: "±", workspaces.Deleted: "-", workspaces.Kept: "?",
	}
	notes := map[workspaces.Action]string{
		workspaces.Recreated: " (made anew: the role of a binding cannot be changed)",
		workspaces.Kept:      " (no longer defined: --prune removes it)",
	}
	for _, change := range plan.Changes {
		fmt.Fprintf(env.Stdout, "%s %s%s\n", signs[change.Action], oneLine(change.ID), notes[change.Action])
		for _, f := range change.Fields {
			fmt.Fprintf(env.Stdout, "    %s: %s -> %s\n", oneLine(f.Path), shortValue(f.From), shortValue(f.To))
		}
	}
	if len(plan.Changes) == 0 {
		fmt.Fprintln(env.Stdout, "The cluster is as the tenants say.")
		return
	}
	counts := map[workspaces.Action]int{}
	for _, change := range plan.Changes {
		counts[change.Action]++
	}
	fmt.Fprintf(env.Stdout, "%d to create, %d to update, %d to recreate, %d to remove, %d kept\n",
		counts[workspaces.Created], counts[workspaces.Updated], counts[workspaces.Recreated], counts[workspaces.Deleted], counts[workspaces.Kept])
}

func shortValue(value any) string {
	if value == nil {
		return "nothing"
	}
	content, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	text := []rune(oneLine(string(content)))
	if len(text) > maxShownValue {
		return string(text[:maxShownValue]) + "…"
	}
	return string(text)
}

// planJSON is the document of --format json.
type planJSON struct {
	Changes []changeJSON `json:"changes"`
	// Foreign are objects with a tenant's label that were not made by this tool.
	Foreign []string `json:"foreign"`
}

type changeJSON struct {
	Action workspaces.Action        `json:"action"`
	ID     string                   `json:"id"`
	Tenant string                   `json:"tenant"`
	Fields []workspaces.FieldChange `json:"fields,omitempty"`
}

func writePlanJSON(env *Env, plan *workspaces.Plan) error {
	document := planJSON{Changes: []changeJSON{}, Foreign: append([]string{}, plan.Foreign...)}
	for _, change := range plan.Changes {
		document.Changes = append(document.Changes, changeJSON{change.Action, change.ID, change.Tenant, change.Fields})
	}
	return writeObject(env, "json", document)
}
