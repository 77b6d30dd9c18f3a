package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/assay-gitops/assay/internal/policytest"
)

func newTest(env *Env) *cobra.Command {
	var options policytest.Options
	var coverageMin float64
	var format, color string
	formats := []string{"text", "junit", "json"}
	command := &cobra.Command{
		Use:     "test [PATH...]",
		GroupID: groupPolicies,
		Short:   "Run the tests of policies",
		Long: `Test runs the tests of the policies below the paths, or below the working directory: cases that say what a policy must
find in an object, manifests that must pass or fail, and unit tests in Rego (_test.rego).

Exit codes:
  0  all tests passed
  1  a test failed, or a policy is covered less than --coverage-min demands
  2  some tests could not be run`,
		Example: `  # All tests of a library
  assay test policies

  # Those of one policy, with what they do not reach
  assay test policies --run acme.policies.owner --coverage

  # In a pipeline
  assay test policies -o junit --coverage-min 80 > tests.xml`,
		RunE: func(command *cobra.Command, args []string) error {
			if coverageMin < 0 || coverageMin > 100 {
				return usageErrorf("--coverage-min %v: must be between 0 and 100", coverageMin)
			}
			colored, err := wantsColor(env, color)
			if err != nil {
				return err
			}
			options.Paths = args
			if len(args) == 0 {
				options.Paths = []string{"."}
			}
			options.Coverage = options.Coverage || coverageMin > 0
			if !slices.Contains(formats, format) {
				return badFlag("output", format, formats)
			}
			summary, err := policytest.Run(command.Context(), options)
			if err != nil {
				return err
			}
			if err := writeSummary(env, format, colored, summary); err != nil {
				return err
			}
			exit := summary.ExitCode()
			if tooLittleCovered(env, summary, coverageMin) {
				exit = max(exit, exitViolations)
			}
			return code(exit)
		},
	}
	section(command, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&options.Run, "run", "", "only tests for which \"policy/case/kind\" matches this regular `expression`")
		f.BoolVar(&options.Coverage, "coverage", false, "say what the tests reach of each policy, and what they do not")
		f.Float64Var(&coverageMin, "coverage-min", 0, "least `percentage` that the tests must reach of every policy")
		f.DurationVar(&options.Timeout, "timeout", time.Duration(0), "longest `time` that one case may take (default 1s, more for tests in Rego)")
		f.StringVarP(&format, "output", "o", "text", "`format`: text, junit or json")
		f.StringVar(&color, "color", "auto", "`when` to colour text: auto, always or never")
	})
	complete(command, "output", oneOf(formats...))
	complete(command, "color", oneOf("auto", "always", "never"))
	return command
}

func writeSummary(env *Env, format string, colored bool, summary *policytest.Summary) error {
	switch format {
	case "junit":
		return policytest.WriteJUnit(env.Stdout, summary)
	case "json":
		return writeObject(env, "json", testDocument(summary))
	}
	return policytest.WriteText(env.Stdout, summary, policytest.TextOptions{Color: colored})
}

// tooLittleCovered names the policies that the tests reach less of than demanded.
func tooLittleCovered(env *Env, summary *policytest.Summary, least float64) bool {
	found := false
	for i := range summary.Policies {
		p := &summary.Policies[i]
		if p.Coverage == nil || p.Coverage.Percent() >= least {
			continue
		}
		found = true
		fmt.Fprintf(env.Stderr, "error: the tests of %s reach %.1f%% of it, less than %v%%\n", p.Policy.Spec.ID, p.Coverage.Percent(), least)
	}
	return found
}
