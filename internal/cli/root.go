package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assay-gitops/assay/internal/suggest"
)

func newRoot(env *Env) *cobra.Command {
	var logLevel string
	root := &cobra.Command{
		Use:   "assay",
		Short: "Judge Kubernetes manifests by policies, where people write them",
		Long: `Assay judges what is in a Git tree by the same policies that guard the cluster: plain manifests, kustomizations
and Helm charts. Every violation comes with the file, line and column that a person wrote, why it matters and how to
solve it.

Exit codes: 0 all is well, 1 violations were found, 2 the command could not do its work.`,
		Example: `  # Check everything below the working directory by the policies that ship
  assay check

  # Learn what a policy demands, why, and how to satisfy it
  assay explain containers-running-in-privileged-mode`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       env.Version,
		Args:          cobra.ArbitraryArgs, // or cobra complains in its own words
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(command, args[0])
			}
			return command.Help()
		},
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return setUpLogging(env.Stderr, logLevel)
		},
	}
	root.PersistentFlags().StringVar(&logLevel, "log-level", "warn", "least `level` of log lines on standard error: debug, info, warn or error")
	root.SetVersionTemplate("assay {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(usage)
	root.SetHelpFunc(help)
	root.AddGroup(
		&cobra.Group{ID: groupGates, Title: "Check:"},
		&cobra.Group{ID: groupPolicies, Title: "Policies:"},
		&cobra.Group{ID: groupTenants, Title: "Tenants:"},
		&cobra.Group{ID: groupCluster, Title: "Cluster:"},
	)
	root.AddCommand(
		newCheck(env),
		newExplain(env),
		newPolicies(env),
		newTest(env),
		newCreate(env),
		newTenants(env),
		newAudit(env),
		newImpact(env),
		newAgent(env),
		newHub(env),
		newGet(env),
		newStatus(env),
		newBrake(env),
		newVersion(env),
		newCompletion(env),
		newDocs(env),
		validatorTopic(),
	)
	root.SetHelpCommand(newHelp())
	return root
}

// newHelp explains a command, or says that there is none of that name.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Explain a command",
		Long:    "Help explains a command with its flags and examples.",
		Example: "  assay help check",
		ValidArgsFunction: func(command *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return commandNames(command.Root()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(command *cobra.Command, args []string) error {
			explained, rest, err := command.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(command.Root(), strings.Join(args, " "))
			}
			explained.InitDefaultHelpFlag()
			explained.InitDefaultVersionFlag()
			return explained.Help()
		},
	}
}

// The groups of commands in the main help.
const (
	groupGates    = "gates"
	groupPolicies = "policies"
	groupTenants  = "tenants"
	groupCluster  = "cluster"
)

func unknownCommand(parent *cobra.Command, name string) error {
	return suggest.Unknown("command", name, commandNames(parent), "`"+parent.CommandPath()+" --help` lists them")
}

func commandNames(parent *cobra.Command) []string {
	var names []string
	for _, command := range parent.Commands() {
		if command.IsAvailableCommand() || command.IsAdditionalHelpTopicCommand() && !command.Hidden {
			names = append(names, command.Name())
		}
	}
	slices.Sort(names)
	return names
}
