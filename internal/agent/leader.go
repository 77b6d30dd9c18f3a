package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// leaseName is the Lease by which the replicas agree who writes statuses and the registration.
const leaseName = "policy-agent"

// How long a leader that is not heard of keeps others waiting, how long it tries before it steps down, and how often.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// leadership runs the leader's duties in one replica at a time. Every replica serves, whoever leads: one that loses the
// Lease stops the duties, serves on, and stands again.
type leadership struct {
	config    *rest.Config
	namespace string
	identity  string
	duties    func(ctx context.Context)
	logger    *slog.Logger
	leads     atomic.Bool
}

func (l *leadership) run(ctx context.Context) error {
	leases, err := coordination.NewForConfig(l.config)
	if err != nil {
		return fmt.Errorf("making a client for leases: %w", err)
	}
	core, err := corev1.NewForConfig(l.config)
	if err != nil {
		return fmt.Errorf("making a client for leases: %w", err)
	}
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, l.namespace, leaseName, core, leases, resourcelock.ResourceLockConfig{Identity: l.identity})
	if err != nil {
		return fmt.Errorf("making the lock of lease %s: %w", leaseName, err)
	}
	for ctx.Err() == nil {
		done := make(chan struct{})
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
			ReleaseOnCancel: true, Name: leaseName,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) {
					defer close(done)
					l.leads.Store(true)
					defer l.leads.Store(false)
					l.logger.Info("leading: statuses and the registration are written by this replica", "identity", l.identity)
					l.duties(ctx)
				},
				OnStoppedLeading: func() {},
			},
		})
		if err != nil {
			return fmt.Errorf("setting up the election: %w", err)
		}
		elector.Run(ctx)
		if ctx.Err() == nil || l.leads.Load() {
			<-done // or this replica might do its duties twice at once
		}
		if ctx.Err() == nil {
			l.logger.Warn("no longer leading; serving on", "identity", l.identity)
		}
	}
	return nil
}
