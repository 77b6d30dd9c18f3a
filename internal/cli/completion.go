package cli

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assay-gitops/assay/internal/suggest"
)

func newCompletion(env *Env) *cobra.Command {
	scripts := map[string]func(root *cobra.Command) error{
		"bash":       func(root *cobra.Command) error { return root.GenBashCompletionV2(env.Stdout, true) },
		"fish":       func(root *cobra.Command) error { return root.GenFishCompletion(env.Stdout, true) },
		"powershell": func(root *cobra.Command) error { return root.GenPowerShellCompletionWithDesc(env.Stdout) },
		"zsh":        func(root *cobra.Command) error { return root.GenZshCompletion(env.Stdout) },
	}
	shells := slices.Sorted(maps.Keys(scripts))
	return &cobra.Command{
		Use:   "completion " + strings.Join(shells, "|"),
		Short: "Print the completion script of a shell",
		Long: `Completion prints a script that makes a shell complete commands, flags, formats and the ids of policies.

  bash        source it in ~/.bashrc, or write it to /etc/bash_completion.d/assay; it needs the package bash-completion
  fish        write it to ~/.config/fish/completions/assay.fish
  powershell  run its output in the profile
  zsh         write it to a file named _assay in a folder of $fpath`,
		Example: `  source <(assay completion bash)
  assay completion fish > ~/.config/fish/completions/assay.fish`,
		ValidArgs: shells,
		Args:      oneArgument("the name of a shell: " + strings.Join(shells, ", ")),
		RunE: func(command *cobra.Command, args []string) error {
			script, ok := scripts[args[0]]
			if !ok {
				return suggest.Unknown("shell", args[0], shells, "shells are "+strings.Join(shells, ", "))
			}
			return script(command.Root())
		},
	}
}
