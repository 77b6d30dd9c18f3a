package flux

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/internal/words"
)

// The reasons of events; Kubernetes events have the same.
const (
	ReasonViolation  = "PolicyViolation"
	ReasonCompliance = "PolicyCompliance"
	ReasonExcepted   = "PolicyExcepted"
	ReasonResolved   = "PolicyResolved"
	ReasonError      = "PolicyError"
)

// controller is the name by which the Weave Policy Agent reported, and by which receivers know its events.
const controller = "policy-agent"

// An event's message has at most 39,000 characters by its API; what chats show is far less. Metadata becomes a field of a message
// each, so there is little of it and it is short.
const maxMessage, maxValue, maxOccurrence, maxOccurrences = 2000, 1000, 250, 3

// apis are the groups of what applies objects, and the oldest version of each that every Flux since 2.3 serves.
var apis = map[string]struct{ group, version string }{
	"Kustomization": {"kustomize.toolkit.fluxcd.io", "v1"},
	"HelmRelease":   {"helm.toolkit.fluxcd.io", "v2"},
}

// event tells notification-controller of a result whose App is set.
func event(r *sink.Result, instance string) *eventv1.Event {
	v := &r.Validation
	api := apis[r.App.Kind]
	e := &eventv1.Event{
		InvolvedObject: corev1.ObjectReference{
			APIVersion: api.group + "/" + api.version, Kind: r.App.Kind, Name: r.App.Name, Namespace: r.App.Namespace,
		},
		Timestamp:           metav1.NewTime(v.CreatedAt.UTC()),
		Message:             message(r),
		Metadata:            map[string]string{},
		ReportingController: controller,
		ReportingInstance:   instance,
	}
	e.Severity, e.Reason = judged(r)
	add := func(group, key, value string) {
		if value != "" {
			e.Metadata[group+"/"+key] = words.OneLine(value, maxValue)
		}
	}
	// These two are the keys by which the controller tells events apart, and the first is shown, as Flux's own.
	add(api.group, eventv1.MetaRevisionKey, r.App.Revision)
	add(api.group, eventv1.MetaTokenKey, token(r))
	for key, value := range map[string]string{
		"id":          v.ID,
		"cluster_id":  v.ClusterID,
		"policy_id":   v.Policy.ID,
		"severity":    v.Policy.Severity,
		"category":    v.Policy.Category,
		"enforce":     strconv.FormatBool(v.Enforced),
		"gate":        string(r.Gate),
		"object":      object(v),
		"occurrences": occurrences(v),
		"exception":   exception(r),
	} {
		add(eventv1.Group, key, value)
	}
	return e
}

func judged(r *sink.Result) (severity, reason string) {
	switch {
	case r.Life == sink.Resolved:
		return eventv1.EventSeverityInfo, ReasonResolved
	case r.Validation.Status == weave.StatusCompliance:
		return eventv1.EventSeverityInfo, ReasonCompliance
	case r.Validation.Status == weave.StatusExcepted:
		return eventv1.EventSeverityInfo, ReasonExcepted
	case r.Validation.Status == weave.StatusError:
		return eventv1.EventSeverityError, ReasonError
	}
	return eventv1.EventSeverityError, ReasonViolation
}

// message is the result's own, so that what Alerts include and exclude by it stays the same. Results that have none get one.
func message(r *sink.Result) string {
	v := &r.Validation
	text := v.Message
	if text == "" {
		text = fmt.Sprintf("%s in %s %s", v.Policy.Name, strings.ToLower(v.Entity.Kind), v.Entity.Name)
	}
	switch {
	case r.Life == sink.Resolved && r.Resolution != "":
		text += ": resolved, " + r.Resolution
	case r.Life == sink.Resolved:
		text += ": resolved"
	case v.Status == weave.StatusCompliance:
		text += ": complies"
	case v.Status == weave.StatusExcepted:
		text += ": accepted by an exception"
	}
	return words.OneLine(text, maxMessage)
}

func object(v *weave.PolicyValidation) string {
	name := v.Entity.Name
	if v.Entity.Namespace != "" {
		name = v.Entity.Namespace + "/" + name
	}
	return v.Entity.Kind + " " + name
}

func occurrences(v *weave.PolicyValidation) string {
	var texts []string
	for i, o := range v.Occurrences {
		if i == maxOccurrences {
			texts = append(texts, fmt.Sprintf("and %d more", len(v.Occurrences)-i))
			break
		}
		text := words.OneLine(o.Message, maxOccurrence)
		if o.ViolatingKey != nil && *o.ViolatingKey != "" {
			text += " (" + words.OneLine(*o.ViolatingKey, maxOccurrence/3) + ")"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

func exception(r *sink.Result) string {
	if r.Exception == nil {
		return ""
	}
	return r.Exception.Name + ": " + r.Exception.Reason
}

// token is the same for results that say the same, whenever they were made and by which request.
func token(r *sink.Result) string {
	v := &r.Validation
	said := []any{
		r.Gate, r.Life, v.Policy.ID, v.Entity.APIVersion, v.Entity.Kind, v.Entity.Namespace, v.Entity.Name, v.Status, v.Enforced, v.Message, exception(r),
	}
	for _, o := range v.Occurrences {
		key := ""
		if o.ViolatingKey != nil {
			key = *o.ViolatingKey
		}
		said = append(said, o.Message, key)
	}
	hash := sha256.New()
	_ = json.NewEncoder(hash).Encode(said) // texts and a bool, to a hash: neither fails
	return hex.EncodeToString(hash.Sum(nil))
}
