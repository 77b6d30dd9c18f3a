package cluster

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// container runs a container's program, again and again as the pod's restartPolicy wants.
type container struct {
	pod  *pod
	spec *corev1.Container
	log  string

	mutex   sync.Mutex
	process *process
	// ports of the host by names of the container's.
	ports map[string]int
	now   containerState
}

// containerState is what the node knows of a container.
type containerState struct {
	ready, running, done bool
	restarts             int
	// code is that of the last exit, and since when it runs or does not.
	code  int
	since time.Time
	// failed is why it could not be started.
	failed error
}

func newContainer(p *pod, spec *corev1.Container) *container {
	return &container{pod: p, spec: spec, log: filepath.Join(p.dir, spec.Name+".log")}
}

func (c *container) state() containerState {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now
}

func (c *container) change(edit func(*containerState)) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	edit(&c.now)
}

func (c *container) current() *process {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.process
}

func (c *container) hostPorts() map[string]int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return maps.Clone(c.ports)
}

// Containers that end again and again are started less and less often.
const firstPause, longestPause = 50 * time.Millisecond, 5 * time.Second

// run runs the container until it is done or the context ends; then it is asked to end within the pod's grace period.
func (c *container) run(ctx context.Context) {
	policy := c.pod.seen().Spec.RestartPolicy
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		started := time.Now()
		code, err := c.runOnce(ctx)
		done := ctx.Err() != nil || policy == corev1.RestartPolicyNever || policy == corev1.RestartPolicyOnFailure && code == 0 && err == nil
		c.change(func(s *containerState) {
			*s = containerState{done: done, restarts: s.restarts, code: code, since: time.Now(), failed: err}
		})
		if done {
			return
		}
		if time.Since(started) > 10*longestPause {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			c.change(func(s *containerState) { s.restarts++ })
		}
	}
}

// runOnce runs the program once, on ports that are free now.
func (c *container) runOnce(ctx context.Context) (code int, err error) {
	if ctx.Err() != nil {
		return 0, nil
	}
	program, _ := c.pod.node.program(c.spec.Image)
	ports := map[string]int{}
	for _, p := range c.spec.Ports {
		if ports[p.Name], err = freePort(); err != nil {
			return 1, err
		}
	}
	environment, err := c.environment(ctx)
	if err != nil {
		return 1, err
	}
	list := append(listed(environment), "PATH="+os.Getenv("PATH"), "HOME="+c.pod.dir)
	if program.Environment != nil {
		list = append(list, program.Environment(func(name string) int { return ports[name] })...)
	}
	kubeconfig, err := c.kubeconfig()
	if err != nil {
		return 1, err
	}
	if kubeconfig != "" {
		list = append(list, "KUBECONFIG="+kubeconfig)
	}
	command := exec.Command(program.Path, c.arguments(environment)...)
	command.Dir, command.Env = c.pod.dir, list
	process, err := start(c.pod.seen().Name, c.log, command)
	if err != nil {
		return 1, err
	}
	c.mutex.Lock()
	c.process, c.ports = process, ports
	c.now.running, c.now.since = true, time.Now()
	c.mutex.Unlock()
	for _, p := range c.spec.Ports {
		c.pod.node.cluster.network.attach(c.pod.address, int(p.ContainerPort), ports[p.Name])
		defer c.pod.node.cluster.network.attach(c.pod.address, int(p.ContainerPort), 0)
	}
	probing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var probes sync.WaitGroup
	probes.Go(func() { c.keepReady(probing) })
	probes.Go(func() { c.keepAlive(probing) })
	select {
	case <-process.done:
	case <-ctx.Done():
		err = process.stop(time.Duration(ptr.Deref(c.pod.seen().Spec.TerminationGracePeriodSeconds, 30)) * time.Second)
	}
	stop()
	probes.Wait()
	return process.command.ProcessState.ExitCode(), err
}

// status is how the API tells the state.
func (c *container) status(s containerState) corev1.ContainerStatus {
	status := corev1.ContainerStatus{
		Name: c.spec.Name, Image: c.spec.Image, ImageID: c.spec.Image, Ready: s.ready, RestartCount: int32(s.restarts), Started: ptr.To(s.running),
		ContainerID: fmt.Sprintf("process://%s/%d", c.spec.Name, s.restarts),
	}
	switch {
	case s.running:
		status.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(s.since)}
	case s.failed != nil:
		status.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CreateContainerError", Message: s.failed.Error()}
	case s.done:
		status.State.Terminated = &corev1.ContainerStateTerminated{ExitCode: int32(s.code), Reason: "Completed", FinishedAt: metav1.NewTime(s.since)}
	default:
		status.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	}
	return status
}
