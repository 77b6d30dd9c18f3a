package cluster

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// readinessPeriod is shorter than a kubelet's shortest, so that tests need not wait.
const readinessPeriod = 200 * time.Millisecond

// keepReady probes whether the container is ready until the context ends.
func (c *container) keepReady(ctx context.Context) {
	probe := c.spec.ReadinessProbe
	if probe == nil {
		c.change(func(s *containerState) { s.ready = true })
		return
	}
	c.watch(ctx, probe, readinessPeriod, false, func(ok bool) { c.change(func(s *containerState) { s.ready = ok }) })
}

// keepAlive kills the container when its liveness probe fails.
func (c *container) keepAlive(ctx context.Context) {
	probe := c.spec.LivenessProbe
	if probe == nil {
		return
	}
	c.watch(ctx, probe, time.Duration(max(probe.PeriodSeconds, 1))*time.Second, true, func(ok bool) {
		if !ok {
			c.current().kill() //nolint:errcheck // it is gone already, or will be probed again
		}
	})
}

// watch probes and tells when the outcome changes for good: after as many equal answers as the probe's thresholds say.
func (c *container) watch(ctx context.Context, probe *corev1.Probe, period time.Duration, is bool, tell func(ok bool)) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Duration(max(probe.TimeoutSeconds, 1)) * time.Second}
	wait := time.Duration(probe.InitialDelaySeconds) * time.Second
	for others := int32(0); ; wait = period {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		ok := c.probe(ctx, client, probe) == nil
		if ok == is {
			others = 0
			continue
		}
		others++
		threshold := max(probe.FailureThreshold, 1)
		if ok {
			threshold = max(probe.SuccessThreshold, 1)
		}
		if others >= threshold && ctx.Err() == nil {
			is, others = ok, 0
			tell(ok)
		}
	}
}

func (c *container) probe(ctx context.Context, client *http.Client, probe *corev1.Probe) error {
	switch {
	case probe.HTTPGet != nil:
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.hostAddress(probe.HTTPGet.Port)+probe.HTTPGet.Path, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode < 200 || response.StatusCode >= 400 {
			return fmt.Errorf("status %d", response.StatusCode)
		}
		return nil
	case probe.TCPSocket != nil:
		dialer := net.Dialer{Timeout: client.Timeout}
		connection, err := dialer.DialContext(ctx, "tcp", c.hostAddress(probe.TCPSocket.Port))
		if err != nil {
			return err
		}
		return connection.Close()
	}
	return fmt.Errorf("probes of this kind are not made here")
}

// hostAddress is where a port of the container is reached.
func (c *container) hostAddress(port intstr.IntOrString) string {
	ports := c.hostPorts()
	for _, p := range c.spec.Ports {
		if p.Name == port.StrVal || port.Type == intstr.Int && p.ContainerPort == port.IntVal {
			return loopback(ports[p.Name])
		}
	}
	return loopback(port.IntValue())
}
