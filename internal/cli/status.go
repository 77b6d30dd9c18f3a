package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/assay-gitops/assay/internal/agent"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/words"
)

const (
	// agentSelector are the pods of the agent, of the old chart too.
	agentSelector = "name=policy-agent"
	// replicaTimeout is how long one replica may take to answer.
	replicaTimeout = 10 * time.Second
	// maxTrouble bounds what is shown of one trouble.
	maxTrouble = 300
)

func newStatus(env *Env) *cobra.Command {
	var cluster clusterFlags
	var format string
	formats := []string{"text", "json", "yaml"}
	command := &cobra.Command{
		Use:     "status",
		GroupID: groupCluster,
		Short:   "Tell how the agents in a cluster are doing",
		Long: `Status tells how the agents in a cluster are doing: whether they serve, which of them leads, whether the emergency
brake is on, which policies, sets, configs and exceptions are not ready and why, what is audited and which kinds
cannot be, and for each sink how many results wait for it and why.

The agents are asked through the API server, so it works from wherever kubectl does. That needs the right to get
pods/proxy in the agent's namespace.

Exit codes: 0 all is well, 1 something is not, 2 it could not be found out.`,
		Example: `  assay status

  # The sinks that do not deliver
  assay status -o json | jq '.agents[].sinks[] | select(.trouble)'`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			show, ok := map[string]func(*clusterStatus) error{
				"text": func(s *clusterStatus) error { return s.text(env.Stdout) },
				"json": func(s *clusterStatus) error { return writeObject(env, format, s) },
				"yaml": func(s *clusterStatus) error { return writeObject(env, format, s) },
			}[format]
			if !ok {
				return badFlag("output", format, formats)
			}
			status, err := readStatus(command.Context(), env, &cluster)
			if err != nil {
				return err
			}
			if err := show(status); err != nil {
				return err
			}
			if !status.Well {
				return exitCode(exitViolations)
			}
			return nil
		},
	}
	section(command, "Flags", func(f *pflag.FlagSet) {
		f.StringVarP(&format, "output", "o", "text", "`format`: text, json or yaml")
	})
	cluster.section(command)
	complete(command, "output", oneOf(formats...))
	return command
}

// clusterStatus is how all agents are doing.
type clusterStatus struct {
	// Well is whether nothing below is amiss.
	Well      bool           `json:"well"`
	Namespace string         `json:"namespace"`
	Agents    []agentStatus  `json:"agents"`
	Brake     *string        `json:"brake,omitempty"`
	Objects   []objectStatus `json:"notReady"`
	// Ready counts the policies, sets, configs and exceptions that are.
	Ready int `json:"ready"`
}

// agentStatus is a replica: its pod, and what it says itself unless it cannot be asked.
type agentStatus struct {
	Pod   string `json:"pod"`
	Ready bool   `json:"ready"`
	// Trouble is why the replica could not be asked.
	Trouble string `json:"trouble,omitempty"`
	*agent.State
}

// objectStatus is a policy, set, config or exception that is not ready.
type objectStatus struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
	// Message says what is wrong.
	Message string `json:"message,omitempty"`
}

func readStatus(ctx context.Context, env *Env, flags *clusterFlags) (*clusterStatus, error) {
	config, err := flags.config(env)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	s := &clusterStatus{Objects: []objectStatus{}}
	if s.Namespace, err = agentNamespace(ctx, client, flags.namespace); err != nil {
		return nil, err
	}
	configMap, err := client.CoreV1().ConfigMaps(s.Namespace).Get(ctx, agent.ConfigMapName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the agent's ConfigMap: %w", err)
	}
	if reason, on := configMap.Annotations[agent.BrakeAnnotation]; on {
		s.Brake = &reason
	}
	if s.Agents, err = askAgents(ctx, client, s.Namespace); err != nil {
		return nil, err
	}
	for _, resource := range []string{"policies", "policysets", "policyconfigs", "policyexceptions"} {
		if err := s.readObjects(ctx, objects, resource); err != nil {
			return nil, err
		}
	}
	s.Well = s.Brake == nil && len(s.Objects) == 0 && len(s.Agents) > 0
	leaders := 0
	for _, a := range s.Agents {
		s.Well = s.Well && a.well()
		if a.State != nil && a.Leader {
			leaders++
		}
	}
	s.Well = s.Well && leaders == 1
	return s, nil
}

// askAgents asks all replicas at once.
func askAgents(ctx context.Context, client kubernetes.Interface, namespace string) ([]agentStatus, error) {
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: agentSelector})
	if err != nil {
		return nil, fmt.Errorf("list the agent's pods: %w", err)
	}
	all := make([]agentStatus, len(pods.Items))
	var asked sync.WaitGroup
	for i := range pods.Items {
		pod := &pods.Items[i]
		all[i].Pod = pod.Name
		for _, c := range pod.Status.Conditions {
			all[i].Ready = all[i].Ready || c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		}
		if pod.Status.Phase != corev1.PodRunning {
			all[i].Trouble = fmt.Sprintf("the pod is %s", pod.Status.Phase)
			continue
		}
		asked.Go(func() {
			state, err := askAgent(ctx, client, pod)
			if err != nil {
				all[i].Trouble = words.OneLine(err.Error(), maxTrouble)
			}
			all[i].State = state
		})
	}
	asked.Wait()
	return all, nil
}

func askAgent(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod) (*agent.State, error) {
	port := ""
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == "probes" {
				port = strconv.Itoa(int(p.ContainerPort))
			}
		}
	}
	if port == "" {
		return nil, errors.New("the pod has no port named probes: it is not of this version's chart")
	}
	ctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	answer, err := client.CoreV1().Pods(pod.Namespace).ProxyGet("http", pod.Name, port, "/status", nil).DoRaw(ctx)
	switch {
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("asking the replica: %w (grant get on pods/proxy)", err)
	case err != nil:
		return nil, fmt.Errorf("asking the replica: %w", err)
	}
	state := &agent.State{}
	if err := json.Unmarshal(answer, state); err != nil {
		return nil, fmt.Errorf("reading the replica's answer: %w", err)
	}
	return state, nil
}

// well tells whether nothing is amiss with the replica.
func (a *agentStatus) well() bool {
	if !a.Ready || a.State == nil || a.Journal != nil && (a.Journal.Trouble != "" || !a.Journal.Open) {
		return false
	}
	for _, c := range a.Checks {
		if c.Trouble != "" {
			return false
		}
	}
	for _, s := range a.Sinks {
		if s.Trouble != "" {
			return false
		}
	}
	return true
}

// readObjects reads the conditions of the objects of a resource, in pages.
func (s *clusterStatus) readObjects(ctx context.Context, client dynamic.Interface, resource string) error {
	const page = 500
	next := ""
	for {
		list, err := client.Resource(schema.GroupVersionResource{Group: "pac.weave.works", Version: "v2", Resource: resource}).
			List(ctx, metav1.ListOptions{Limit: page, Continue: next})
		if err != nil {
			return fmt.Errorf("list %s: %w", resource, err)
		}
		for i := range list.Items {
			s.judge(&list.Items[i])
		}
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}

func (s *clusterStatus) judge(object *unstructured.Unstructured) {
	not := objectStatus{Kind: object.GetKind(), Name: object.GetName(), Reason: "NoStatus", Message: "no agent has written its status yet"}
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, c := range conditions {
		condition, ok := c.(map[string]any)
		if !ok || condition["type"] != "Ready" {
			continue
		}
		if condition["status"] == string(metav1.ConditionTrue) {
			s.Ready++
			return
		}
		reason, _ := condition["reason"].(string)
		message, _ := condition["message"].(string)
		not.Reason, not.Message = words.OneLine(reason, maxTrouble), words.OneLine(message, maxTrouble)
	}
	s.Objects = append(s.Objects, not)
}

// text writes the status for people.
func (s *clusterStatus) text(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "Agents in namespace %s: %d\n", s.Namespace, len(s.Agents))
	if len(s.Agents) == 0 {
		fmt.Fprintln(w, "  none: nothing is judged, and what the registration says of failures holds")
	}
	for _, a := range s.Agents {
		fmt.Fprintf(w, "  %s\t%s\n", a.Pod, a.summary())
	}
	if s.Brake != nil {
		fmt.Fprintf(w, "Emergency brake: ON, nothing is denied: %s\n", words.OneLine(*s.Brake, maxTrouble))
	} else {
		fmt.Fprintln(w, "Emergency brake: off")
	}
	fmt.Fprintf(w, "Policies, sets, configs and exceptions: %d ready, %d not\n", s.Ready, len(s.Objects))
	for _, o := range s.Objects {
		fmt.Fprintf(w, "  %s %s\t%s: %s\n", o.Kind, o.Name, o.Reason, o.Message)
	}
	s.audit(w)
	s.sinks(w)
	return w.Flush()
}

func (a *agentStatus) summary() string {
	ready := "ready"
	if !a.Ready {
		ready = "NOT READY"
	}
	if a.State == nil {
		return ready + ", cannot be asked: " + a.Trouble
	}
	if a.Leader {
		ready += ", leads"
	}
	if a.Policies != nil {
		ready += fmt.Sprintf(", %d policies in force", a.Policies.InForce)
	}
	for _, c := range a.Checks {
		if c.Trouble != "" {
			ready += fmt.Sprintf("; %s: %s", c.Name, words.OneLine(c.Trouble, maxTrouble))
		}
	}
	return ready + " (" + words.OneLine(a.Version, 60) + ")"
}

// audit writes how the audit is doing. That a kind is not audited may be meant, so it does not make anything unwell.
func (s *clusterStatus) audit(w io.Writer) {
	for _, a := range s.Agents {
		if a.State == nil || a.Audit == nil {
			continue
		}
		last := "no full audit yet"
		if a.Audit.LastFull != nil {
			last = fmt.Sprintf("last full audit %s with %d errors", a.Audit.LastFull.UTC().Format(time.RFC3339), a.Audit.Errors)
		}
		fmt.Fprintf(w, "Audit: %d objects, %d open findings, %s\n", a.Audit.Objects, a.Audit.Open, last)
		for _, u := range a.Audit.Unreadable {
			why := "cannot be read: " + words.OneLine(u.Trouble, maxTrouble)
			if u.Forbidden {
				why = "may not be read: to have it audited, grant list and watch with the chart's audit.rules"
			}
			fmt.Fprintf(w, "  %s\t%s\n", u.Kind, why)
		}
	}
}

// sinks writes the journals that are in trouble, and all sinks.
func (s *clusterStatus) sinks(w io.Writer) {
	title := "Sinks:\n"
	line := func(format string, args ...any) {
		fmt.Fprint(w, title)
		title = ""
		fmt.Fprintf(w, format, args...)
	}
	for _, a := range s.Agents {
		if a.State == nil {
			continue
		}
		if j := a.Journal; j != nil && (j.Trouble != "" || j.Unwritten > 0 || j.Dropped > 0) {
			trouble := j.Trouble
			if trouble == "" {
				trouble = "open"
			}
			line("  journal\t%s\t%s, %d results in memory, %d lost, %d dropped before every sink had them\n", a.Pod, words.OneLine(trouble, maxTrouble), j.Buffered, j.Unwritten, j.Dropped)
		}
		for i := range a.Sinks {
			line("  %s\t%s\t%s\n", words.OneLine(a.Sinks[i].Name, 60), a.Pod, sinkSummary(&a.Sinks[i]))
		}
	}
	if title != "" {
		fmt.Fprintln(w, "Sinks: none that could be asked")
	}
}

func sinkSummary(s *agent.SinkState) string {
	text := fmt.Sprintf("%d waiting, %d sent", s.Lag, s.Counts[sink.Sent])
	for _, bad := range []sink.Event{sink.DeadLettered, sink.Lost} {
		if n := s.Counts[bad]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, bad)
		}
	}
	if s.Trouble != "" && s.Since != nil {
		text += fmt.Sprintf("; FAILING since %s, %d attempts: %s", s.Since.UTC().Format(time.RFC3339), s.Attempts, words.OneLine(s.Trouble, maxTrouble))
	}
	return text
}
