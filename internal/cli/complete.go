package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/internal/report"
)

// completion is what cobra asks for when a shell wants to complete a word.
type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// oneOf completes to one of the words.
func oneOf(words ...string) completion {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// policyIDs completes to ids of policies, each explained by its name. Short slugs are offered while the word does not
// look like a full id.
func policyIDs(env *Env, paths *[]string) completion {
	return func(command *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		c, err := loadPolicies(command.Context(), env, *paths)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var words []string
		for _, p := range c.Sources.Policies {
			id := p.Spec.ID
			if slug := catalog.Slug(id); word == "" || strings.HasPrefix(slug, word) {
				id = slug
			}
			words = append(words, id+"\t"+p.Spec.Name)
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// categories completes to categories of policies, without their conventional prefix.
func categories(env *Env, paths *[]string) completion {
	return func(command *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		c, err := loadPolicies(command.Context(), env, *paths)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var words []string
		for _, p := range c.Sources.Policies {
			words = append(words, catalog.LastPart(p.Spec.Category))
		}
		slices.Sort(words)
		return slices.Compact(words), cobra.ShellCompDirectiveNoFileComp
	}
}

// complete sets the completion of a flag, which must exist.
func complete(command *cobra.Command, flag string, c completion) {
	if err := command.RegisterFlagCompletionFunc(flag, c); err != nil {
		panic(err) // the flag is spelt wrong in this package
	}
}

func completeCheck(command *cobra.Command, env *Env, policies *[]string) {
	complete(command, "output", oneOf(report.Formats()...))
	complete(command, "report", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var words []string
		for _, format := range report.Formats() {
			words = append(words, format+"=")
		}
		return words, cobra.ShellCompDirectiveNoSpace
	})
	complete(command, "fail-on", oneOf(append(severityNames(), "none")...))
	complete(command, "severity", oneOf(severityNames()...))
	complete(command, "mode", oneOf("admission", "audit"))
	complete(command, "color", oneOf("auto", "always", "never"))
	complete(command, "policy", policyIDs(env, policies))
	complete(command, "category", categories(env, policies))
}
