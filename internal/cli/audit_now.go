package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/assay-gitops/assay/internal/agent"
	"github.com/assay-gitops/assay/internal/gate/audit"
)

func newAuditNow(env *Env) *cobra.Command {
	var cluster clusterFlags
	var wait bool
	var timeout time.Duration
	command := &cobra.Command{
		Use:   "now",
		Short: "Ask the agent for a full audit",
		Long: `The agent judges what runs in a cluster whenever something changes, and all of it once in a while (audit.interval of its
configuration). Now asks it to do so at once: everything that a policy targets is looked at, and what is open is told to
the sinks again. With --wait it waits for the end and prints what was looked at; it ends with exit code 2 when not
everything could be.

It is an annotation on the agent's ConfigMap, so that kubectl alone can do it too:

  kubectl -n policy-system annotate --overwrite configmap policy-agent-config pac.weave.works/audit-requested="$(date)"`,
		Example: `  assay audit now
  assay audit now --wait --timeout 30m`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			client, namespace, err := agentOf(command.Context(), env, &cluster)
			if err != nil {
				return err
			}
			request := time.Now().UTC().Format(time.RFC3339Nano)
			if err := requestAudit(command.Context(), client, namespace, request); err != nil {
				return fmt.Errorf("ask for an audit: %w", err)
			}
			if !wait {
				fmt.Fprintf(env.Stdout, "A full audit is asked for (%s/%s); what it finds goes to the sinks of audit.\n", namespace, agent.ConfigMapName)
				return nil
			}
			ctx, cancel := context.WithTimeout(command.Context(), timeout)
			defer cancel()
			pass, err := awaitAudit(ctx, client, namespace, request)
			if err != nil {
				return err
			}
			printPass(env.Stdout, pass)
			if len(pass.Errors) > 0 {
				return exitCode(exitFailure)
			}
			return nil
		},
	}
	section(command, "Flags", func(f *pflag.FlagSet) {
		f.BoolVar(&wait, "wait", false, "wait until it ended, and print what was looked at")
		f.DurationVar(&timeout, "timeout", 30*time.Minute, "how `long` to wait")
	})
	cluster.section(command)
	return command
}

func requestAudit(ctx context.Context, client kubernetes.Interface, namespace, request string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{agent.AuditAnnotation: request}}})
	if err != nil {
		return err
	}
	_, err = client.CoreV1().ConfigMaps(namespace).Patch(ctx, agent.ConfigMapName, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "assay-audit"})
	return err
}

// passInterval is how often the agent's record is looked at.
const passInterval = time.Second

// awaitAudit waits until the pass that answers a request is recorded.
func awaitAudit(ctx context.Context, client kubernetes.Interface, namespace, request string) (*audit.Pass, error) {
	for {
		record, err := client.CoreV1().ConfigMaps(namespace).Get(ctx, audit.RecordName, metav1.GetOptions{})
		switch {
		case ctx.Err() != nil:
		case apierrors.IsNotFound(err): // the first one goes on
		case err != nil:
			return nil, fmt.Errorf("read the record of the audit: %w", err)
		default:
			pass, err := audit.LastPass(record)
			if err != nil {
				return nil, err
			}
			if pass != nil && pass.Request == request {
				return pass, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the audit did not end (%w): is audit.enabled set in the agent's configuration? Its log and the metric assay_audit_pass_running tell more", context.Cause(ctx))
		case <-time.After(passInterval):
		}
	}
}

// printPass sums a pass up.
func printPass(to io.Writer, pass *audit.Pass) {
	var all audit.KindCount
	fmt.Fprintf(to, "Audit %s took %s.\n\n", pass.ID, pass.End.Sub(pass.Start).Round(time.Millisecond))
	fmt.Fprintf(to, "%-50s %9s %9s %9s\n", "KIND", "OBJECTS", "EXEMPT", "OPEN")
	for _, kind := range slices.Sorted(maps.Keys(pass.Kinds)) {
		c := pass.Kinds[kind]
		fmt.Fprintf(to, "%-50s %9d %9d %9d\n", kind, c.Objects, c.Exempt, c.Open)
		all.Objects, all.Exempt, all.Open = all.Objects+c.Objects, all.Exempt+c.Exempt, all.Open+c.Open
	}
	fmt.Fprintf(to, "%-50s %9d %9d %9d\n", fmt.Sprintf("%d kinds", len(pass.Kinds)), all.Objects, all.Exempt, all.Open)
	if len(pass.Policies) > 0 {
		fmt.Fprintf(to, "\n%-70s %9s %9s\n", "POLICY", "OPEN", "FAILED")
		for _, id := range slices.Sorted(maps.Keys(pass.Policies)) {
			fmt.Fprintf(to, "%-70s %9d %9d\n", id, pass.Policies[id].Open, pass.Policies[id].Failed)
		}
	}
	if len(pass.Errors) > 0 {
		fmt.Fprintln(to, "\nNot looked at completely:")
		for _, e := range pass.Errors {
			fmt.Fprintln(to, "  "+e)
		}
		if pass.MoreErrors > 0 {
			fmt.Fprintf(to, "  and %d more\n", pass.MoreErrors)
		}
	}
}
