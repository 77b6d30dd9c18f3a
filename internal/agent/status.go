package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/words"
)

// fieldManager owns what the agent writes by server-side apply.
const fieldManager = "assay-agent"

// statusWriter writes what the agent found out into the statuses of policies, sets, configs and exceptions. One replica
// runs it, the leader. It writes a status only where it differs from the one that is there.
type statusWriter struct {
	reader client.Reader
	client client.Client
	book   *book
	facts  func() facts
	wanted signal
	logger *slog.Logger
}

// facts are what statuses say beside what compiling found.
type facts struct {
	// brake is why the emergency brake is on; empty when it is off.
	brake string
	// suspended says of policies, by id, why their circuit is open.
	suspended map[string]string
	now       time.Time
}

// statusResync is how often statuses are looked at without a reason; somebody may have removed one.
const statusResync = 10 * time.Minute

// statusWorkers bounds how many statuses are written at once.
const statusWorkers = 4

// run writes statuses whenever there may be something to write, until the context ends.
func (w *statusWriter) run(ctx context.Context) error {
	for {
		next := statusResync
		if e := w.book.current.Load(); e != nil {
			var err error
			if next, err = w.write(ctx, e); err != nil && ctx.Err() == nil {
				w.logger.Error("statuses could not be written", "error", err, "retry", retry)
				next = retry
			}
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-w.wanted:
			timer.Stop()
			// The cache must have seen what was written before; statuses are no hurry.
			if !pause(ctx, settle) {
				return nil
			}
		case <-timer.C:
		}
	}
}

// write writes the statuses that are not as they should be, and tells when to look again.
func (w *statusWriter) write(ctx context.Context, e *edition) (time.Duration, error) {
	found := w.facts()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(statusWorkers)
	var errs []error
	for _, desired := range desiredStatuses(e, found) {
		group.Go(func() error { return w.apply(ctx, desired) })
	}
	if err := group.Wait(); err != nil {
		errs = append(errs, err)
	}
	return nextExpiry(e.sources.Exceptions, found.now), errors.Join(errs...)
}

// desiredStatus is an object with the status that it should have.
type desiredStatus struct {
	object client.Object
	// empty is a new object of its type.
	empty  client.Object
	kind   string
	status map[string]any
}

func (w *statusWriter) apply(ctx context.Context, desired desiredStatus) error {
	name := desired.object.GetName()
	current := desired.empty
	if err := w.reader.Get(ctx, client.ObjectKey{Name: name}, current); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("reading %s %s: %w", desired.kind, name, err)
	}
	if current.GetUID() != desired.object.GetUID() || current.GetDeletionTimestamp() != nil {
		return nil // the edition that knows the new one is on its way
	}
	before, err := statusOf(current)
	if err != nil {
		return fmt.Errorf("reading the status of %s %s: %w", desired.kind, name, err)
	}
	if !settleTimes(desired.status, before) {
		return nil
	}
	patch := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v2.GroupVersion.String(), "kind": desired.kind,
		"metadata": map[string]any{"name": name, "uid": string(current.GetUID())},
		"status":   desired.status,
	}}
	err = w.client.SubResource("status").Apply(ctx, client.ApplyConfigurationFromUnstructured(patch), client.FieldOwner(fieldManager), client.ForceOwnership)
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("writing the status of %s %s: %w", desired.kind, name, err)
	}
	return nil
}

// statusOf is the status of an object as JSON values.
func statusOf(object client.Object) (map[string]any, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	status, _, err := unstructured.NestedMap(content, "status")
	return status, err
}

// settleTimes keeps the transition times of conditions whose status did not change, and tells whether the wanted status
// differs from the one before.
func settleTimes(wanted, before map[string]any) bool {
	old := map[string]map[string]any{}
	conditions, _ := before["conditions"].([]any) //nolint:errcheck // absent is fine
	for _, c := range conditions {
		if condition, ok := c.(map[string]any); ok {
			kind, _ := condition["type"].(string)
			old[kind] = condition
		}
	}
	wantedConditions, _ := wanted["conditions"].([]any)
	for _, c := range wantedConditions {
		condition, ok := c.(map[string]any)
		if !ok {
			continue
		}
		kind, _ := condition["type"].(string)
		if was, ok := old[kind]; ok && was["status"] == condition["status"] {
			condition["lastTransitionTime"] = was["lastTransitionTime"]
		}
	}
	return !sameStatus(wanted, before, old)
}

// sameStatus compares what is wanted with what is there: conditions by their type, so that those of others play no part
// but one of ours that is no longer wanted does.
func sameStatus(wanted, before map[string]any, old map[string]map[string]any) bool {
	seen := map[string]bool{}
	wantedConditions, _ := wanted["conditions"].([]any)
	for _, c := range wantedConditions {
		condition, ok := c.(map[string]any)
		if !ok {
			return false
		}
		kind, _ := condition["type"].(string)
		seen[kind] = true
		if !sameJSON(condition, old[kind]) {
			return false
		}
	}
	for _, kind := range ownConditions {
		if _, there := old[kind]; there && !seen[kind] {
			return false
		}
	}
	for key, value := range wanted {
		// The typed object that the cache holds leaves empty values out.
		if key != "conditions" && !sameJSON(value, before[key]) && !(before[key] == nil && isEmpty(value)) {
			return false
		}
	}
	return true
}

func isEmpty(value any) bool {
	switch v := value.(type) {
	case string:
		return v == ""
	case int64:
		return v == 0
	case []any:
		return len(v) == 0
	}
	return false
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// condition is a condition as JSON values, from now on.
func condition(kind string, status metav1.ConditionStatus, generation int64, now time.Time, reason, message string) map[string]any {
	return map[string]any{
		"type": kind, "status": string(status), "observedGeneration": generation,
		"lastTransitionTime": now.UTC().Format(time.RFC3339), "reason": reason, "message": words.OneLine(message, maxMessage),
	}
}

// maxMessage bounds messages in conditions, in characters (the API allows 32 KiB).
const maxMessage = 4096
