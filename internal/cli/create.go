package cli

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/assay-gitops/assay/internal/kube/workspaces"
)

func newCreate(env *Env) *cobra.Command {
	command := &cobra.Command{
		Use:     "create",
		GroupID: groupTenants,
		Short:   "Create what a file describes",
		Long:    "Create makes Kubernetes objects from a file that describes them.",
		Example: "  assay create tenants --from-file tenants.yaml --export",
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(command, args[0])
			}
			return command.Help()
		},
	}
	command.AddCommand(newCreateTenants(env))
	return command
}

// createTenants is `assay create tenants`.
type createTenants struct {
	env                        *Env
	input                      tenantsFlags
	cluster                    clusterFlags
	export, skipPreflight, yes bool
	outputDir, dryRun          string
	pruning                    workspaces.Pruning
}

func newCreateTenants(env *Env) *cobra.Command {
	c := &createTenants{env: env}
	command := &cobra.Command{
		Use:     "tenants",
		Aliases: []string{"tenant"},
		Short:   "Make the workspaces of tenants, and the policies that keep each in its own",
		Long: `Tenants makes a workspace for every tenant in the tenants files: namespaces, service accounts, roles and bindings, limits,
network isolation, and the policies that keep the tenant in. Meant for Git: --export writes one stream, --output-dir
a folder for each tenant. Without them the objects are applied to the cluster.

Nothing is ever removed without --prune, which removes only what this command has applied; namespaces, with everything in
them, only with --prune-namespaces and after a confirmation.

Files of Weave GitOps work unchanged. docs/workspaces.md explains the format and the walls.`,
		Example: `  # For Git: a folder for each tenant, with its kustomization
  assay create tenants --from-file tenants.yaml --output-dir clusters/management/tenants

  # What would be changed in the cluster
  assay create tenants --from-file tenants.yaml --dry-run=server

  # One tenant, whose deployments may deploy and not change roles
  assay create tenants --name team-a --namespace team-a,team-a-test --default-role deployer --export`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return c.run(command) },
	}
	c.input.define(command)
	section(command, "Flags", func(f *pflag.FlagSet) {
		f.BoolVar(&c.export, "export", false, "write the objects as YAML to standard output and touch no cluster")
		f.StringVar(&c.outputDir, "output-dir", "", "write the objects to a `folder` for Git and touch no cluster; generated files that are no longer needed are removed")
		f.StringVar(&c.dryRun, "dry-run", "none", "server: tell what would be changed in the cluster, and change nothing; `none`")
		f.BoolVar(&c.skipPreflight, "skip-preflight-checks", false, "do not check whether the cluster knows policies")
		f.BoolVar(&c.pruning.Objects, "prune", false, "remove from the cluster what was applied for tenants and is no longer defined; namespaces are kept")
		f.BoolVar(&c.pruning.Namespaces, "prune-namespaces", false, "with --prune, remove namespaces too, with everything in them")
		f.BoolVarP(&c.yes, "yes", "y", false, "remove namespaces without asking")
	})
	section(command, "Cluster", c.cluster.connection)
	complete(command, "dry-run", oneOf("none", "server"))
	return command
}

func (c *createTenants) run(command *cobra.Command) error {
	switch {
	case c.dryRun != "none" && c.dryRun != "server":
		return badFlag("dry-run", c.dryRun, []string{"none", "server"})
	case c.export && c.outputDir != "":
		return usageErrorf("--export and --output-dir are two ways to write the same: choose one")
	case c.pruning.Namespaces && !c.pruning.Objects:
		return usageErrorf("--prune-namespaces needs --prune")
	case (c.export || c.outputDir != "") && c.pruning.Objects:
		return usageErrorf("--prune is about a cluster: with Git, Flux removes what is no longer in the repository")
	}
	if c.export {
		tenants, err := c.input.read(c.env)
		if err != nil {
			return err
		}
		return exportTenants(c.env, tenants)
	}
	made, err := c.input.workspaces(c.env)
	if err != nil {
		return err
	}
	switch {
	case c.outputDir != "":
		return writeTenantFiles(c.env, c.outputDir, made)
	case len(made) == 0:
		return fmt.Errorf("no tenant exists on the cluster %q: nothing is done", c.input.options.Cluster)
	}
	cluster, err := c.cluster.workspaces(c.env)
	if err != nil {
		return err
	}
	if !c.skipPreflight {
		if err := cluster.Preflight(command.Context()); err != nil {
			return err
		}
	}
	plan, err := cluster.Plan(command.Context(), objectsOf(made), c.pruning)
	if err != nil {
		return fmt.Errorf("failed to check current tenant resources: %w", err)
	}
	for _, foreign := range plan.Foreign {
		fmt.Fprintf(c.env.Stderr, "%s carries the label of a tenant and was not made by this command: it is left alone\n", oneLine(foreign))
	}
	if c.dryRun == "server" {
		writePlan(c.env, plan)
		return nil
	}
	if err := c.confirm(plan); err != nil {
		return err
	}
	for _, change := range plan.Changes {
		if change.Action == workspaces.Kept {
			fmt.Fprintf(c.env.Stdout, "%s no longer defined as part of a tenant use --prune to remove%s\n", oneLine(change.ID), namespacesToo(change))
		}
	}
	return cluster.Apply(command.Context(), plan, func(change workspaces.Change) {
		fmt.Fprintf(c.env.Stdout, "%s %s\n", oneLine(change.ID), change.Action)
	})
}

func namespacesToo(change workspaces.Change) string {
	if strings.HasPrefix(change.ID, "namespace/") {
		return ", with --prune-namespaces"
	}
	return ""
}

// confirm asks before namespaces are removed.
func (c *createTenants) confirm(plan *workspaces.Plan) error {
	var doomed []string
	for _, change := range plan.Changes {
		if name, isNamespace := strings.CutPrefix(change.ID, "namespace/"); isNamespace && change.Action == workspaces.Deleted {
			doomed = append(doomed, oneLine(name))
		}
	}
	if len(doomed) == 0 || c.yes {
		return nil
	}
	declined := usageErrorf("the namespaces %s and everything in them would be removed, and nobody said yes", strings.Join(doomed, ", "))
	declined.hint = "--yes says so where nobody can be asked"
	if c.input.usesStdin() {
		return declined
	}
	fmt.Fprintf(c.env.Stderr, "This removes the namespaces %s and everything in them. Write yes to go on: ", strings.Join(doomed, ", "))
	answer, _ := bufio.NewReader(c.env.Stdin).ReadString('\n') // no answer is no
	if strings.TrimSpace(answer) != "yes" {
		return declined
	}
	return nil
}

// workspaces is the cluster as a place for workspaces.
func (c *clusterFlags) workspaces(env *Env) (*workspaces.Cluster, error) {
	config, err := c.config(env)
	if err != nil {
		return nil, err
	}
	// Planning hundreds of workspaces is thousands of small requests; the API server's own fairness limits them.
	config.QPS, config.Burst = 500, 1000
	made, err := client.New(config, client.Options{})
	if err != nil {
		return nil, fmt.Errorf("could not create default config: %w", err)
	}
	return workspaces.New(made), nil
}
