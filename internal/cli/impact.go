package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/gate/survey"
	"github.com/assay-gitops/assay/internal/render"
	"github.com/assay-gitops/assay/internal/words"
	"github.com/assay-gitops/assay/policy"
)

// impactFlags are the flags of impact as they were given.
type impactFlags struct {
	surveyFlags
	files      []string
	without    []string
	output     string
	noProgress bool
}

var impactFormats = []string{"text", "json", "yaml"}

func newImpact(env *Env) *cobra.Command {
	var flags impactFlags
	command := &cobra.Command{
		Use:     "impact",
		GroupID: groupGates,
		Short:   "Tell what a change of policies would do to what a cluster runs",
		Long: `Impact judges what a cluster runs twice: by the policies of the cluster as they are, and as they would be with those that
--filename names, which take the place of what has the same kind and name. It shows every object that would stand otherwise:
complies, excepted, warned (a violation of a policy that is not enforced) or refused. Nothing is written to the cluster, and nothing
needs to be installed in it.

It answers what enforcing a policy, a new policy, another parameter in a PolicyConfig, a PolicySet or a PolicyException would do,
before it is merged. Objects that run are not stopped by any of it: refused is what their next change would be.

Not judged is what audit does not judge: see assay audit --help.

Exit codes:
  0  nothing would stand worse
  1  something would
  2  something could not be compared`,
		Example: `  # What would it break to enforce this?
  assay impact -f policies/minimum-replicas.yaml

  # All policies of a branch, for two teams
  assay impact -f ./policies -n shop,payments

  # Who profits from an exception that is to go
  assay impact --without PolicyException/legacy`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return runImpact(command.Context(), env, &flags) },
	}
	section(command, "Change", func(f *pflag.FlagSet) {
		f.StringArrayVarP(&flags.files, "filename", "f", nil, "`path` of policies, sets, configs and exceptions as they would be, - for standard input; repeatable")
		f.StringArrayVar(&flags.without, "without", nil, "`KIND/NAME` of what would be gone, such as PolicyException/legacy; repeatable")
	})
	section(command, "Cluster", flags.defineScope)
	section(command, "Policies", func(f *pflag.FlagSet) {
		f.StringVar(&flags.mode, "mode", string(v2.ModeAdmission), "judge by the policies that act in this `mode`: admission or audit")
		flags.only.define(f)
		f.StringArrayVar(&flags.workloads, "workload", nil, "`kind` with a pod template that Assay does not know: see assay audit --help; repeatable")
		f.DurationVar(&flags.timeout, "timeout", 0, "longest `time` that one policy may take on one object (default 1s)")
		f.IntVarP(&flags.jobs, "jobs", "j", 0, "`number` of objects judged at the same time (default: one for each processor)")
	})
	section(command, "Output", func(f *pflag.FlagSet) {
		f.StringVarP(&flags.output, "output", "o", "text", "`format`: "+strings.Join(impactFormats, ", "))
		f.BoolVar(&flags.noProgress, "no-progress", false, "do not show progress on the terminal")
	})
	complete(command, "output", oneOf(impactFormats...))
	complete(command, "mode", oneOf(string(v2.ModeAdmission), string(v2.ModeAudit)))
	return command
}

func runImpact(ctx context.Context, env *Env, flags *impactFlags) error {
	if !slices.Contains(impactFormats, flags.output) {
		return badFlag("output", flags.output, impactFormats)
	}
	if len(flags.files) == 0 && len(flags.without) == 0 {
		return usageErrorf("say what would change: give --filename or --without")
	}
	flags.failOn = string(v2.SeverityLow)
	options, err := flags.options(env)
	if err != nil {
		return err
	}
	objects, without, err := flags.change(ctx, env)
	if err != nil {
		return err
	}
	clients, err := newAuditClients(env, &flags.cluster)
	if err != nil {
		return err
	}
	progress := newProgress(env, flags.noProgress)
	defer progress.clear()
	progress.update("reading policies …")
	clients.complete(ctx, &options, flags.exclude, progress)
	found, err := survey.Propose(ctx, options, objects, without)
	progress.clear()
	if err != nil {
		return err
	}
	if err := writeImpact(env, flags.output, found); err != nil {
		return err
	}
	switch {
	case reportProblems(env, found.Problems):
		return exitCode(exitFailure)
	case len(found.Changes) > 0 && found.Changes[0].Worse():
		return exitCode(exitViolations)
	}
	return nil
}

// change is what the flags say would change.
func (f *impactFlags) change(ctx context.Context, env *Env) (objects []*policy.Object, without []survey.Ref, err error) {
	for _, gone := range f.without {
		kind, name, ok := strings.Cut(gone, "/")
		if !ok || kind == "" || name == "" {
			return nil, nil, usageErrorf("--without %q: give it as KIND/NAME, such as PolicyException/legacy", gone)
		}
		without = append(without, survey.Ref{Kind: kind, Name: name})
	}
	if len(f.files) == 0 {
		return nil, without, nil
	}
	tree, err := render.Render(ctx, f.files, render.Options{Root: env.Dir, Stdin: env.Stdin})
	if err != nil {
		return nil, nil, fmt.Errorf("read what would change: %w", err)
	}
	if reportProblems(env, tree.Problems) {
		return nil, nil, exitCode(exitFailure)
	}
	if !slices.ContainsFunc(tree.Objects, func(o *policy.Object) bool { return o.Group() == v2.Group }) {
		return nil, nil, fmt.Errorf("no policy, set, config or exception was found in %s", strings.Join(f.files, ", "))
	}
	return tree.Objects, without, nil
}

// impactShown is the impact for machines.
type impactShown struct {
	Objects int            `json:"objects"`
	Worse   []impactChange `json:"worse"`
	Better  []impactChange `json:"better"`
}

type impactChange struct {
	Policy     string   `json:"policy"`
	Severity   string   `json:"severity"`
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Namespace  string   `json:"namespace"`
	Name       string   `json:"name"`
	Before     string   `json:"before"`
	After      string   `json:"after"`
	Messages   []string `json:"messages"`
}

func writeImpact(env *Env, format string, found *survey.Impact) error {
	shown := impactShown{Objects: found.Objects, Worse: []impactChange{}, Better: []impactChange{}}
	for i := range found.Changes {
		c := &found.Changes[i]
		change := impactChange{
			Policy: c.Policy.Spec.ID, Severity: string(c.Policy.Spec.Severity), APIVersion: c.Object.APIVersion(), Kind: c.Object.Kind(),
			Namespace: c.Object.Namespace(), Name: c.Object.Name(), Before: string(c.Before), After: string(c.After), Messages: []string{},
		}
		for _, occurrence := range c.Occurrences {
			change.Messages = append(change.Messages, occurrence.Message)
		}
		if c.Worse() {
			shown.Worse = append(shown.Worse, change)
		} else {
			shown.Better = append(shown.Better, change)
		}
	}
	if format != "text" {
		return writeObject(env, format, shown)
	}
	impactLines(env.Stdout, "Would be worse", shown.Worse)
	impactLines(env.Stdout, "Would be better", shown.Better)
	_, err := fmt.Fprintf(env.Stdout, "%d objects judged: %d would stand worse with a policy, %d better\n", shown.Objects, len(shown.Worse), len(shown.Better))
	if err != nil {
		return fmt.Errorf("write the impact: %w", err)
	}
	return nil
}

// impactLines are the changes below the policies that they are of.
func impactLines(w io.Writer, title string, changes []impactChange) {
	if len(changes) == 0 {
		return
	}
	fmt.Fprintf(w, "%s:\n", title)
	last := ""
	for _, c := range changes {
		if c.Policy != last {
			last = c.Policy
			fmt.Fprintf(w, "  %s [%s]\n", words.OneLine(c.Policy, maxTrouble), words.OneLine(c.Severity, maxTrouble))
		}
		object := c.Kind + " " + c.Name
		if c.Namespace != "" {
			object = c.Kind + " " + c.Namespace + "/" + c.Name
		}
		message := ""
		if len(c.Messages) > 0 {
			message = ": " + c.Messages[0]
		}
		if n := len(c.Messages) - 1; n > 0 {
			message += fmt.Sprintf(" (and %d more)", n)
		}
		fmt.Fprintf(w, "    %s: %s → %s%s\n", words.OneLine(object, maxTrouble), c.Before, c.After, words.OneLine(message, maxTrouble))
	}
	fmt.Fprintln(w)
}
