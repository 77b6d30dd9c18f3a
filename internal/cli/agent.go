package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/assay-gitops/assay/internal/agent"
)

func newAgent(env *Env) *cobra.Command {
	o := agent.Options{Version: env.Version, Environ: os.Environ(), Log: env.Stderr}
	var checkConfig, unregister bool
	command := &cobra.Command{
		Use:     "agent",
		GroupID: groupCluster,
		Short:   "Guard a cluster: judge what is admitted by the policies in it",
		Long: `Agent is the process in the cluster. It watches Policies, PolicySets, PolicyConfigs and PolicyExceptions, judges what the
API server asks it about, keeps its own certificates and webhook registration, and writes into the status of each
policy whether it is in force. The chart policy-agent runs it.

The configuration is the old Weave Policy Agent's, with new keys; docs/agent-configuration.md lists them all. Every key
can be set by an environment variable as well: admission.enabled by ADMISSION_ENABLED.`,
		Example: `  # As the chart runs it
  assay agent --config-file /config/config.yaml

  # Is the configuration right?
  assay agent --config-file config.yaml --check-config

  # Remove the webhook registration from the cluster, as uninstalling the chart does
  assay agent --config-file config.yaml --unregister`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			switch {
			case checkConfig && unregister:
				return usageErrorf("--check-config and --unregister exclude each other")
			case checkConfig:
				return checkAgentConfig(env, o)
			case unregister:
				return agent.Unregister(command.Context(), o)
			}
			return agent.Run(command.Context(), o)
		},
	}
	section(command, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&o.ConfigFile, "config-file", "", "configuration `file`; without one, the environment configures all")
		f.BoolVar(&checkConfig, "check-config", false, "only tell whether the configuration is right")
		f.BoolVar(&unregister, "unregister", false, "only remove the webhook registration from the cluster")
		f.StringVar(&o.ClusterRole, "cluster-role", "", "`name` of the ClusterRole that owns the webhook registration, so that the registration goes when the chart goes")
	})
	return command
}

func checkAgentConfig(env *Env, o agent.Options) error {
	_, warnings, err := agent.Load(o)
	for _, w := range warnings {
		fmt.Fprintf(env.Stderr, "warning: %s\n", w)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(env.Stdout, "the configuration is valid")
	return nil
}
