package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/assay-gitops/assay/internal/kube/workspaces"
	"github.com/assay-gitops/assay/tenancy"
)

// verifyTenants is `assay tenants verify`.
type verifyTenants struct {
	env     *Env
	input   tenantsFlags
	cluster clusterFlags
	tenants []string
	foreign string
	format  string
}

func newTenantsVerify(env *Env) *cobra.Command {
	v := &verifyTenants{env: env}
	formats := []string{"table", "json"}
	command := &cobra.Command{
		Use:   "verify",
		Short: "Try to break out of the workspaces, and tell what held",
		Long: `Verify tries every attack of the catalogue in docs/workspaces.md against every tenant, as the tenant's service account, and
asks what that account may do. Everything is a dry run: nothing is changed, and it is safe on production. It needs
the right to impersonate service accounts and groups.

It also looks at the arguments of Flux's controllers: some attacks are out of sight of any admission policy, and only
Flux itself can refuse them.

Outcomes: held; escaped; open, because the tenants file asks for no such wall; untried, because the cluster has nothing
to try it on; unclear, because it failed for another reason.

Exit codes: 0 nothing escaped, 1 something escaped, 2 the command could not do its work.`,
		Example: `  assay tenants verify --from-file tenants.yaml
  assay tenants verify --from-file tenants.yaml --tenant team-a -o json`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			if !slices.Contains(formats, v.format) {
				return badFlag("output", v.format, formats)
			}
			return v.run(command.Context())
		},
	}
	v.input.define(command)
	section(command, "Flags", func(f *pflag.FlagSet) {
		f.StringSliceVar(&v.tenants, "tenant", nil, "only the tenants of these `names`")
		f.StringVar(&v.foreign, "foreign-namespace", "", "`namespace` of somebody else that attacks aim at (default: that of another tenant, else default)")
		f.StringVarP(&v.format, "output", "o", "table", "`format`: "+strings.Join(formats, ", "))
	})
	section(command, "Cluster", v.cluster.connection)
	complete(command, "output", oneOf(formats...))
	return command
}

// verification is the document of -o json.
type verification struct {
	Attempts []workspaces.Attempt  `json:"attempts"`
	Flux     []workspaces.Lockdown `json:"flux"`
}

func (v *verifyTenants) run(ctx context.Context) error {
	made, err := v.input.workspaces(v.env)
	if err != nil {
		return err
	}
	chosen, err := v.choose(made)
	if err != nil {
		return err
	}
	config, err := v.cluster.config(v.env)
	if err != nil {
		return err
	}
	cluster, err := v.cluster.workspaces(v.env)
	if err != nil {
		return err
	}
	var result verification
	if result.Flux, err = cluster.Lockdown(ctx); err != nil {
		return err
	}
	for _, w := range chosen {
		attempts, err := cluster.Verify(ctx, config, w.Tenant, v.foreignOf(w, made))
		if err != nil {
			return fmt.Errorf("verify the tenant %s: %w", w.Tenant.Name, err)
		}
		result.Attempts = append(result.Attempts, attempts...)
	}
	if v.format == "json" {
		err = writeObject(v.env, "json", result)
	} else {
		err = v.table(result)
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(result.Attempts, func(a workspaces.Attempt) bool { return a.Outcome == workspaces.Escaped }) {
		return code(exitViolations)
	}
	return nil
}

func (v *verifyTenants) choose(made []tenancy.Workspace) ([]tenancy.Workspace, error) {
	if len(v.tenants) == 0 {
		return made, nil
	}
	var chosen []tenancy.Workspace
	for _, name := range v.tenants {
		w, err := findTenant(made, name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, *w)
	}
	return chosen, nil
}

// foreignOf is a namespace that is not the tenant's.
func (v *verifyTenants) foreignOf(w tenancy.Workspace, all []tenancy.Workspace) string {
	if v.foreign != "" {
		return v.foreign
	}
	own := w.Tenant.NamespaceNames()
	for _, other := range all {
		for _, name := range other.Tenant.NamespaceNames() {
			if !slices.Contains(own, name) {
				return name
			}
		}
	}
	return "default"
}

func (v *verifyTenants) table(result verification) error {
	table := tabwriter.NewWriter(v.env.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "TENANT\tATTACK\tOUTCOME\tDETAIL")
	counts := map[workspaces.Outcome]int{}
	for _, a := range result.Attempts {
		counts[a.Outcome]++
		detail := a.Detail
		if a.Outcome == workspaces.Escaped {
			detail = a.Title
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", a.Tenant, a.ID, a.Outcome, oneLine(detail))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(v.env.Stdout, "\n%d held, %d escaped, %d open, %d untried, %d unclear\n", counts[workspaces.Held], counts[workspaces.Escaped], counts[workspaces.Open], counts[workspaces.Untried], counts[workspaces.Unclear])
	if len(result.Flux) == 0 {
		fmt.Fprintln(v.env.Stdout, "Flux was not found in this cluster: its flags are not checked.")
	}
	for _, flag := range result.Flux {
		if !flag.Set {
			fmt.Fprintf(v.env.Stdout, "%s runs without %s: with it, %s\n", flag.Controller, flag.Flag, flag.Why)
		}
	}
	return nil
}
