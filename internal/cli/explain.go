package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
)

func newExplain(env *Env) *cobra.Command {
	var policies []string
	var format, color string
	formats := []string{"text", "code", "json", "yaml"}
	command := &cobra.Command{
		Use:     "explain POLICY",
		GroupID: groupPolicies,
		Short:   "Say what a policy demands, why, and how to satisfy it",
		Long: `Explain shows what a policy demands and why, how to satisfy it, which objects it judges, the parameters that a
PolicyConfig can set, and the controls of standards that it helps to fulfil.

POLICY is the id of a policy; weave.policies. may be left out. It is looked for among the policies that ship and then in
the tree below the working directory, as check does, or below the paths of --policies alone.`,
		Example: `  # A policy that ships
  assay explain containers-running-in-privileged-mode

  # Its rule
  assay explain containers-running-in-privileged-mode -o code

  # A policy that lies elsewhere
  assay explain acme.policies.owner-label --policies ../policies`,
		Args:              oneArgument("the id of a policy; `assay policies` lists them"),
		ValidArgsFunction: policyIDs(env, &policies),
		RunE: func(command *cobra.Command, args []string) error {
			colored, err := wantsColor(env, color)
			if err != nil {
				return err
			}
			p, origin, err := findPolicy(command.Context(), env, policies, args[0])
			if err != nil {
				return err
			}
			switch format {
			case "text":
				e := explainer{w: env.Stdout, color: colored, width: textWidth(env)}
				return e.explain(p, origin)
			case "code":
				return writeCode(env, p)
			case "json", "yaml":
				return writeObject(env, format, p)
			}
			return badFlag("output", format, formats)
		},
	}
	section(command, "Flags", func(f *pflag.FlagSet) {
		f.StringArrayVarP(&policies, "policies", "p", nil, "`path` of policies, instead of those that ship; repeatable")
		f.StringVarP(&format, "output", "o", "text", "`format`: text, code (the rule), json or yaml")
		f.StringVar(&color, "color", "auto", "`when` to colour text: auto, always or never")
	})
	complete(command, "output", oneOf(formats...))
	complete(command, "color", oneOf("auto", "always", "never"))
	return command
}

// writeCode writes the rule of a policy as its author wrote it.
func writeCode(env *Env, p *v2.Policy) error {
	if p.Spec.CEL != nil {
		return writeObject(env, "yaml", p.Spec.CEL)
	}
	_, err := fmt.Fprintln(env.Stdout, trimNewlines(p.Spec.Code))
	return err
}

// writeObject writes a value as a document for programs.
func writeObject(env *Env, format string, value any) error {
	var content []byte
	var err error
	if format == "json" {
		content, err = json.MarshalIndent(value, "", "  ")
		content = append(content, '\n')
	} else {
		content, err = yaml.Marshal(value)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", format, err)
	}
	_, err = env.Stdout.Write(content)
	return err
}
