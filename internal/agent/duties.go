package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/agentconfig"
	"github.com/assay-gitops/assay/internal/kube/registration"
)

// registrationName is that of the webhook configurations, as ever.
const registrationName = "policy-agent"

// registrationInterval is how often the registration is looked at without a reason: kinds may have come by API services,
// which no watch tells of.
const registrationInterval = time.Minute

// registrationPause is the least time between two looks.
const registrationPause = 200 * time.Millisecond

// lead does what one replica does for all, until the context ends.
func (a *agent) lead(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() {
		if err := a.statuses.run(ctx); err != nil {
			a.logger.Error("statuses are no longer written", "error", err)
		}
	})
	if a.config.Load().Admission.Webhook.Register {
		all.Go(func() { a.keepRegistered(ctx) })
	}
	if a.config.Load().Audit.Enabled {
		all.Go(func() { a.audit(ctx) })
	}
	all.Go(func() { a.teller.run(ctx) })
	all.Wait()
}

// keepRegistered keeps the certificate and the registration right, whatever changes: policies, kinds of the cluster, the
// certificate, or somebody's hand.
func (a *agent) keepRegistered(ctx context.Context) {
	owner := a.owner(ctx)
	var config *agentconfig.Config
	var registrar *registration.Registrar
	for {
		if current := a.config.Load(); current != config {
			config, registrar = current, registration.New(a.registrationOptions(current, owner))
		}
		next := registrationInterval
		if e := a.book.current.Load(); e != nil {
			err := a.registerOnce(ctx, registrar, e)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				a.metrics.registering.WithLabelValues("failed").Inc()
				a.logger.Error("the webhook registration may not be right", "error", err, "retry", retry)
				next = retry
			case a.certificates.self != nil:
				next = min(next, a.certificates.self.NextCheck())
			}
		}
		// When policies come by the hundred, one look after several is enough.
		if !pause(ctx, registrationPause) {
			return
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-a.register:
		case <-a.certificates.lost:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (a *agent) registrationOptions(c *agentconfig.Config, owner *metav1.OwnerReference) registration.Options {
	w := c.Admission.Webhook
	o := registration.Options{
		Client: a.direct, Discovery: a.discovery, Name: registrationName, CABundle: a.certificates.CABundle,
		FailurePolicy: v2.FailurePolicy(w.FailurePolicy), Timeout: w.Timeout, ExcludeNamespaces: w.ExcludeNamespaces, OwnNamespace: c.Namespace,
		Admission: c.Admission.Enabled, Mutate: c.Admission.Mutate, PolicyWebhookFailurePolicy: v2.FailurePolicy(c.PolicyWebhook.FailurePolicy),
		OwnerRef: owner, Workloads: a.book.workloads, Logger: a.logger,
	}
	if w.URL != "" {
		o.URL = w.URL
	} else {
		o.Service = &registration.ServiceRef{Namespace: c.Namespace, Name: w.Service, Port: int32(w.ServicePort)} //nolint:gosec // a port
	}
	return o
}

// owner is the ClusterRole of the chart: when it goes, Kubernetes removes the registration and the Secret with the certificate, even
// if nothing else does.
func (a *agent) owner(ctx context.Context) *metav1.OwnerReference {
	if a.options.ClusterRole == "" {
		return nil
	}
	role := &rbacv1.ClusterRole{}
	if err := a.direct.Get(ctx, client.ObjectKey{Name: a.options.ClusterRole}, role); err != nil {
		a.logger.Warn("what the agent makes gets no owner, and will not be removed together with the chart", "clusterRole", a.options.ClusterRole, "error", err)
		return nil
	}
	return &metav1.OwnerReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Name: role.Name, UID: role.UID}
}

func (a *agent) registerOnce(ctx context.Context, registrar *registration.Registrar, e *edition) error {
	if self := a.certificates.self; self != nil {
		if err := self.Ensure(ctx); err != nil {
			return fmt.Errorf("keeping the certificate: %w", err)
		}
	}
	state, err := registrar.Sync(ctx, e.acting(v2.ModeAdmission))
	if err != nil {
		return fmt.Errorf("registering the webhooks: %w", err)
	}
	outcome := "unchanged"
	if state.Changed {
		outcome = "changed"
		a.logger.Info("webhook registration written", "resources", state.Resources, "unknownKinds", len(state.Unknown))
		for _, unknown := range state.Unknown {
			a.logger.Debug("a policy targets what it is never asked about", "policy", unknown.PolicyID, "reason", unknown.String())
		}
	}
	a.metrics.registering.WithLabelValues(outcome).Inc()
	a.metrics.registered.SetToCurrentTime()
	a.metrics.unknown.Set(float64(len(state.Unknown)))
	if self := a.certificates.self; self != nil {
		if err := self.Promote(ctx, state.CABundle); err != nil {
			return fmt.Errorf("changing to the next certificate: %w", err)
		}
	}
	return nil
}

// watchRegistration wakes the leader when kinds come or go, and when somebody changes the registration.
func (a *agent) watchRegistration(ctx context.Context, informers cache.Cache) error {
	if !a.config.Load().Admission.Webhook.Register {
		return nil
	}
	for _, kind := range []client.Object{metadataOf(crdKind), metadataOf(validatingKind), metadataOf(mutatingKind)} {
		informer, err := informers.GetInformer(ctx, kind)
		if err != nil {
			return fmt.Errorf("watching %s: %w", kind.GetObjectKind().GroupVersionKind().Kind, err)
		}
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { a.register.notify() },
			UpdateFunc: func(before, after any) {
				old, ok := before.(client.Object)
				current, isObject := after.(client.Object)
				if !ok || !isObject || old.GetResourceVersion() != current.GetResourceVersion() {
					a.register.notify()
				}
			},
			DeleteFunc: func(any) { a.register.notify() },
		})
		if err != nil {
			return fmt.Errorf("watching %s: %w", kind.GetObjectKind().GroupVersionKind().Kind, err)
		}
	}
	return nil
}

// Unregister removes the webhook registration. It is for uninstalling: an agent that runs would write it again.
func Unregister(ctx context.Context, o Options) error {
	config, _, err := Load(o)
	if err != nil {
		return err
	}
	reach, err := restConfig(config, o.Version)
	if err != nil {
		return err
	}
	types, err := scheme()
	if err != nil {
		return err
	}
	direct, err := client.New(reach, client.Options{Scheme: types})
	if err != nil {
		return fmt.Errorf("setting up a client: %w", err)
	}
	return registration.New(registration.Options{Client: direct, Name: registrationName}).Remove(ctx)
}
