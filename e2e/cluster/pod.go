package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// pod is the life of a pod on the node.
type pod struct {
	node       *node
	address    string
	dir        string
	started    time.Time
	volumes    *volumes
	containers []*container
	// removed is closed when the pod's object was asked to go.
	removed chan struct{}
	// ended is set when nothing of it runs any longer, gone when its object is; the node's mutex guards them.
	ended, gone bool

	mutex  sync.Mutex
	object *corev1.Pod
	once   sync.Once
}

func newPod(n *node, object *corev1.Pod, address string) *pod {
	p := &pod{node: n, address: address, dir: filepath.Join(n.dir, string(object.UID)), started: time.Now(), removed: make(chan struct{}), object: object}
	p.volumes = &volumes{client: n.cluster.Client, dir: filepath.Join(p.dir, "volumes"), pod: p.seen}
	for i := range object.Spec.Containers {
		p.containers = append(p.containers, newContainer(p, &object.Spec.Containers[i]))
	}
	p.update(object)
	return p
}

// seen is the pod's object as it was last seen.
func (p *pod) seen() *corev1.Pod {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.object
}

func (p *pod) update(object *corev1.Pod) {
	p.mutex.Lock()
	p.object = object
	p.mutex.Unlock()
	if object.DeletionTimestamp != nil {
		p.remove()
	}
}

func (p *pod) remove() { p.once.Do(func() { close(p.removed) }) }

// refresh is how often mounted ConfigMaps and Secrets are looked at.
const refresh = time.Second

// run runs the pod until it is done or its object is asked to go.
func (p *pod) run() error {
	ctx, cancel := context.WithCancel(p.node.ctx)
	defer cancel()
	go func() { // ends with the context
		select {
		case <-p.removed:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	object := p.seen()
	if len(object.Spec.InitContainers) > 0 {
		return p.fail("init containers are not run here")
	}
	if err := retry(ctx, func() error { return p.node.bind(object) }); err != nil && ctx.Err() == nil {
		return fmt.Errorf("binding: %w", err)
	}
	if err := p.mount(ctx); err == nil {
		p.live(ctx)
	}
	return p.finish()
}

// mount makes the volumes. What they are made from may come later than the pod, whose status says what is missing.
func (p *pod) mount(ctx context.Context) error {
	said := ""
	return retry(ctx, func() error {
		err := p.volumes.write(ctx)
		if err == nil {
			return nil
		}
		if message := err.Error(); message != said && p.write(ctx, corev1.PodStatus{Phase: corev1.PodPending, Reason: "FailedMount", Message: message}) == nil {
			said = message
		}
		return errors.New(err.Error()) // what is not found may come
	})
}

// live runs the containers and keeps the volumes and the status right until all containers are done or the context ends.
func (p *pod) live(ctx context.Context) {
	// The status stays right while the containers end.
	keeping, done := context.WithCancel(p.node.ctx)
	var all, keepers sync.WaitGroup
	for _, c := range p.containers {
		all.Go(func() { c.run(ctx) })
	}
	keepers.Go(func() { p.report(keeping) })
	keepers.Go(func() {
		for tick := time.NewTicker(refresh); ; {
			select {
			case <-keeping.Done():
				tick.Stop()
				return
			case <-tick.C:
				// A ConfigMap that is gone stays as it was mounted, and an API server that is away comes back.
				p.volumes.write(keeping) //nolint:errcheck // see above
			}
		}
	})
	all.Wait()
	done()
	keepers.Wait()
}

// report writes the status whenever it changes.
func (p *pod) report(ctx context.Context) {
	var written *corev1.PodStatus
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		status := p.status()
		if written == nil || written.Phase != status.Phase || p.isReady(*written) != p.isReady(status) || restarts(*written) != restarts(status) {
			if err := p.write(ctx, status); err == nil {
				written = &status
			} else if ctx.Err() == nil && !apierrors.IsNotFound(err) {
				slog.Warn("e2e node", "pod", p.seen().Name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
	}
}

func restarts(s corev1.PodStatus) (sum int32) {
	for _, c := range s.ContainerStatuses {
		sum += c.RestartCount
	}
	return sum
}

func (p *pod) isReady(s corev1.PodStatus) bool {
	return slices.ContainsFunc(s.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue })
}

func (p *pod) ready() bool { return p.isReady(p.status()) }

// status is what the containers come to.
func (p *pod) status() corev1.PodStatus {
	s := corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: p.address, PodIPs: []corev1.PodIP{{IP: p.address}}, HostIP: "10.2.0.1", HostIPs: []corev1.HostIP{{IP: "10.2.0.1"}},
		StartTime: ptr.To(metav1.NewTime(p.started)),
	}
	ready, done, failed := true, true, false
	for _, c := range p.containers {
		state := c.state()
		ready = ready && state.ready
		done = done && state.done
		failed = failed || state.done && state.code != 0
		s.ContainerStatuses = append(s.ContainerStatuses, c.status(state))
	}
	switch {
	case done && failed:
		s.Phase = corev1.PodFailed
	case done:
		s.Phase = corev1.PodSucceeded
	}
	condition := func(t corev1.PodConditionType, is bool) {
		status := corev1.ConditionFalse
		if is {
			status = corev1.ConditionTrue
		}
		s.Conditions = append(s.Conditions, corev1.PodCondition{Type: t, Status: status, LastTransitionTime: metav1.Now()})
	}
	condition(corev1.PodScheduled, true)
	condition(corev1.PodInitialized, true)
	condition(corev1.ContainersReady, ready && !done)
	condition(corev1.PodReady, ready && !done)
	return s
}

func (p *pod) write(ctx context.Context, status corev1.PodStatus) error {
	return retry(ctx, func() error {
		pods := p.node.cluster.Client.CoreV1().Pods(p.seen().Namespace)
		current, err := pods.Get(ctx, p.seen().Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		status.QOSClass = current.Status.QOSClass
		current.Status = status
		_, err = pods.UpdateStatus(ctx, current, metav1.UpdateOptions{})
		return err
	})
}

// fail says that the pod cannot be run.
func (p *pod) fail(reason string) error {
	return errors.Join(errors.New(reason), p.write(p.node.ctx, corev1.PodStatus{Phase: corev1.PodFailed, Message: reason}))
}

// finish reports the end. A pod that was asked to go goes now.
func (p *pod) finish() error {
	object := p.seen()
	select {
	case <-p.removed:
		err := retry(p.node.ctx, func() error {
			return p.node.cluster.Client.CoreV1().Pods(object.Namespace).Delete(p.node.ctx, object.Name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0), Preconditions: metav1.NewUIDPreconditions(string(object.UID))})
		})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	default:
		if p.node.ctx.Err() != nil {
			return nil
		}
		return p.write(p.node.ctx, p.status())
	}
}

func sortPods(pods []Pod) {
	slices.SortFunc(pods, func(a, b Pod) int { return cmp.Compare(a.Name, b.Name) })
}
