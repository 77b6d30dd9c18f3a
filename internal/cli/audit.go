package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/agent"
	"github.com/assay-gitops/assay/internal/agentconfig"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/internal/gate/survey"
	"github.com/assay-gitops/assay/internal/kube"
	"github.com/assay-gitops/assay/internal/report"
	"github.com/assay-gitops/assay/library"
	"github.com/assay-gitops/assay/policy"
)

// surveyFlags are those of every command that judges what is in a cluster.
type surveyFlags struct {
	cluster         clusterFlags
	namespaces      []string
	exclude         []string
	ignoreForbidden bool

	judgeFlags
}

// defineScope defines the flags that say what in which cluster is judged.
func (s *surveyFlags) defineScope(f *pflag.FlagSet) {
	s.cluster.connection(f)
	f.StringSliceVarP(&s.namespaces, "namespace", "n", nil, "only what is in these `namespaces`; repeatable (default: all, and what is in none)")
	f.StringSliceVar(&s.exclude, "exclude-namespace", nil, "nothing of these `namespaces`; repeatable")
	f.BoolVar(&s.ignoreForbidden, "ignore-forbidden", false, "only warn about objects that may not be read")
}

// auditFlags are the flags of audit as they were given.
type auditFlags struct {
	surveyFlags
	output     outputFlags
	noProgress bool
}

func newAudit(env *Env) *cobra.Command {
	var flags auditFlags
	command := &cobra.Command{
		Use:     "audit",
		GroupID: groupGates,
		Short:   "Judge what is in a cluster by policies, without installing anything",
		Long: `Audit reads the objects of a cluster that policies target, with the rights of your kubeconfig, and judges them as the
agent's audit would. Nothing is installed in the cluster and nothing is written to it.

The policies of the cluster act, with its PolicySets, PolicyConfigs and PolicyExceptions; the policies that ship with
Assay where the cluster has none; and those that --policies names instead of either.

Not judged are kube-system, kube-public and kube-node-lease, the agent's own namespace, and the namespaces that the
agent's configuration or --exclude-namespace names. Objects that a Deployment and the like made are left to what made
them.

What may not be read is reported, the rest is still judged, and the exit code is 2. When it is interrupted, audit
reports what it found by then.

Exit codes:
  0  no violation that --fail-on counts
  1  violations; only those of policies that are enforced count, the others are warnings
  2  something could not be judged`,
		Example: `  # The cluster that kubectl speaks to, by its own policies
  assay audit

  # Two namespaces, by the policies of a folder before they are applied
  assay audit -n shop,payments --policies ./policies

  # Another cluster, with a report for machines
  assay audit --context production --report json=audit.json

  # Have the agent audit everything again
  assay audit now`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return runAudit(command.Context(), env, &flags)
		},
	}
	section(command, "Cluster", flags.defineScope)
	section(command, "Policies", func(f *pflag.FlagSet) {
		flags.definePolicies(f, v2.ModeAudit, "of the cluster")
	})
	section(command, "Verdict", flags.defineVerdict)
	section(command, "Output", func(f *pflag.FlagSet) {
		flags.output.define(f)
		f.BoolVar(&flags.noProgress, "no-progress", false, "do not show progress on the terminal")
	})
	completeCheck(command, env, &flags.policies)
	command.AddCommand(newAuditNow(env))
	return command
}

func runAudit(ctx context.Context, env *Env, flags *auditFlags) error {
	options, err := flags.options(env)
	if err != nil {
		return err
	}
	output, err := flags.output.prepare(env)
	if err != nil {
		return err
	}
	clients, err := newAuditClients(env, &flags.cluster)
	if err != nil {
		return err
	}
	progress := newProgress(env, flags.noProgress || flags.output.quiet)
	defer progress.clear()
	progress.update("reading policies …")
	found, err := clients.audit(ctx, env, flags, options, progress)
	progress.clear()
	if err != nil {
		return err
	}
	if err := output.write(env, found); err != nil {
		return err
	}
	return code(found.ExitCode())
}

// options are what the flags say in the gate's words.
func (s *surveyFlags) options(env *Env) (survey.Options, error) {
	judging, err := s.read()
	if err != nil {
		return survey.Options{}, err
	}
	o := survey.Options{
		Mode: judging.mode, FailOn: judging.failOn, Only: judging.only, Workloads: judging.workloads,
		Namespaces: s.namespaces, IgnoreForbidden: s.ignoreForbidden, Timeout: s.timeout, Jobs: s.jobs, Version: env.Version,
	}
	slices.Sort(o.Namespaces)
	o.Namespaces = slices.Compact(o.Namespaces)
	if slices.Contains(o.Namespaces, "") {
		return o, usageErrorf("--namespace must not be empty")
	}
	return o, nil
}

// auditClients reach a cluster.
type auditClients struct {
	dynamic   *dynamic.DynamicClient
	metadata  metadata.Interface
	discovery *discovery.DiscoveryClient
	typed     kubernetes.Interface
}

func newAuditClients(env *Env, flags *clusterFlags) (*auditClients, error) {
	config, err := flags.config(env)
	if err != nil {
		return nil, err
	}
	c := &auditClients{}
	var failures [4]error
	c.dynamic, failures[0] = dynamic.NewForConfig(config)
	c.metadata, failures[1] = metadata.NewForConfig(config)
	c.discovery, failures[2] = discovery.NewDiscoveryClientForConfig(config)
	c.typed, failures[3] = kubernetes.NewForConfig(config)
	if err := errors.Join(failures[:]...); err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return c, nil
}

func (c *auditClients) audit(ctx context.Context, env *Env, flags *auditFlags, o survey.Options, progress *progress) (*report.Report, error) {
	var err error
	if o.Catalog, err = c.policies(ctx, env, flags.policies); err != nil {
		return nil, err
	}
	c.complete(ctx, &o, flags.exclude, progress)
	return survey.Run(ctx, o)
}

// complete gives the options what is known of the cluster only.
func (c *auditClients) complete(ctx context.Context, o *survey.Options, exclude []string, progress *progress) {
	own, excluded := c.exempt(ctx, exclude)
	o.Exempt = kube.ExemptNamespaces(own, excluded...)
	o.Client, o.Metadata, o.Discovery = c.dynamic, c.metadata, c.discovery
	o.Progress = func(p survey.Progress) { progress.update(surveyLine(p)) }
}

// policies are those below the paths, those of the cluster, or those that ship where it has none.
func (c *auditClients) policies(ctx context.Context, env *Env, paths []string) (*catalog.Catalog, error) {
	if len(paths) > 0 {
		found, err := loadPolicies(ctx, env, paths)
		if err == nil && len(found.Sources.Policies) == 0 && !anyFailed(found.Problems) {
			err = fmt.Errorf("no policy was found in %s", strings.Join(paths, ", "))
		}
		return found, err
	}
	objects, err := survey.Policies(ctx, c.dynamic, c.discovery)
	if err != nil {
		return nil, fmt.Errorf("read the policies of the cluster: %w", err)
	}
	found, err := catalog.Gather(nil, objects)
	if err != nil || len(found.Sources.Policies) > 0 || anyFailed(found.Problems) {
		return found, err
	}
	fmt.Fprintln(env.Stderr, "note: the cluster has no policies; it is judged by those that ship with Assay")
	return catalog.Gather(library.FS, objects)
}

// exempt is the agent's namespace, empty where there is no agent or it may not be looked for, and the namespaces that are
// excluded, by its configuration too.
func (c *auditClients) exempt(ctx context.Context, given []string) (own string, excluded []string) {
	namespace, err := agentNamespace(ctx, c.typed, "")
	if err != nil {
		return "", given
	}
	configMap, err := c.typed.CoreV1().ConfigMaps(namespace).Get(ctx, agent.ConfigMapName, metav1.GetOptions{})
	if err != nil {
		return "", given
	}
	excluded = slices.Clone(given)
	if config, _, err := agentconfig.Load("config.yaml", []byte(configMap.Data["config.yaml"]), nil); err == nil {
		excluded = append(excluded, config.Admission.Webhook.ExcludeNamespaces...)
	}
	return namespace, excluded
}

// anyFailed tells whether a problem kept something out.
func anyFailed(problems []policy.Problem) bool {
	return slices.ContainsFunc(problems, func(p policy.Problem) bool { return !p.Warning })
}
