package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/assay-gitops/assay/internal/kube/workspaces"
	"github.com/assay-gitops/assay/tenancy"
)

func newTenantsRemove(env *Env) *cobra.Command {
	var input tenantsFlags
	command := &cobra.Command{
		Use:     "remove NAME",
		Short:   "Tell what removing a tenant means, and the steps",
		Long:    "Remove tells which objects go when a tenant is removed from its file, and the steps to do it. It changes nothing.",
		Example: "  assay tenants remove team-a --from-file tenants.yaml",
		Args:    oneArgument("the name of a tenant"),
		RunE: func(_ *cobra.Command, args []string) error {
			return planChange(env, &input, args[0], func(t *tenancy.Tenants) (*tenancy.Tenants, error) { return t.Without(args[0]), nil },
				func(t *tenancy.Tenant) []string {
					return []string{
						"Save what is to be kept of the namespaces: everything in them goes with them.",
						fmt.Sprintf("Remove the tenant from the file (%s).", t.Place()),
						"With Git: write the output folder again and commit; Flux removes the rest if it prunes.",
						"In a cluster: assay create tenants --prune, and --prune-namespaces for the namespaces.",
					}
				})
		},
	}
	input.define(command)
	return command
}

func newTenantsRename(env *Env) *cobra.Command {
	var input tenantsFlags
	command := &cobra.Command{
		Use:   "rename OLD NEW",
		Short: "Tell what renaming a tenant means, and the steps",
		Long: `Rename tells which objects are made and removed when a tenant gets another name, and the steps to do it. It changes nothing. The
namespaces stay with everything that runs in them; only deployments wait.`,
		Example: "  assay tenants rename team-a payments --from-file tenants.yaml",
		Args: func(command *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageErrorf("%s needs two names, got %d", command.CommandPath(), len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			return planChange(env, &input, args[0], func(t *tenancy.Tenants) (*tenancy.Tenants, error) { return t.Renamed(args[0], args[1]) },
				func(t *tenancy.Tenant) []string {
					resume := "Resume them."
					if t.Account() == t.Name {
						resume = fmt.Sprintf("Change serviceAccountName from %s to %s in the tenant's repositories, and resume them.", t.Name, args[1])
					}
					return []string{
						"Suspend the tenant's Kustomizations and HelmReleases: the walls of the new name refuse the old account.",
						fmt.Sprintf("Rename the tenant in the file (%s).", t.Place()),
						"With Git: write the output folder again and commit. In a cluster: assay create tenants --prune; what is new is made before what is old goes.",
						resume,
					}
				})
		},
	}
	input.define(command)
	return command
}

// planChange tells what a change of the tenants does to the objects, and the steps.
func planChange(env *Env, input *tenantsFlags, name string, change func(*tenancy.Tenants) (*tenancy.Tenants, error), steps func(*tenancy.Tenant) []string) error {
	tenants, err := input.read(env)
	if err != nil {
		return err
	}
	made, err := tenancy.Generate(tenants)
	if err != nil {
		return fmt.Errorf("failed to generate tenant output: %w", err)
	}
	w, err := findTenant(made, name)
	if err != nil {
		return err
	}
	changed, err := change(tenants)
	if err != nil {
		return err
	}
	after, err := tenancy.Generate(changed)
	if err != nil {
		return fmt.Errorf("failed to generate tenant output: %w", err)
	}
	before, then := ids(made), ids(after)
	for _, id := range before {
		if !slices.Contains(then, id) {
			fmt.Fprintf(env.Stdout, "- %s\n", id)
		}
	}
	for _, id := range then {
		if !slices.Contains(before, id) {
			fmt.Fprintf(env.Stdout, "+ %s\n", id)
		}
	}
	fmt.Fprintln(env.Stdout, "\nSteps:")
	for i, step := range steps(w.Tenant) {
		fmt.Fprintf(env.Stdout, "%d. %s\n", i+1, oneLine(step))
	}
	return nil
}

func ids(made []tenancy.Workspace) []string {
	var all []string
	for _, o := range objectsOf(made) {
		all = append(all, workspaces.ID(o))
	}
	return all
}
