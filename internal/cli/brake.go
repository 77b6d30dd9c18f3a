package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/assay-gitops/assay/internal/agent"
)

func newBrake(env *Env) *cobra.Command {
	command := &cobra.Command{
		Use:     "brake",
		GroupID: groupCluster,
		Short:   "Turn all denials in a cluster into warnings, in an emergency",
		Long: `Brake turns every denial at admission into a warning, in the whole cluster and within a second, and back. Violations
are still found and recorded. It is an annotation on the agent's ConfigMap, so that kubectl alone can do it too:

  kubectl -n policy-system annotate configmap policy-agent-config pac.weave.works/brake='INC-1234: bad policy'
  kubectl -n policy-system annotate configmap policy-agent-config pac.weave.works/brake-`,
		Example: `  assay brake on --reason "INC-1234: a policy refuses every deployment"
  assay brake status
  assay brake off`,
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(command, args[0])
			}
			return command.Help()
		},
	}
	command.AddCommand(newBrakeOn(env), newBrakeOff(env), newBrakeStatus(env))
	return command
}

func newBrakeOn(env *Env) *cobra.Command {
	var cluster clusterFlags
	var reason string
	command := &cobra.Command{
		Use:     "on --reason TEXT",
		Short:   "Put the emergency brake on",
		Long:    "On turns every denial at admission into a warning. The reason is shown in each of those warnings and in the status of the policies.",
		Example: `  assay brake on --reason "INC-1234: a policy refuses every deployment"`,
		Args:    noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			if strings.TrimSpace(reason) == "" {
				return usageErrorf("--reason says to everybody why nothing is denied; it must not be empty")
			}
			where, err := setBrake(command.Context(), env, &cluster, reason)
			if err != nil {
				return fmt.Errorf("put the emergency brake on: %w", err)
			}
			fmt.Fprintf(env.Stdout, "The emergency brake is on (%s): violations are warned about, nothing is denied. `assay brake off` takes it off.\n", where)
			return nil
		},
	}
	section(command, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&reason, "reason", "", "`text` that tells everybody why")
	})
	cluster.section(command)
	return command
}

func newBrakeOff(env *Env) *cobra.Command {
	var cluster clusterFlags
	command := &cobra.Command{
		Use:     "off",
		Short:   "Take the emergency brake off",
		Long:    "Off makes enforced violations be denied again.",
		Example: "  assay brake off",
		Args:    noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			where, err := setBrake(command.Context(), env, &cluster, nil)
			if err != nil {
				return fmt.Errorf("take the emergency brake off: %w", err)
			}
			fmt.Fprintf(env.Stdout, "The emergency brake is off (%s): enforced violations are denied.\n", where)
			return nil
		},
	}
	cluster.section(command)
	return command
}

func newBrakeStatus(env *Env) *cobra.Command {
	var cluster clusterFlags
	command := &cobra.Command{
		Use:     "status",
		Short:   "Tell whether the emergency brake is on",
		Long:    "Status tells whether the emergency brake is on, and why. It ends with exit code 1 while the brake is on.",
		Example: "  assay brake status",
		Args:    noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			client, namespace, err := agentOf(command.Context(), env, &cluster)
			if err != nil {
				return err
			}
			configMap, err := client.CoreV1().ConfigMaps(namespace).Get(command.Context(), agent.ConfigMapName, metav1.GetOptions{})
			if err != nil {
				return fmt.Errorf("read the agent's ConfigMap: %w", err)
			}
			reason, on := configMap.Annotations[agent.BrakeAnnotation]
			if !on {
				fmt.Fprintln(env.Stdout, "The emergency brake is off.")
				return nil
			}
			fmt.Fprintf(env.Stdout, "The emergency brake is on: %s\n", reason)
			return exitCode(exitViolations)
		},
	}
	cluster.section(command)
	return command
}

// setBrake writes the annotation, or removes it when the value is nil, and returns the name of the ConfigMap that has it.
func setBrake(ctx context.Context, env *Env, flags *clusterFlags, value any) (string, error) {
	client, namespace, err := agentOf(ctx, env, flags)
	if err != nil {
		return "", err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{agent.BrakeAnnotation: value}}})
	if err != nil {
		return "", err
	}
	_, err = client.CoreV1().ConfigMaps(namespace).Patch(ctx, agent.ConfigMapName, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "assay-brake"})
	return namespace + "/" + agent.ConfigMapName, err
}

// defaultAgentNamespace is where the agent lives unless somebody says otherwise.
const defaultAgentNamespace = "policy-system"

// agentOf reaches the cluster that the flags name and finds the agent's namespace in it.
func agentOf(ctx context.Context, env *Env, flags *clusterFlags) (client kubernetes.Interface, namespace string, err error) {
	if client, err = flags.client(env); err != nil {
		return nil, "", err
	}
	namespace, err = agentNamespace(ctx, client, flags.namespace)
	return client, namespace, err
}

// agentNamespace finds the namespace of the agent's ConfigMap, which may be any.
func agentNamespace(ctx context.Context, client kubernetes.Interface, given string) (string, error) {
	if given != "" {
		return given, nil
	}
	found, err := client.CoreV1().ConfigMaps("").List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + agent.ConfigMapName})
	switch {
	case apierrors.IsForbidden(err):
		return defaultAgentNamespace, nil // who may not look everywhere may still be right about the usual place
	case err != nil:
		return "", fmt.Errorf("look for the agent: %w", err)
	case len(found.Items) == 0:
		return "", fmt.Errorf("there is no ConfigMap %s in any namespace: is the agent installed in this cluster?", agent.ConfigMapName)
	case len(found.Items) > 1:
		return "", usageErrorf("there are %d ConfigMaps named %s: say which by --namespace", len(found.Items), agent.ConfigMapName)
	}
	return found.Items[0].Namespace, nil
}
