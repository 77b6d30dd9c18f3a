package events

import (
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/assay-gitops/assay/internal/sink"
	sinkevents "github.com/assay-gitops/assay/internal/sink/events"
	"github.com/assay-gitops/assay/internal/weave"
)

// Why an event is not taken. None of them quotes what it says.
var (
	errNone      = errors.New("it is no result of a policy")
	errGate      = errors.New("its label " + sinkevents.LabelType + " is none of Admission, Audit and TFAdmission")
	errID        = errors.New("it has neither the label " + sinkevents.LabelID + " nor a UID")
	errTime      = errors.New("it has no time of this age")
	errObject    = errors.New("it is about a Flux object, and does not say which object that applies")
	errNamespace = errors.New("it is about an object in another namespace than its own")
	errLong      = fmt.Errorf("a name in it is longer than %d bytes", maxName)
)

const (
	// maxName bounds names and IDs, in bytes, as it does in what agents send.
	maxName = 1024
	// maxAhead is how far the clock of an agent may be ahead of the API server's.
	maxAhead = time.Minute
	// maxYear is the last one of which the store takes times.
	maxYear = 2199
)

var gates = map[string]sink.Gate{
	weave.SourceAdmission: sink.Admission, weave.SourceAudit: sink.Audit, weave.SourceTFAdmission: sink.Terraform,
}

// Result is what an event says, with what is secret masked. The second answer names the annotations that could not be read; the result is
// without what they say. An error says why there is no result; neither quotes the event.
func Result(event *corev1.Event) (result *sink.Result, unread []string, err error) {
	v, faults, err := sinkevents.Read(event)
	if err != nil {
		return nil, nil, errNone
	}
	for _, fault := range faults {
		unread = append(unread, fault.Annotation)
	}
	result = &sink.Result{Version: 1, Gate: gates[v.Source], Workspace: event.Annotations[sinkevents.AnnotationWorkspace]}
	if result.Gate == "" {
		return nil, unread, errGate
	}
	if owner, is := sinkevents.Owner(event); is {
		if v.Entity.Kind == owner.Kind && v.Entity.APIVersion == event.InvolvedObject.APIVersion {
			return nil, unread, errObject
		}
		result.App = &owner
	} else if !isAt(event, &v.Entity) {
		return nil, unread, errNamespace
	}
	if v.ID == "" {
		v.ID = string(event.UID) // as lasting as the label
	}
	if v.ID == "" {
		return nil, unread, errID
	}
	if v.CreatedAt = at(event, v.CreatedAt); v.CreatedAt.Unix() <= 0 || v.CreatedAt.Year() > maxYear {
		return nil, unread, errTime
	}
	for _, name := range []string{
		v.ID, v.Policy.ID, v.Policy.Name, v.Policy.Category, v.Policy.Severity, v.Entity.APIVersion, v.Entity.Kind, v.Entity.Namespace, v.Entity.Name,
		result.Workspace,
	} {
		if len(name) > maxName {
			return nil, unread, errLong
		}
	}
	if event.Reason == sinkevents.ReasonResolved {
		result.Life, result.Resolution = sink.Resolved, event.Annotations[sinkevents.AnnotationResolution]
	}
	if name := event.Annotations[sinkevents.AnnotationException]; name != "" {
		result.Exception = &sink.Exception{Name: name}
	}
	v.Mask()
	if result.Gate == sink.Terraform && v.Entity.Manifest != nil {
		// What is secret in Terraform's plans is in the clear.
		v.Entity.Manifest = map[string]any{
			"apiVersion": v.Entity.APIVersion, "kind": v.Entity.Kind, "metadata": map[string]any{"name": v.Entity.Name, "namespace": v.Entity.Namespace},
		}
	}
	result.Validation = v
	return result, unread, nil
}

// isAt tells whether an event is where one about the object belongs: in its namespace, or in default when it has none.
func isAt(event *corev1.Event, object *weave.Entity) bool {
	if object.Namespace == "" {
		return event.Namespace == metav1.NamespaceDefault
	}
	// One of a namespace that is not there yet is in default: this agent's.
	return object.Namespace == event.Namespace || event.Namespace == metav1.NamespaceDefault && object.Namespace == event.Annotations[sinkevents.AnnotationNamespace]
}

// at is when a result was found: by the agent's clock, unless that is ahead of the API server's or says nothing.
func at(event *corev1.Event, said time.Time) time.Time {
	written := event.CreationTimestamp.UTC()
	if said.Unix() <= 0 || !event.CreationTimestamp.IsZero() && said.After(written.Add(maxAhead)) {
		return written
	}
	return said
}
