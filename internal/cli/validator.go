package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/assay-gitops/assay/internal/render"
)

// validatorFlags are those of the Weave policy validator, so that pipelines that call it need not change. They are left
// out of the help of check; `assay help weave-validator` explains them.
type validatorFlags struct {
	path, policiesPath, helmValues, policiesHelmValues string
	sast, sarif, json                                  string
	noExitError, remediate, gitReport                  bool
	provider                                           [7]string
}

// provider flags are accepted and have nothing to act on without --remediate and --generate-git-report.
var providerFlags = [7]string{
	"git-repo-provider", "git-repo-host", "git-repo-url", "git-repo-branch", "git-repo-sha", "git-repo-token", "azure-project",
}

// gitReportVariable asks for what --generate-git-report asks for.
const gitReportVariable = "WEAVE_GENERATE_GIT_PROVIDER_REPORT"

func (v *validatorFlags) define(command *pflag.FlagSet) {
	f := pflag.NewFlagSet("Flags of the Weave policy validator", pflag.ContinueOnError)
	f.StringVar(&v.path, "path", "", "tree to check; as PATH")
	f.StringVar(&v.policiesPath, "policies-path", "", "tree of policies; as --policies")
	f.StringVar(&v.helmValues, "helm-values-file", "", "values file for charts; as --values")
	f.StringVar(&v.policiesHelmValues, "policies-helm-values-file", "", "values file for charts that hold policies")
	f.StringVar(&v.sast, "sast", "", "file for GitLab's SAST report; as --report gitlab-sast=FILE")
	f.StringVar(&v.sarif, "sarif", "", "file for SARIF; as --report sarif=FILE")
	f.StringVar(&v.json, "json", "", "file for the validator's own JSON; as --report weave-json=FILE")
	f.BoolVar(&v.noExitError, "no-exit-error", false, "exit with 0 in spite of violations")
	f.BoolVar(&v.remediate, "remediate", false, "open a pull request with fixes (not available)")
	f.BoolVar(&v.gitReport, "generate-git-report", false, "report to the Git provider (not available)")
	for i, name := range providerFlags {
		f.StringVar(&v.provider[i], name, "", "accepted and not used")
	}
	f.VisitAll(func(flag *pflag.Flag) { flag.Hidden = true })
	command.AddFlagSet(f)
}

// apply makes the old flags mean what the new ones do, and returns the paths. A flag with an empty value counts as not
// given, as wrappers pass every option that they know.
func (v *validatorFlags) apply(flags *checkFlags, env *Env, set *pflag.FlagSet, paths []string) ([]string, error) {
	if err := v.refuse(env, set); err != nil {
		return nil, err
	}
	if v.path != "" {
		paths = append(slices.Clone(paths), v.path)
	}
	if v.policiesPath != "" {
		flags.policies = append(flags.policies, v.policiesPath)
	}
	if v.helmValues != "" {
		flags.helm.values = append(flags.helm.values, v.helmValues)
	}
	for _, r := range []struct{ format, file string }{{"gitlab-sast", v.sast}, {"sarif", v.sarif}, {"weave-json", v.json}} {
		if r.file != "" {
			flags.output.reports = append(flags.output.reports, r.format+"="+r.file)
		}
	}
	return paths, nil
}

// refuse fails before any work when something is asked for that would silently not happen.
func (v *validatorFlags) refuse(env *Env, set *pflag.FlagSet) error {
	const hint = "leave it out; --report writes the findings to a file that a later step can publish"
	if v.remediate {
		return &usageError{err: fmt.Errorf("--remediate: opening pull requests with fixes is not available yet"), hint: hint}
	}
	if v.gitReport {
		return &usageError{err: fmt.Errorf("--generate-git-report: reporting to Git providers is not available yet"), hint: hint}
	}
	if value := env.Getenv(gitReportVariable); value != "" && !set.Changed("generate-git-report") {
		if wanted, err := strconv.ParseBool(value); err != nil || wanted {
			return &usageError{
				err:  fmt.Errorf("%s=%s: reporting to Git providers is not available yet", gitReportVariable, value),
				hint: "unset it; --report writes the findings to a file that a later step can publish",
			}
		}
	}
	return nil
}

func (v *validatorFlags) policyHelm() render.HelmOptions {
	if v.policiesHelmValues == "" {
		return render.HelmOptions{}
	}
	return render.HelmOptions{ValuesFiles: []string{v.policiesHelmValues}}
}

// doubleDashes turns the validator's -path into --path, as its parser took both.
func doubleDashes(args []string) []string {
	out := slices.Clone(args)
	for i, arg := range out {
		if arg == "--" {
			break
		}
		if strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && len(arg) > 2 {
			out[i] = "-" + arg
		}
	}
	return out
}

// validatorTopic is a page of help without a command.
func validatorTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "weave-validator",
		Short: "Coming from the Weave policy validator: its flags and what they are called here",
		Long: `Check accepts the flags and variables of the Weave policy validator, so that a pipeline only needs another binary.
Called under the name weave-policy-validator (a symbolic link will do), assay is the check command.

Flags of the Weave policy validator:
  --path PATH                        assay check PATH
  --policies-path PATH               --policies PATH
  --helm-values-file FILE            --values FILE
  --policies-helm-values-file FILE   values for charts that hold policies
  --sast FILE                        --report gitlab-sast=FILE
  --sarif FILE                       --report sarif=FILE
  --json FILE                        --report weave-json=FILE, or better --report json=FILE
  --no-exit-error                    --fail-on none
  --git-repo-provider, --git-repo-host, --git-repo-url, --git-repo-branch, --git-repo-sha,
  --git-repo-token, --azure-project  accepted and not used
  --remediate, --generate-git-report (and the variable WEAVE_GENERATE_GIT_PROVIDER_REPORT)
                                     not available yet: the command refuses to run rather than do half of the work

What is different:
  - Exit code 1 means violations and nothing else; when something could not be checked it is 2, also with
    --no-exit-error.
  - Paths in reports are relative to the working directory (see --root).
  - Reports hold the policies of all categories, and the message of each occurrence.
  - PolicyConfigs, PolicySets, PolicyExceptions, exclude and enforce count as they do in the cluster.
  - No file of the tree is changed.`,
	}
}
