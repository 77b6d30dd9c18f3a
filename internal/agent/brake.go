package agent

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/assay-gitops/assay/internal/words"
)

// BrakeAnnotation on the agent's ConfigMap turns every denial into a warning; its value says why.
const BrakeAnnotation = "pac.weave.works/brake"

// ConfigMapName of the agent's ConfigMap, in its own namespace.
const ConfigMapName = "policy-agent-config"

// brake is the emergency brake: an annotation that kubectl alone can set.
type brake struct {
	// reason while it is on, nil while it is off.
	reason atomic.Pointer[string]
	// changed is called with the ConfigMap whenever the brake was put on or taken off.
	changed []func(ctx context.Context, configMap client.Object, reason string, on bool)
	logger  *slog.Logger
}

// state tells whether the brake is on, and why.
func (b *brake) state() (reason string, on bool) {
	if r := b.reason.Load(); r != nil {
		return *r, true
	}
	return "", false
}

// watch follows the ConfigMap. The cache holds that one only.
func (b *brake) watch(ctx context.Context, informers cache.Cache) error {
	informer, err := informers.GetInformer(ctx, metadataOf(configMapKind))
	if err != nil {
		return fmt.Errorf("watching ConfigMap %s: %w", ConfigMapName, err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { b.see(ctx, o, false) },
		UpdateFunc: func(_, o any) { b.see(ctx, o, false) },
		DeleteFunc: func(o any) {
			if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			b.see(ctx, o, true)
		},
	})
	if err != nil {
		return fmt.Errorf("watching ConfigMap %s: %w", ConfigMapName, err)
	}
	return nil
}

func (b *brake) see(ctx context.Context, o any, gone bool) {
	configMap, ok := o.(client.Object)
	if !ok {
		return
	}
	value, on := configMap.GetAnnotations()[BrakeAnnotation]
	on = on && !gone
	value = words.OneLine(value, maxReason)
	if value == "" {
		value = "no reason given"
	}
	before := b.reason.Load()
	switch {
	case on && (before == nil || *before != value):
		b.reason.Store(&value)
		b.logger.Warn("emergency brake is on: violations are warned about, nothing is denied", "reason", value)
	case !on && before != nil:
		b.reason.Store(nil)
		b.logger.Warn("emergency brake is off: enforced violations are denied again", "was", *before)
	default:
		return
	}
	for _, f := range b.changed {
		f(ctx, configMap, value, on)
	}
}

// maxReason bounds what is repeated in every warning.
const maxReason = 120

// brakeEvent tells people of the ConfigMap that the brake was put on or taken off. Every replica sees that and none may be the
// leader at that moment, so all of them write it, under a name that follows from the change: the first one succeeds.
func brakeEvent(configMap client.Object, reason string, on bool, by string, now time.Time) *eventsv1.Event {
	change := fnv.New64a()
	fmt.Fprint(change, configMap.GetUID(), configMap.GetResourceVersion(), on)
	event := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: configMap.GetNamespace(), Name: fmt.Sprintf("%s.%x", configMap.GetName(), change.Sum64())},
		EventTime:  metav1.NewMicroTime(now), ReportingController: "policy-agent", ReportingInstance: by, Action: "Brake",
		Type: corev1.EventTypeNormal, Reason: "EmergencyBrakeOff", Note: "enforced violations are denied again",
		Regarding: corev1.ObjectReference{
			APIVersion: "v1", Kind: "ConfigMap", Namespace: configMap.GetNamespace(), Name: configMap.GetName(),
			UID: configMap.GetUID(), ResourceVersion: configMap.GetResourceVersion(),
		},
	}
	if on {
		event.Type, event.Reason, event.Note = corev1.EventTypeWarning, "EmergencyBrakeOn", "denials are warnings now: "+reason
	}
	return event
}
