package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// Program is what an image holds.
type Program struct {
	// Path of the program on the host.
	Path string
	// Environment makes the program listen on ports of the host instead of its containers' ports, which are given by name:
	// all pods share the host's network. Variables are K=V.
	Environment func(port func(name string) int) []string
}

// nodeName is that of the only node.
const nodeName = "assay-e2e"

// node runs the pods whose images it has programs for, as the scheduler and a kubelet would. Other pods stay pending.
type node struct {
	cluster *Cluster
	ctx     context.Context
	dir     string
	factory informers.SharedInformerFactory
	running sync.WaitGroup

	mutex    sync.Mutex
	programs map[string]Program
	pods     map[types.UID]*pod
	// addresses given to pods so far.
	addresses int
}

func newNode(ctx context.Context, c *Cluster) (*node, error) {
	n := &node{cluster: c, ctx: ctx, dir: filepath.Join(c.dir, "pods"), programs: map[string]Program{}, pods: map[types.UID]*pod{}}
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return nil, err
	}
	if err := n.join(ctx); err != nil {
		return nil, err
	}
	n.factory = informers.NewSharedInformerFactory(c.Client, 0)
	informer := n.factory.Core().V1().Pods().Informer()
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { n.see(o) },
		UpdateFunc: func(_, o any) { n.see(o) },
		DeleteFunc: func(o any) { n.gone(o) },
	}); err != nil {
		return nil, fmt.Errorf("watching pods: %w", err)
	}
	n.factory.Start(ctx.Done())
	n.factory.WaitForCacheSync(ctx.Done())
	return n, nil
}

// join makes the Node object.
func (n *node) join(ctx context.Context) error {
	created, err := n.cluster.Client.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName, Labels: map[string]string{corev1.LabelHostname: nodeName}}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("creating the node: %w", err)
	}
	now := metav1.Now()
	created.Status.Capacity = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: nodeMemory, corev1.ResourcePods: resource.MustParse("110")}
	created.Status.Allocatable = created.Status.Capacity
	created.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "Assay", LastHeartbeatTime: now, LastTransitionTime: now}}
	// The node's controllers may have written it meanwhile: nobody else writes this part.
	created.ResourceVersion = ""
	if _, err := n.cluster.Client.CoreV1().Nodes().UpdateStatus(ctx, created, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("updating the node's status: %w", err)
	}
	return nil
}

// nodeMemory is what containers without a limit may use.
var nodeMemory = resource.MustParse("8Gi")

// Provide says what program an image holds, whatever its tag. Pods of it that wait are run.
func (c *Cluster) Provide(image string, program Program) {
	c.node.mutex.Lock()
	c.node.programs[image] = program
	c.node.mutex.Unlock()
	for _, o := range c.node.factory.Core().V1().Pods().Informer().GetStore().List() {
		c.node.see(o)
	}
}

// program finds the program of an image.
func (n *node) program(image string) (Program, bool) {
	name := image
	if at := strings.LastIndex(name, "@"); at > 0 {
		name = name[:at]
	}
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name = name[:colon]
	}
	program, ok := n.programs[name]
	return program, ok
}

// see runs a pod that is new to the node, and tells one that runs what became of its object.
func (n *node) see(o any) {
	object, ok := o.(*corev1.Pod)
	if !ok || n.ctx.Err() != nil {
		return
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if known := n.pods[object.UID]; known != nil {
		known.update(object)
		return
	}
	if object.Spec.NodeName != "" && object.Spec.NodeName != nodeName || object.Status.Phase == corev1.PodSucceeded || object.Status.Phase == corev1.PodFailed {
		return
	}
	for _, container := range object.Spec.Containers {
		if _, ok := n.program(container.Image); !ok {
			return
		}
	}
	n.addresses++
	p := newPod(n, object, fmt.Sprintf("10.1.%d.%d", n.addresses/250, n.addresses%250+1))
	n.pods[object.UID] = p
	n.running.Go(func() {
		if err := p.run(); err != nil && n.ctx.Err() == nil {
			slog.Warn("e2e node", "pod", object.Namespace+"/"+object.Name, "error", err)
		}
		n.mutex.Lock()
		defer n.mutex.Unlock()
		if p.ended = true; p.gone {
			delete(n.pods, object.UID)
		}
	})
}

// gone ends a pod whose object was deleted without waiting for it.
func (n *node) gone(o any) {
	if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = unknown.Obj
	}
	object, ok := o.(*corev1.Pod)
	if !ok {
		return
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if known := n.pods[object.UID]; known != nil {
		known.remove()
		if known.gone = true; known.ended {
			delete(n.pods, object.UID)
		}
	}
}

// wait waits until every pod's processes ended; the node's context must have.
func (n *node) wait() {
	n.running.Wait()
	if n.factory != nil {
		n.factory.Shutdown()
	}
}

// Pod is a pod that the node runs.
type Pod struct {
	Namespace, Name string
	pod             *pod
}

// Pods lists those that the node runs, or ran and whose objects are still there, whose labels include the wanted ones, in the order of their names.
func (c *Cluster) Pods(namespace string, wanted map[string]string) []Pod {
	c.node.mutex.Lock()
	defer c.node.mutex.Unlock()
	var found []Pod
	for _, p := range c.node.pods {
		object := p.seen()
		if object.Namespace == namespace && includes(object.Labels, wanted) {
			found = append(found, Pod{Namespace: object.Namespace, Name: object.Name, pod: p})
		}
	}
	sortPods(found)
	return found
}

func includes(labels, wanted map[string]string) bool {
	for k, v := range wanted {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// Kill kills the pod's processes with SIGKILL, as the kernel would when memory runs out; the node starts them again.
func (p Pod) Kill() error { return p.each((*process).kill) }

// Pause stops the pod's processes in their tracks; Resume lets them go on.
func (p Pod) Pause() error { return p.each((*process).pause) }

// Resume lets paused processes go on.
func (p Pod) Resume() error { return p.each((*process).resume) }

func (p Pod) each(do func(*process) error) error {
	var errs []error
	for _, c := range p.pod.containers {
		if process := c.current(); process != nil {
			errs = append(errs, do(process))
		}
	}
	return errors.Join(errs...)
}

// Ready tells whether the pod's probes say that it is.
func (p Pod) Ready() bool { return p.pod.ready() }

// Restarts counts how often the node started a container again.
func (p Pod) Restarts() int {
	restarts := 0
	for _, c := range p.pod.containers {
		restarts += c.state().restarts
	}
	return restarts
}

// PID of the process of the pod's first container; 0 when it does not run.
func (p Pod) PID() int {
	if process := p.pod.containers[0].current(); process != nil && !process.ended() {
		return process.command.Process.Pid
	}
	return 0
}

// Address of the host under which a port of the pod is reached now, by its name.
func (p Pod) Address(port string) string {
	for _, c := range p.pod.containers {
		if host, ok := c.hostPorts()[port]; ok {
			return loopback(host)
		}
	}
	return ""
}

// Folder is where the files of a volume are.
func (p Pod) Folder(volume string) string { return p.pod.volumes.folder(volume) }

// Log is what the pod's first container printed so far, in all its runs.
func (p Pod) Log() (string, error) {
	content, err := os.ReadFile(p.pod.containers[0].log)
	return string(content), err
}

// bind places a pod on the node, as the scheduler would.
func (n *node) bind(object *corev1.Pod) error {
	if object.Spec.NodeName != "" {
		return nil
	}
	err := n.cluster.Client.CoreV1().Pods(object.Namespace).Bind(n.ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: object.Namespace, Name: object.Name, UID: object.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: nodeName},
	}, metav1.CreateOptions{})
	if apierrors.IsConflict(err) {
		return nil // bound by an attempt whose answer was lost
	}
	return err
}

// retry does something until it works or the context ends: the API server may be away. What is not found or invalid stays so.
func retry(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsInvalid(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
