package cli

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/gate/check"
	"github.com/assay-gitops/assay/internal/render"
	"github.com/assay-gitops/assay/internal/report"
	"github.com/assay-gitops/assay/library"
)

// checkFlags are the flags of check as they were given.
type checkFlags struct {
	root         string
	helm         helmFlags
	maxFileSize  string
	allowNetwork bool

	judgeFlags
	keepGoing  bool
	output     outputFlags
	validator  validatorFlags
	noProgress bool
}

func newCheck(env *Env) *cobra.Command {
	var flags checkFlags
	command := &cobra.Command{
		Use:     "check [PATH...]",
		GroupID: groupGates,
		Short:   "Judge what is in a Git tree by policies",
		Long: `Check renders what the paths hold and judges every object by the policies, as the cluster would on admission.

A PATH is a file, a folder, or - for standard input; the working directory when there is none. Folders are explored:
plain YAML and JSON, kustomizations and Helm charts are recognised, and what .gitignore and .assayignore name is left
out. Nothing is ever written into the tree.

The policies that ship with Assay act unless --policies names others. Policies, PolicySets, PolicyConfigs,
PolicyExceptions and Namespaces that are found in the tree are honoured in either case. A policy in a file replaces the
one that ships with the same id.

What cannot be read, rendered or evaluated is reported with its place, the rest is still checked, and the exit code
is 2.

Exit codes:
  0  no violation that --fail-on counts
  1  violations; only those of policies that are enforced count, the others are warnings
  2  something could not be checked

Environment:
  NO_COLOR                       no colours, when not empty
  CLICOLOR_FORCE, FORCE_COLOR    colours also where no terminal shows the output
  CI                             no progress, when not empty
  GITHUB_STEP_SUMMARY            the file that -o github adds a summary to in GitHub Actions`,
		Example: `  # Everything below the working directory, by the policies that ship
  assay check

  # By the policies of another folder, failing only on severe violations
  assay check apps --policies ../policies --fail-on high

  # A chart with the values of production
  assay check charts/shop --values values-production.yaml --set image.tag=1.4.2

  # What another program renders
  kustomize build overlays/staging | assay check -

  # In GitHub Actions: annotations, and a file for code scanning
  assay check -o github --report sarif=assay.sarif

  # Only what concerns one policy
  assay check --policy containers-running-in-privileged-mode`,
		RunE: func(command *cobra.Command, args []string) error {
			return runCheck(command.Context(), env, &flags, command.Flags(), args)
		},
	}
	section(command, "What is checked", func(f *pflag.FlagSet) {
		f.StringVar(&flags.root, "root", "", "`folder` that all places in reports are relative to (default: the working directory)")
		flags.helm.define(f)
		f.BoolVar(&flags.allowNetwork, "allow-network", false, "let kustomizations fetch remote bases")
		f.StringVar(&flags.maxFileSize, "max-file-size", "32Mi", "refuse files above this `size`")
	})
	section(command, "Policies", func(f *pflag.FlagSet) {
		flags.definePolicies(f, v2.ModeAdmission, "that ship")
	})
	section(command, "Verdict", func(f *pflag.FlagSet) {
		flags.defineVerdict(f)
		f.BoolVar(&flags.keepGoing, "keep-going", true, "check the rest when something cannot be checked")
	})
	section(command, "Output", func(f *pflag.FlagSet) {
		flags.output.define(f)
		f.BoolVar(&flags.noProgress, "no-progress", false, "do not show progress on the terminal")
	})
	flags.validator.define(command.Flags())
	completeCheck(command, env, &flags.policies)
	return command
}

func runCheck(ctx context.Context, env *Env, flags *checkFlags, set *pflag.FlagSet, paths []string) error {
	paths, err := flags.validator.apply(flags, env, set, paths)
	if err != nil {
		return err
	}
	options, err := flags.options(env, paths)
	if err != nil {
		return err
	}
	output, err := flags.output.prepare(env)
	if err != nil {
		return err
	}
	progress := newProgress(env, flags.noProgress || flags.output.quiet)
	options.Progress = func(p check.Progress) { progress.update(progressLine(p)) }
	found, err := check.Run(ctx, options)
	progress.clear()
	if err != nil {
		return err
	}
	if err := output.write(env, found); err != nil {
		return err
	}
	return code(flags.exitCode(found))
}

// exitCode is the report's, unless the old flag asks to overlook violations.
func (f *checkFlags) exitCode(found *report.Report) int {
	if c := found.ExitCode(); c != exitViolations || !f.validator.noExitError {
		return c
	}
	return exitClean
}

// options are what the flags say in the gate's words.
func (f *checkFlags) options(env *Env, paths []string) (check.Options, error) {
	judging, err := f.read()
	if err != nil {
		return check.Options{}, err
	}
	o := check.Options{
		Paths:     paths,
		Policies:  f.policies,
		Library:   library.FS,
		Mode:      judging.mode,
		FailOn:    judging.failOn,
		Only:      judging.only,
		Workloads: judging.workloads,
		Timeout:   f.timeout,
		Jobs:      f.jobs,
		Version:   env.Version,
	}
	if len(o.Paths) == 0 {
		o.Paths = []string{"."}
	}
	maxBytes, err := parseSize("max-file-size", f.maxFileSize)
	if err != nil {
		return o, err
	}
	root := rootDir(env, f.root)
	if info, err := os.Stat(root); f.root != "" && (err != nil || !info.IsDir()) {
		return o, usageErrorf("--root %q: there is no such folder", f.root)
	}
	o.Render = render.Options{
		Root:         root,
		Stdin:        env.Stdin,
		Helm:         f.helm.options(),
		AllowNetwork: f.allowNetwork,
		MaxFileBytes: maxBytes,
		StopAtFirst:  !f.keepGoing,
	}
	o.PolicyHelm = f.validator.policyHelm()
	return o, nil
}

func parseMode(name string) (v2.Mode, error) {
	switch mode := v2.Mode(name); mode {
	case v2.ModeAdmission, v2.ModeAudit:
		return mode, nil
	case v2.ModeTFAdmission:
		return "", &usageError{err: errors.New("--mode tf-admission: Terraform plans cannot be checked yet")}
	}
	return "", badFlag("mode", name, []string{string(v2.ModeAdmission), string(v2.ModeAudit)})
}

func parseFailOn(name string) (v2.Severity, error) {
	if name == "none" {
		return "", nil
	}
	if severity, ok := parseSeverity(name); ok {
		return severity, nil
	}
	return "", badFlag("fail-on", name, append(severityNames(), "none"))
}

func parseSeverity(name string) (v2.Severity, bool) {
	for _, severity := range severityNames() {
		if strings.EqualFold(name, severity) {
			return v2.Severity(severity), true
		}
	}
	return "", false
}

func severityNames() []string {
	return []string{string(v2.SeverityLow), string(v2.SeverityMedium), string(v2.SeverityHigh)}
}
