package agent

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/gate/audit"
	"github.com/assay-gitops/assay/internal/journal"
	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/policy"
)

// AuditAnnotation on the agent's ConfigMap asks for a full audit whenever its value changes.
const AuditAnnotation = "pac.weave.works/audit-requested"

// auditAppendTimeout is how long audit waits for its results to be in the journal. It has time, and finds again what was not kept.
const auditAppendTimeout = 30 * time.Second

// auditing is the audit of this replica, which is one only while it leads.
type auditing struct {
	current atomic.Pointer[audit.Auditor]
	// requested is the value of the annotation.
	requested atomic.Pointer[string]
}

// tell calls f with the auditor if there is one.
func (a *auditing) tell(f func(*audit.Auditor)) {
	if auditor := a.current.Load(); auditor != nil {
		f(auditor)
	}
}

// audit audits until the context ends.
func (a *agent) audit(ctx context.Context) {
	options, err := a.auditOptions(ctx)
	if err != nil {
		a.logger.Error("there is no audit", "error", err)
		return
	}
	auditor := audit.New(options)
	a.auditing.current.Store(auditor)
	defer a.auditing.current.Store(nil)
	auditor.Run(ctx)
}

func (a *agent) auditOptions(ctx context.Context) (audit.Options, error) {
	c := a.config.Load()
	o := audit.Options{
		Discovery: a.discovery, OwnNamespace: c.Namespace, Owner: a.owner(ctx), Namespace: a.namespaces.get, Logger: a.logger.With("part", "audit"),
		AccountID: c.AccountID, ClusterID: c.ClusterID, Record: a.audited, Told: a.teller.audited,
		Policies: func() (engine.Sources, *engine.Snapshot) {
			sources, snapshot, _ := a.book.sourcesInForce()
			return sources, snapshot
		},
		ExemptNamespaces: func() []string { return a.config.Load().Admission.Webhook.ExcludeNamespaces },
		WriteCompliance:  func() bool { return a.config.Load().Audit.WriteCompliance },
		Interval:         func() time.Duration { return a.config.Load().Audit.Interval },
		// What is there is what Flux has applied, whatever it attempts now.
		Revision: func(app policy.App) string { return a.results.revisions.Of(app).Applied },
		Requested: func() string {
			if value := a.auditing.requested.Load(); value != nil {
				return *value
			}
			return ""
		},
	}
	// Objects come as JSON, whose numbers are exact, on connections of their own: lists must not wait in line with leases.
	config := rest.CopyConfig(a.cluster.GetConfig())
	reading, err := dynamic.NewForConfig(config)
	if err != nil {
		return o, fmt.Errorf("setting up a client for objects: %w", err)
	}
	o.Reader = &objects.Reader{Client: reading}
	if o.Metadata, err = metadata.NewForConfig(config); err != nil {
		return o, fmt.Errorf("setting up a client for metadata: %w", err)
	}
	if o.Client, err = kubernetes.NewForConfig(config); err != nil {
		return o, fmt.Errorf("setting up a client for ConfigMaps: %w", err)
	}
	return o, nil
}

// watchAudit tells the audit of namespaces, kinds and requests that change.
func (a *agent) watchAudit(ctx context.Context, informers cache.Cache) error {
	if !a.config.Load().Audit.Enabled {
		return nil
	}
	kindChanged := func() { a.auditing.tell((*audit.Auditor).KindsChanged) }
	for _, w := range []struct {
		kind    client.Object
		handler toolscache.ResourceEventHandlerFuncs
	}{
		{newNamespace(), toolscache.ResourceEventHandlerFuncs{UpdateFunc: func(before, after any) {
			old, ok := before.(*unstructured.Unstructured)
			current, isObject := after.(*unstructured.Unstructured)
			if ok && isObject && audit.NamespaceDiffers(old.Object, current.Object) {
				a.auditing.tell(func(auditor *audit.Auditor) { auditor.NamespaceChanged(current.GetName()) })
			}
		}}},
		{metadataOf(crdKind), toolscache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { kindChanged() }, UpdateFunc: func(_, _ any) { kindChanged() }, DeleteFunc: func(any) { kindChanged() },
		}},
		{metadataOf(configMapKind), toolscache.ResourceEventHandlerFuncs{AddFunc: a.requestAudit, UpdateFunc: func(_, o any) { a.requestAudit(o) }}},
	} {
		informer, err := informers.GetInformer(ctx, w.kind)
		if err != nil {
			return fmt.Errorf("watching %s: %w", w.kind.GetObjectKind().GroupVersionKind().Kind, err)
		}
		if _, err := informer.AddEventHandler(w.handler); err != nil {
			return fmt.Errorf("watching %s: %w", w.kind.GetObjectKind().GroupVersionKind().Kind, err)
		}
	}
	return nil
}

// maxRequest bounds what a request says: it is kept in the record of the audit.
const maxRequest = 100

func (a *agent) requestAudit(o any) {
	configMap, ok := o.(client.Object)
	if !ok {
		return
	}
	value := configMap.GetAnnotations()[AuditAnnotation]
	value = value[:min(len(value), maxRequest)]
	if before := a.auditing.requested.Swap(&value); before == nil || *before != value {
		a.auditing.tell((*audit.Auditor).Changed)
	}
}

// audited writes down what audit found, if any sink wants it. What it cannot write down is found again.
func (a *agent) audited(ctx context.Context, found []sink.Result) error {
	if !a.results.wanted(sink.Audit) {
		return nil
	}
	opened := a.results.journal.Load()
	if opened == nil {
		return errors.New("the journal is not open")
	}
	records := make([]journal.Record, 0, len(found))
	for i := range found {
		record, err := found[i].Record()
		if err != nil {
			a.results.lost(1, err) // it would fail again and again
			continue
		}
		records = append(records, record)
	}
	ctx, cancel := context.WithTimeout(ctx, auditAppendTimeout)
	defer cancel()
	err := opened.Append(ctx, records...)
	if errors.Is(err, journal.ErrTooLarge) {
		for _, record := range records {
			switch err := opened.Append(ctx, record); {
			case errors.Is(err, journal.ErrTooLarge):
				a.results.lost(1, err)
			case err != nil && !errors.Is(err, journal.ErrBuffered):
				return err
			}
		}
		return nil
	}
	if errors.Is(err, journal.ErrBuffered) {
		return nil // it is written when the disk can be
	}
	return err
}
