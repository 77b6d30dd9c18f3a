package events

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/internal/words"
)

// The labels of an event.
const (
	LabelID      = "pac.weave.works/id"
	LabelType    = "pac.weave.works/type"
	LabelTrigger = "pac.weave.works/trigger"
)

// The annotations that the Weave Policy Agent did not know.
const (
	// AnnotationTruncated lists the annotations that were cut, with commas between them.
	AnnotationTruncated = "pac.weave.works/truncated"
	// AnnotationNamespace is where the event belongs, when it is in namespace default because that one is missing.
	AnnotationNamespace = "pac.weave.works/namespace"
	// AnnotationEnforced says whether the violation was refused, when that is not what the policy's enforce says.
	AnnotationEnforced = "pac.weave.works/enforced"
	// AnnotationRevision is the source revision that Flux applied.
	AnnotationRevision = "pac.weave.works/revision"
	// AnnotationWorkspace is the tenant.
	AnnotationWorkspace = "pac.weave.works/workspace"
	// AnnotationException names the PolicyException that accepts the violation.
	AnnotationException = "pac.weave.works/exception"
	// AnnotationResolution says why a finding is resolved.
	AnnotationResolution = "pac.weave.works/resolution"
)

// The annotations that it knew.
const (
	keyAccount     = "account_id"
	keyCluster     = "cluster_id"
	keyPolicyID    = "policy_id"
	keyPolicyName  = "policy_name"
	keySeverity    = "severity"
	keyCategory    = "category"
	keyStandards   = "standards"
	keyManifest    = "entity_manifest"
	keyOccurrences = "occurrences"
	keyTags        = "tags"
	keyDescription = "description"
	keyHowToSolve  = "how_to_solve"
	keyParameters  = "parameters"
	keyModes       = "modes"
	keyEnforce     = "enforce"
)

// The reasons of events. Those who know only the first two take the others for compliance, as nothing is to be done; an
// error is a warning besides.
const (
	ReasonViolation  = "PolicyViolation"
	ReasonCompliance = "PolicyCompliance"
	ReasonExcepted   = "PolicyExcepted"
	ReasonError      = "PolicyError"
	ReasonResolved   = "PolicyResolved"
)

const (
	component = "policy-agent"
	allowed   = "Allowed"
	rejected  = "Rejected"
	// maxMessage and maxInstance are what the API server takes, in bytes; the first from those who use events.k8s.io/v1.
	maxMessage  = 1024
	maxInstance = 128
	// maxEntity is what is left of a name for the object's: the rest is a dot and 16 hexadecimal digits.
	maxEntity = validation.DNS1123SubdomainMaxLength - 17
)

// modes are what policies are asked for in, by what judged.
var modes = map[string]v2.Mode{
	weave.SourceAdmission: v2.ModeAdmission, weave.SourceAudit: v2.ModeAudit, weave.SourceTFAdmission: v2.ModeTFAdmission,
}

// encode makes the event of a result. It changes nothing of the result.
func encode(r *sink.Result, instance string, manifests bool) (*corev1.Event, error) {
	v := &r.Validation
	annotations, err := annotationsOf(r, manifests)
	if err != nil {
		return nil, fmt.Errorf("making the event of the result %s of policy %s: %w", v.ID, v.Policy.ID, err)
	}
	at := metav1.NewTime(v.CreatedAt)
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name(v.Entity.Name, v.ID),
			Labels:      map[string]string{LabelID: labelValue(v.ID), LabelType: labelValue(v.Source), LabelTrigger: labelValue(v.Trigger)},
			Annotations: annotations,
		},
		InvolvedObject: involved(r),
		Related: &corev1.ObjectReference{
			APIVersion: v2.GroupVersion.String(), Kind: "Policy", Name: words.Cut(v.Policy.ID, maxShort),
		},
		Message:        words.Cut(v.Message, maxMessage),
		FirstTimestamp: at, LastTimestamp: at, Count: 1,
		Source:              corev1.EventSource{Component: component},
		ReportingController: component,
		ReportingInstance:   words.Cut(instance, maxInstance),
	}
	event.Type, event.Reason, event.Action = kind(r)
	if event.Reason == ReasonResolved {
		event.Message = words.Cut("resolved: "+v.Message, maxMessage)
	}
	event.Namespace = event.InvolvedObject.Namespace
	switch {
	case event.Namespace == "":
		event.Namespace = metav1.NamespaceDefault
	case len(validation.IsDNS1123Label(event.Namespace)) > 0: // a label of Flux's, written by somebody else
		moveToDefault(event)
	}
	fit(event.Annotations)
	return event, nil
}

// moveToDefault puts an event into the namespace default. The API server takes it there only when the object that it is
// about names no other namespace.
func moveToDefault(event *corev1.Event) {
	event.Annotations[AnnotationNamespace] = words.Cut(event.InvolvedObject.Namespace, maxShort)
	event.Namespace, event.InvolvedObject.Namespace = metav1.NamespaceDefault, ""
}

func kind(r *sink.Result) (eventType, reason, action string) {
	if r.Life == sink.Resolved {
		return corev1.EventTypeNormal, ReasonResolved, allowed
	}
	switch r.Validation.Status {
	case weave.StatusViolation:
		return corev1.EventTypeWarning, ReasonViolation, rejected // also when it was not: the contract
	case weave.StatusError:
		if r.Validation.Enforced {
			return corev1.EventTypeWarning, ReasonError, rejected
		}
		return corev1.EventTypeWarning, ReasonError, allowed
	case weave.StatusExcepted:
		return corev1.EventTypeNormal, ReasonExcepted, allowed
	}
	return corev1.EventTypeNormal, ReasonCompliance, allowed
}

// groups of what Flux applies objects with. The contract has them where the apiVersion should be.
var groups = map[string]string{"HelmRelease": "helm.toolkit.fluxcd.io", "Kustomization": "kustomize.toolkit.fluxcd.io"}

// involved is the Flux object that applies the object, or else the object. The field path is the policy, by which the
// dashboards of Weave GitOps find the events of one.
func involved(r *sink.Result) corev1.ObjectReference {
	e := &r.Validation.Entity
	policy := words.Cut(r.Validation.Policy.ID, maxShort)
	if r.App != nil {
		return corev1.ObjectReference{
			APIVersion: groups[r.App.Kind], Kind: r.App.Kind, Name: words.Cut(r.App.Name, maxShort), Namespace: r.App.Namespace, FieldPath: policy,
		}
	}
	return corev1.ObjectReference{
		APIVersion: words.Cut(e.APIVersion, maxShort), Kind: words.Cut(e.Kind, maxShort), Name: words.Cut(e.Name, maxShort), Namespace: e.Namespace,
		UID: types.UID(e.ID), ResourceVersion: e.ResourceVersion, FieldPath: policy,
	}
}

func annotationsOf(r *sink.Result, manifests bool) (map[string]string, error) {
	v := &r.Validation
	manifest := identity(&v.Entity)
	// What is secret in Terraform's plans is in the clear.
	if manifests && v.Entity.Manifest != nil && r.Gate != sink.Terraform {
		manifest = hideSensitive(v.Entity.Manifest)
	}
	annotations := map[string]string{
		keyAccount: v.AccountID, keyCluster: v.ClusterID, keyPolicyID: v.Policy.ID, keyPolicyName: v.Policy.Name,
		keySeverity: v.Policy.Severity, keyCategory: v.Policy.Category, keyTags: strings.Join(v.Policy.Tags, ","),
		keyDescription: v.Policy.Description, keyHowToSolve: v.Policy.HowToSolve,
		keyModes: string(modes[v.Source]), keyEnforce: strconv.FormatBool(v.Policy.Enforce),
	}
	for key, value := range map[string]any{
		keyStandards: v.Policy.Standards, keyManifest: manifest, keyOccurrences: v.Occurrences, keyParameters: v.Policy.Parameters,
	} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("writing the annotation %s: %w", key, err)
		}
		annotations[key] = string(text)
	}
	if v.Enforced != v.Policy.Enforce {
		annotations[AnnotationEnforced] = strconv.FormatBool(v.Enforced)
	}
	optional := map[string]string{AnnotationWorkspace: r.Workspace, AnnotationResolution: r.Resolution}
	if r.App != nil {
		optional[AnnotationRevision] = r.App.Revision
	}
	if r.Exception != nil {
		optional[AnnotationException] = r.Exception.Name
	}
	for key, value := range optional {
		if value != "" {
			annotations[key] = value
		}
	}
	return annotations, nil
}

// identity is a manifest with nothing but what object it is. The object is nowhere else in an event about a Flux object.
func identity(e *weave.Entity) map[string]any {
	metadata := map[string]any{"name": words.Cut(e.Name, maxShort)}
	if e.Namespace != "" {
		metadata["namespace"] = words.Cut(e.Namespace, maxShort)
	}
	if e.ID != "" {
		metadata["uid"] = words.Cut(e.ID, maxShort)
	}
	return map[string]any{"apiVersion": words.Cut(e.APIVersion, maxShort), "kind": words.Cut(e.Kind, maxShort), "metadata": metadata}
}

var (
	notInNames  = regexp.MustCompile(`[^a-z0-9]*\.[^a-z0-9]*|[^a-z0-9.]+`)
	notInLabels = regexp.MustCompile(`[^A-Za-z0-9._-]+`)
)

// name is the same for the same result, so that it is not written twice. Names of objects may have more characters than
// those of events: those of roles have colons, those of Terraform's whatever their authors liked.
func name(entity, id string) string {
	entity = notInNames.ReplaceAllStringFunc(strings.ToLower(words.Cut(entity, maxEntity)), func(s string) string {
		if strings.Contains(s, ".") {
			return "."
		}
		return "-"
	})
	entity = strings.Trim(entity[:min(len(entity), maxEntity)], "-.")
	if entity == "" {
		entity = "object"
	}
	return entity + suffix(id)
}

// suffix ends the name of the event of a result.
func suffix(id string) string {
	sum := sha256.Sum256([]byte(id))
	return "." + hex.EncodeToString(sum[:8])
}

func labelValue(s string) string {
	s = notInLabels.ReplaceAllString(words.Cut(s, validation.LabelValueMaxLength), "-")
	return strings.Trim(s, "-._")
}
