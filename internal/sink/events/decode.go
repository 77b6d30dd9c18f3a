package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validation"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/internal/words"
)

// statuses by the reasons of events. A finding that is resolved is none any more.
var statuses = map[string]string{
	ReasonViolation: weave.StatusViolation, ReasonCompliance: weave.StatusCompliance, ReasonExcepted: weave.StatusExcepted,
	ReasonError: weave.StatusError, ReasonResolved: weave.StatusCompliance,
}

// Decode reads the event of a result, of this agent or of any version of the Weave Policy Agent; it fails for events of
// others. Code and targets of policies are not in events. The object is the one that was judged, also when the event is about
// the Flux object that applies it. Numbers in what is of any type are json.Number.
func Decode(event *corev1.Event) (weave.PolicyValidation, error) {
	v, unread, err := Read(event)
	if err == nil && len(unread) > 0 {
		err = unread[0].Err
	}
	if err != nil {
		return weave.PolicyValidation{}, fmt.Errorf("reading a policy's result from the event %s/%s: %w",
			words.OneLine(event.Namespace, maxShort), words.OneLine(event.Name, maxShort), err)
	}
	return v, nil
}

// Unread is an annotation that is not what it should be.
type Unread struct {
	Annotation string
	// Err may quote what the annotation says.
	Err error
}

// Read is Decode for who would rather have a part than nothing: what annotations that cannot be read are about has its zero
// value, or the one of an event without them.
func Read(event *corev1.Event) (v weave.PolicyValidation, unread []Unread, err error) {
	labels, annotations := event.Labels, event.Annotations
	status, known := statuses[event.Reason]
	if !known || annotations[keyPolicyID] == "" {
		return v, nil, errors.New("it is not an event of a policy agent, which has a reason such as PolicyViolation and the annotation policy_id")
	}
	if size(annotations) > validation.TotalAnnotationSizeLimitB {
		return v, nil, errors.New("its annotations are larger than the API server takes")
	}
	v = weave.PolicyValidation{
		ID: labels[LabelID], AccountID: annotations[keyAccount], ClusterID: annotations[keyCluster],
		Policy: weave.Policy{
			ID: annotations[keyPolicyID], Name: annotations[keyPolicyName], Category: annotations[keyCategory],
			Severity: annotations[keySeverity], Description: annotations[keyDescription], HowToSolve: annotations[keyHowToSolve],
			Tags:    []string{},
			Targets: weave.Targets{Kinds: []string{}, Labels: []map[string]string{}, Namespaces: []string{}},
			Exclude: weave.Exclude{Namespaces: []string{}, Resources: []string{}, Labels: map[string]string{}},
		},
		Status: status, Message: event.Message, Source: labels[LabelType], Trigger: labels[LabelTrigger],
		CreatedAt: event.FirstTimestamp.UTC(),
	}
	if event.FirstTimestamp.IsZero() {
		v.CreatedAt = event.EventTime.UTC()
	}
	for tag := range strings.SplitSeq(annotations[keyTags], ",") {
		if tag != "" {
			v.Policy.Tags = append(v.Policy.Tags, tag)
		}
	}
	note := func(annotation string, err error) {
		if err != nil {
			unread = append(unread, Unread{annotation, err})
		}
	}
	// Agents that wrote modes instead knew no policies that only warn.
	v.Policy.Enforce, err = boolean(annotations, keyEnforce, true)
	note(keyEnforce, err)
	v.Enforced, err = boolean(annotations, AnnotationEnforced, v.Policy.Enforce)
	note(AnnotationEnforced, err)
	v.Policy.Standards, err = list[weave.Standard](annotations, keyStandards)
	note(keyStandards, err)
	for i := range v.Policy.Standards {
		if v.Policy.Standards[i].Controls == nil {
			v.Policy.Standards[i].Controls = []string{}
		}
	}
	v.Policy.Parameters, err = list[weave.Parameter](annotations, keyParameters)
	note(keyParameters, err)
	v.Occurrences, err = list[weave.Occurrence](annotations, keyOccurrences)
	note(keyOccurrences, err)
	v.Entity, err = entity(event)
	note(keyManifest, err)
	return v, unread, nil
}

func boolean(annotations map[string]string, key string, otherwise bool) (bool, error) {
	text, set := annotations[key]
	if !set {
		return otherwise, nil
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		return otherwise, fmt.Errorf("its annotation %s is %q, which is neither true nor false", key, words.OneLine(text, 40))
	}
	return value, nil
}

// list is empty rather than nil: those who read these documents iterate over it.
func list[T any](annotations map[string]string, key string) ([]T, error) {
	items := []T{}
	if annotations[key] == "" {
		return items, nil
	}
	if err := unmarshal(annotations[key], &items); err != nil {
		return []T{}, fmt.Errorf("its annotation %s is not the JSON of a list: %w", key, err)
	}
	if items == nil {
		return []T{}, nil
	}
	return items, nil
}

// entity is the object of the manifest when it says what it is, as it does since there are manifests in events, and
// otherwise what the event is about.
func entity(event *corev1.Event) (weave.Entity, error) {
	about := &event.InvolvedObject
	e := weave.Entity{
		ID: string(about.UID), APIVersion: about.APIVersion, Kind: about.Kind, Name: about.Name, Namespace: about.Namespace,
		ResourceVersion: about.ResourceVersion,
	}
	if missing := event.Annotations[AnnotationNamespace]; missing != "" && e.Namespace == "" {
		e.Namespace = missing
	}
	if event.Annotations[keyManifest] == "" {
		return e, nil
	}
	if err := unmarshal(event.Annotations[keyManifest], &e.Manifest); err != nil {
		e.Manifest = nil
		return e, fmt.Errorf("its annotation %s is not the JSON of an object: %w", keyManifest, err)
	}
	metadata, _ := e.Manifest["metadata"].(map[string]any)
	owners, _ := metadata["ownerReferences"].([]any)
	e.HasParent = len(owners) > 0
	apiVersion, kind, name := text(e.Manifest, "apiVersion"), text(e.Manifest, "kind"), text(metadata, "name")
	if apiVersion == "" || kind == "" || name == "" || apiVersion == e.APIVersion && kind == e.Kind && name == e.Name {
		return e, nil
	}
	e.APIVersion, e.Kind, e.Name, e.Namespace = apiVersion, kind, name, text(metadata, "namespace")
	e.ID, e.ResourceVersion = text(metadata, "uid"), text(metadata, "resourceVersion")
	return e, nil
}

func text(fields map[string]any, key string) string {
	s, _ := fields[key].(string)
	return s
}

// unmarshal keeps numbers exact.
func unmarshal(text string, into any) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("something follows the value")
	}
	return nil
}

// Owner is the Flux object that an event is about in place of the object that it applies; false when the event is about the
// object itself. The apiVersion of such an owner is the group only.
func Owner(event *corev1.Event) (sink.App, bool) {
	about := &event.InvolvedObject
	if group, flux := groups[about.Kind]; !flux || about.APIVersion != group {
		return sink.App{}, false
	}
	return sink.App{Kind: about.Kind, Namespace: about.Namespace, Name: about.Name, Revision: event.Annotations[AnnotationRevision]}, true
}

// IsOurs tells whether this agent wrote an event, and not the Weave Policy Agent: the end of its name follows from the ID.
func IsOurs(event *corev1.Event) bool {
	id := event.Labels[LabelID]
	return id != "" && strings.HasSuffix(event.Name, suffix(id))
}
